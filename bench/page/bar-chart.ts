/** Bars under each other: for one thing, or in groups. */
export interface BarChart {
  readonly title: string;
  /** The chart in words, for whoever does not see it. */
  readonly description: string;
  readonly groups: readonly {
    readonly name: string;
    readonly bars: readonly {
      /** Which of the series it belongs to. */
      readonly series: string;
      readonly value: number;
      readonly label: string;
    }[];
    /** Where a line crosses the group's bars. */
    readonly goal?: number;
  }[];
}

const [width, left, right] = [760, 250, 120];
const [barHeight, barGap, groupGap, top] = [16, 3, 14, 64];
/** Told apart by brightness as well, so also without colours. */
const colours = ["#0b7285", "#e8890c", "#868e96", "#9c36b5", "#2b8a3e"];

/** The chart as SVG that stands for itself: readable on light and dark pages, and by screen readers. */
export function barChart({ title, description, groups }: BarChart): string {
  const series = [...new Set(groups.flatMap(({ bars }) => bars.map((bar) => bar.series)))];
  const most = Math.max(1e-9, ...groups.flatMap(({ bars, goal = 0 }) => [goal, ...bars.map(({ value }) => value)]));
  const scale = (value: number) => Math.round(((width - left - right) * value * 10) / most) / 10;
  const drawn: string[] = [];
  let y = top;
  for (const { name, bars, goal } of groups) {
    const height = bars.length * (barHeight + barGap) - barGap;
    drawn.push(`<text x="${left - 10}" y="${y + height / 2 + 4}" text-anchor="end">${escaped(name)}</text>`);
    for (const [nth, bar] of bars.entries()) {
      const at = y + nth * (barHeight + barGap);
      drawn.push(
        `<rect x="${left}" y="${at}" width="${scale(bar.value)}" height="${barHeight}" fill="${colourOf(series, bar.series)}"/>`,
        `<text x="${left + scale(Math.max(bar.value, goal ?? 0)) + 6}" y="${at + 12}">${escaped(bar.label)}</text>`,
      );
    }
    if (goal !== undefined) {
      const x = left + scale(goal);
      drawn.push(`<line class="goal" x1="${x}" x2="${x}" y1="${y - 4}" y2="${y + height + 4}"/>`);
    }
    y += height + groupGap;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" role="img" aria-labelledby="title desc">
<title id="title">${escaped(title)}</title>
<desc id="desc">${escaped(description)}</desc>
<style>
text { font: 12px system-ui, sans-serif; fill: #212529 }
.head { font-size: 15px; font-weight: 600 }
.goal { stroke: #c92a2a; stroke-width: 2; stroke-dasharray: 4 2 }
@media (prefers-color-scheme: dark) { text { fill: #f1f3f5 } .goal { stroke: #ff8787 } }
</style>
<text class="head" x="10" y="22">${escaped(title)}</text>
${legend(series)}
${drawn.join("\n")}
</svg>
`;
}

const colourOf = (series: readonly string[], name: string): string =>
  colours[series.indexOf(name) % colours.length] ?? "#868e96";

function legend(series: readonly string[]): string {
  if (series.length < 2) return "";
  let x = 10;
  return series
    .map((name) => {
      const at = x;
      x += name.length * 7 + 36;
      return `<rect x="${at}" y="34" width="12" height="12" fill="${colourOf(series, name)}"/>
<text x="${at + 18}" y="45">${escaped(name)}</text>`;
    })
    .join("\n");
}

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
