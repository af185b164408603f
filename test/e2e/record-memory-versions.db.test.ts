import { expect, test } from "vitest";
import { startApplication } from "../../src/gesta.ts";
import { anyone, application, crud, entity, nobody, text } from "../../src/index.ts";
import { runApplication } from "../support/running-application.ts";

/** The same records, of which another field is for Gesta itself alone. */
const version = (masked: "left" | "right") => {
  const field = (name: string) => text(name === masked ? { readBy: nobody } : {});
  return application("versions", {
    entities: [
      entity("notes", { fields: { left: field("left"), right: field("right") }, read: anyone }, crud({ by: anyone })),
    ],
  });
};

test("an application that goes on while the next version of it starts shows nothing that is masked by now", async () => {
  const app = await runApplication(version("left"), "postgres");
  try {
    for (const nth of [1, 2, 3]) {
      const made = await app.call("POST", "/notes", null, { left: `left ${nth}`, right: `right ${nth}` });
      expect(made.status, made.text).toBe(201);
    }
    const [note] = (await app.call("GET", "/notes")).body.notes as readonly { readonly id: string }[]; // a list's envelope
    const paths = ["/notes", "/notes?limit=2", `/notes/${note?.id}`];
    const read = async () =>
      (await Promise.all(paths.map((path) => app.call("GET", path)))).map(({ text }) => text).join();
    for (let times = 0; times < 15; times++) expect(await read()).not.toContain("left 1");
    expect(await read()).toContain("right 1");
    const next = await startApplication(version("right"), app.around);
    await next.close();
    expect(await read()).not.toContain("right 1");
    expect(await read()).toContain("left 1");
  } finally {
    await app.stop();
  }
});
