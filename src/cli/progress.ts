/** How far a long piece of work has come: a bar where somebody looks on, now and then a line where not. */
export interface Progress {
  /** @param share of the work, from 0 to 1; null where nobody knows */
  show(text: string, share: number | null): void;
  end(): void;
}

const width = 30;
const barMilliseconds = 100;
const lineMilliseconds = 5000;

export function progressOn(stream: NodeJS.WriteStream): Progress {
  const isTerminal = stream.isTTY === true;
  let last = performance.now();
  return {
    show(text, share) {
      const now = performance.now();
      if (now - last < (isTerminal ? barMilliseconds : lineMilliseconds)) return;
      last = now;
      const percent = share === null ? "" : `${Math.floor(share * 100)} % `;
      if (!isTerminal) stream.write(`${percent}${text}\n`);
      else if (share === null) stream.write(`\r\u001b[K${text}`);
      else {
        const filled = Math.round(Math.min(1, share) * width);
        stream.write(`\r\u001b[K[${"#".repeat(filled)}${".".repeat(width - filled)}] ${percent}${text}`);
      }
    },
    end() {
      if (isTerminal) stream.write("\r\u001b[K");
    },
  };
}
