/** The candidate that a misspelt word most likely meant, or undefined when none is near (Levenshtein distance ≤ 1/3 of its length, at least 2, or 1 for two letters). */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(word.length < 3 ? 1 : 2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    // The difference of lengths is the least that the distance can be; a key of a megabyte must not cost a second.
    if (Math.abs(candidate.length - word.length) >= bestDistance || word.length > 200) continue;
    const distance = editDistance(word, candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, substitution));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
