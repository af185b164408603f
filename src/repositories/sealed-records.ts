import type { PersonalValues, Sealable } from "./personal-values.ts";

/** What became of a command. */
interface Answer {
  readonly outcome: string;
  readonly replayed?: boolean;
}

const isNew = ({ outcome, replayed }: Answer): boolean => outcome === "done" && replayed !== true;

/** Writes one command with its personal values sealed; one without any takes no detour. */
export async function writeSealed<C extends Sealable, A extends Answer>(
  personal: PersonalValues,
  entity: string,
  plain: C,
  write: (command: C) => Promise<A>,
): Promise<A> {
  if (!personal.concerns(entity, plain)) return write(plain);
  const { command, done } = await personal.seal(entity, plain);
  const written = await write(command);
  await done(isNew(written));
  return written;
}

/** The same for commands that stand or fall together. */
export async function writeAllSealed<C extends Sealable, A extends Answer>(
  personal: PersonalValues,
  entity: string,
  plain: readonly C[],
  call: Pick<Sealable, "dry">,
  write: (commands: readonly C[]) => Promise<A>,
): Promise<A> {
  if (!plain.some((command) => personal.concerns(entity, command))) return write(plain);
  const isDry = call.dry === true;
  const sealed = await Promise.all(plain.map((command) => personal.seal(entity, command, isDry)));
  const written = await write(sealed.map(({ command }) => command));
  await Promise.all(sealed.map(({ done }) => done(isNew(written))));
  return written;
}

/** Pages with what is sealed in them opened: those as of a moment; pages of now hold nothing sealed. */
export async function openPages<P extends Answer>(
  personal: PersonalValues,
  entity: string,
  pages: readonly (P | (P & { readonly body: string }))[],
): Promise<readonly P[]> {
  const bodies = await personal.openTexts(
    entity,
    pages.map((page) => ("body" in page ? page.body : "")),
  );
  return pages.map((page, index) => ("body" in page ? { ...page, body: bodies[index] ?? page.body } : page));
}
