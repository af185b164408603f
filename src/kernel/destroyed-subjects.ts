/** A subject whose key is destroyed. */
export interface DestroyedSubject {
  readonly entity: string;
  readonly id: string;
  readonly at: string;
}

/** A list of destroyed subjects, one JSON object on each line. @throws Error that names the line. */
export function parseDestroyed(text: string): readonly DestroyedSubject[] {
  return text.split("\n").flatMap((line, index) => {
    if (line.trim() === "") return [];
    const { entity, id, at }: Partial<DestroyedSubject> = parsed(line, index + 1);
    if (typeof entity !== "string" || typeof id !== "string" || typeof at !== "string") {
      throw new Error(`line ${index + 1} of the list of destroyed subjects has no entity, id and at`);
    }
    return [{ entity, id, at }];
  });
}

function parsed(line: string, number: number): object {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Said below.
  }
  throw new Error(`line ${number} of the list of destroyed subjects is no JSON object`);
}
