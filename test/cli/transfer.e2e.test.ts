import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { seedId } from "../../src/declare/application.ts";
import { startApplication } from "../../src/gesta.ts";
import { readConfiguration } from "../../src/kernel/configuration.ts";
import { silent } from "../../src/kernel/observation.ts";
import { freshDatabase } from "../support/fresh-database.ts";
import { engines } from "../support/running-application.ts";
import { repositoryRoot } from "../support/source-tree.ts";

/** How many rows the long import has; a release is tested with 100,000. */
const rows = Number(process.env.GESTA_TEST_IMPORT ?? 5000);
const secret = "the secret of the tests, long enough";

describe.each(engines)("files on %s", (engine) => {
  const directory = mkdtempSync(join(tmpdir(), "gesta-transfer-"));
  const at = (name: string) => join(directory, name);
  let env: NodeJS.ProcessEnv;
  let drop = async () => {};

  beforeAll(async () => {
    const database = engine === "postgres" ? await freshDatabase() : null;
    if (database !== null) drop = () => database.drop();
    const set = {
      PORT: "0",
      HOST: "127.0.0.1",
      GESTA_DATA: at("data"),
      GESTA_JWT_SECRET: secret,
      ...(database === null ? {} : { DATABASE_URL: database.url }),
    };
    const running = await startApplication(delivery, {
      configuration: readConfiguration(set, () => ""),
      secret,
      observe: silent,
    });
    await running.close();
    env = { ...process.env, ...set };
  });
  afterAll(async () => {
    await drop();
    rmSync(directory, { recursive: true, force: true });
  });

  const words = (line: readonly string[]) => [
    "bin/gesta.js",
    ...line,
    "--application",
    "examples/delivery/dist/application.js",
  ];
  const begin = (line: readonly string[]): ChildProcess =>
    spawn(process.execPath, words(line), { cwd: repositoryRoot, env, stdio: ["ignore", "pipe", "pipe"] });

  /** The built command: its exit code and what it said. */
  async function gesta(...line: readonly string[]) {
    const child = begin(line);
    const said = { out: "", err: "" };
    child.stdout?.on("data", (part) => {
      said.out += part;
    });
    child.stderr?.on("data", (part) => {
      said.err += part;
    });
    const code = await new Promise<number | null>((ended) => child.once("close", ended));
    return { code, ...said };
  }
  const lastLine = (text: string) => JSON.parse(text.trim().split("\n").at(-1) ?? "");
  const drinksLike = async (start: string): Promise<readonly { readonly name: string; readonly price: number }[]> => {
    const { out } = await gesta("export", "drinks", `name[starts]=${start}`, "--format", "ndjson");
    return out
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  };

  test("an import that is killed on its way and resumed stores exactly the rows of the file", async () => {
    const path = at("long.csv");
    const stream = createWriteStream(path);
    stream.write("name,price\r\n");
    // The bad line tells when two thousand rows are stored and others are not.
    const bad = 2100;
    for (let row = 0; row < rows; row++) stream.write(`long ${row},${row === bad ? -1 : row % 100}\r\n`);
    await finished(stream.end());

    const child = begin(["import", "drinks", path, "--mode", "partial"]);
    let said = "";
    for await (const part of child.stdout ?? []) {
      said += part;
      if (said.includes(`line ${bad + 2}: /price`)) child.kill("SIGKILL");
    }
    if (child.exitCode === null && child.signalCode === null) await new Promise((ended) => child.once("exit", ended));
    expect(child.signalCode).toBe("SIGKILL");

    const hesitant = await gesta("import", "drinks", path, "--mode", "partial");
    expect([hesitant.code, hesitant.err]).toEqual([1, expect.stringContaining("--resume")]);
    const resumed = await gesta("import", "drinks", path, "--mode", "partial", "--resume", "--json");
    expect(resumed.code).toBe(1);
    const report = lastLine(resumed.out);
    expect(report).toMatchObject({ lines: rows, rejected: 1 });
    expect(report.known).toBeGreaterThanOrEqual(2000);
    expect(report.stored + report.known).toBe(rows - 1);
    const names = (await drinksLike("long ")).map(({ name }) => name);
    expect(names.length).toBe(rows - 1);
    expect(new Set(names)).toEqual(
      new Set(Array.from({ length: rows }, (_, row) => `long ${row}`).filter((_, row) => row !== bad)),
    );
    const again = await gesta("import", "drinks", path, "--mode", "partial", "--resume", "--json");
    expect(lastLine(again.out)).toMatchObject({ stored: 0, known: rows - 1, rejected: 1 });
  }, 300_000);

  // On PGlite each command starts a database of its own: the rest is asked where that takes no time.
  if (engine === "pglite") return;

  test("an atomic import with bad lines stores nothing, names each, and keeps them to be mended", async () => {
    const path = at("mixed.csv");
    writeFileSync(path, '\uFEFFname,price\nmixed 1,1\n"mixed\n2",2\n\n,3\nmixed 4,-1\nmixed 5\nmixed 6,1e999\n');
    const refused = await gesta("import", "drinks", path, "--errors", at("bad.csv"));
    expect(refused.code).toBe(1);
    expect(refused.out.split("\n").filter((line) => line.startsWith("line"))).toEqual([
      "line 6: /name is required",
      "line 7: /price must be at least 0",
      "line 8: has 1 cells, the header has 2",
      "line 9: /price cannot be kept exactly: a number has at most 15 significant digits",
    ]);
    expect(await drinksLike("mixed")).toEqual([]);
    const partial = await gesta("import", "drinks", path, "--mode", "partial", "--json", "--errors", at("bad.csv"));
    expect(lastLine(partial.out)).toMatchObject({ lines: 6, stored: 2, rejected: 4 });
    const kept = readFileSync(at("bad.csv"), "utf8");
    expect(kept.split("\n")).toEqual(["name,price", ',"3"', '"mixed 4","-1"', '"mixed 5"', '"mixed 6","1e999"', ""]);
    writeFileSync(
      at("mended.csv"),
      kept.replace('"-1"', "4").replace('"mixed 5"', '"mixed 5",5').replace(',"3"', "mixed 3,3").replace("1e999", "6"),
    );
    expect(await gesta("import", "drinks", at("mended.csv"))).toMatchObject({ code: 0 });
    expect((await drinksLike("mixed")).map(({ name }) => name)).toEqual([
      ...["mixed 1", "mixed\n2", "mixed 3", "mixed 4", "mixed 5", "mixed 6"],
    ]);
  });

  test("what a file stored is known for good, not for 72 hours", async () => {
    const client = new pg.Client({ connectionString: env.DATABASE_URL });
    await client.connect();
    try {
      const { rows: found } = await client.query("select distinct at::text from gesta.idempotency");
      expect(found).toEqual([{ at: "infinity" }]);
    } finally {
      await client.end();
    }
  });

  test("what was exported can be imported as it was, formulas and all", async () => {
    const names = ["=1+1", "'=2", 'trip, "quoted"', "two\nlines", "Ünï ☕", "+7"].map((name) => `${name} trip`);
    writeFileSync(at("trip.ndjson"), names.map((name, price) => JSON.stringify({ name, price })).join("\n"));
    expect(await gesta("import", "drinks", at("trip.ndjson"))).toMatchObject({ code: 0 });
    const out = at("trip.csv");
    const filters = ["name[contains]= trip", "--fields", "name,price", "--out", out];
    expect(await gesta("export", "drinks", ...filters)).toMatchObject({ code: 0, err: "6 records\n" });
    expect(readFileSync(out, "utf8")).toContain('"\'=1+1 trip",0\n');
    expect(await gesta("import", "drinks", out)).toMatchObject({ code: 0 });
    const { out: text } = await gesta("export", "drinks", "name[contains]= trip", "--format", "ndjson");
    const found = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).name);
    expect(found).toEqual([...names, ...names]);
  });

  test("policies hold for whom it is done as", async () => {
    const items = [1, 2].map((nth) => ({
      restaurant_id: seedId("restaurants", String(nth)),
      name: `imported ${nth}`,
      price: 3,
    }));
    writeFileSync(at("menu.ndjson"), items.map((item) => JSON.stringify(item)).join("\n"));
    const customer = await gesta("import", "menu_items", at("menu.ndjson"), "--as", "customer1");
    expect([customer.code, customer.out]).toEqual([1, expect.stringContaining("0 stored, 2 rejected")]);
    const staff = await gesta("import", "menu_items", at("menu.ndjson"), "--as", "staff1", "--mode", "partial");
    expect([staff.code, staff.out.split("\n")[0]]).toEqual([1, expect.stringMatching(/^line \d: /)]);
    expect(staff.out).toContain("1 stored, 1 rejected");

    const exported = async (...line: readonly string[]) =>
      (await gesta("export", ...line, "--format", "ndjson")).out.split("\n").filter((text) => text !== "").length;
    const [all, mine, nobody] = [
      await exported("orders"),
      await exported("orders", "--as", "customer1"),
      await exported("users", "--as", "customer1"),
    ];
    expect(mine).toBeGreaterThan(0);
    expect(all).toBeGreaterThan(mine);
    expect(nobody).toBe(1);
    const columns = async (...line: readonly string[]) =>
      (await gesta("export", "restaurants", ...line)).out.split("\n")[0]?.split(",");
    expect(await columns()).toContain("staff_ids");
    expect(await columns("--as", "customer1")).not.toContain("staff_ids");
    expect(await gesta("export", "orders", "--as", "visitor")).toMatchObject({ code: 1 });
  });

  test("what cannot be done is told, with what could be meant", async () => {
    writeFileSync(at("strange.csv"), "nam,id\na,1\n");
    writeFileSync(at("latin.csv"), Buffer.from("name,price\nCaf\xe9,1\n", "latin1"));
    writeFileSync(at("open.csv"), 'name,price\n"open,1\n');
    const told = async (code: number, message: string, ...line: readonly string[]) =>
      expect(await gesta(...line)).toMatchObject({ code, err: expect.stringContaining(message) });
    await told(1, "did you mean 'name'?", "import", "drinks", at("strange.csv"));
    await told(1, "is not UTF-8", "import", "drinks", at("latin.csv"));
    await told(1, "Quote Not Closed", "import", "drinks", at("open.csv"));
    await told(1, "bulk: true", "import", "users", at("strange.csv"));
    await told(1, "did you mean 'drinks'?", "export", "drink");
    await told(1, "did you mean 'price'?", "export", "drinks", "--fields", "prise");
    await told(1, "did you mean 'price'?", "export", "drinks", "prise=1");
    await told(2, "", "import", "drinks", at("nothing.csv"));
    await told(2, "no filter", "export", "drinks", "price");
  });
});
