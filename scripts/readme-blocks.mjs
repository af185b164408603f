// Runs the shell blocks of README.md as written and compares the replies. Called by .ci/run; by hand: npm run readme.
//
// ```sh     is run with `bash -e` in the root of the repository; the blocks share one shell, as in a reader's terminal.
//           A block with `npm start` runs in the background: what follows waits until it listens on port 5000.
//           A block with `npm test` is not run again: .ci/run has run that command, which the README must name.
// ```json   directly after it is the reply it must print: one JSON value, compared without regard to the order of keys.
//           "…" stands for any value; as the last element of a list, for any further ones; as a key, for any others.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const port = 5000;
/** `npm ci` downloads and `npm start` builds: five minutes are enough for a slow line, and an end for a hanging one. */
const startWithin = 300_000;
const any = "…";

/**
 * @typedef {{ readonly line: number, readonly text: string, readonly reply?: string }} Block
 * @typedef {{ readonly output: string, readonly failure?: string }} Outcome
 */

/**
 * @param {string} markdown
 * @returns {readonly Block[]} the sh blocks in their order; `line` is that of the opening fence
 */
export function shellBlocks(markdown) {
  /** @type {Block[]} */
  const blocks = [];
  const fence = /^```(\w*)[^\n]*\n([\s\S]*?)^```[ \t]*$/gm;
  let end = -1;
  for (const { 0: all, 1: language, 2: text = "", index } of markdown.matchAll(fence)) {
    const previous = blocks.at(-1);
    const follows = previous !== undefined && end >= 0 && markdown.slice(end, index).trim() === "";
    if (language === "json" && follows) blocks[blocks.length - 1] = { ...previous, reply: text };
    end = language === "sh" ? index + all.length : -1;
    if (language === "sh") blocks.push({ line: markdown.slice(0, index).split("\n").length, text });
  }
  return blocks;
}

/**
 * @param {unknown} expected
 * @param {unknown} actual
 * @param {string} [path] JSON pointer to where the two are
 * @returns {readonly string[]} the differences; none when the reply is as expected
 */
export function differences(expected, actual, path = "") {
  if (expected === any) return [];
  if (Array.isArray(expected) && Array.isArray(actual)) {
    const open = expected.at(-1) === any;
    const items = open ? expected.slice(0, -1) : expected;
    if (open ? actual.length < items.length : actual.length !== items.length)
      return [`${path || "/"}: ${items.length} elements expected, ${actual.length} came`];
    return items.flatMap((item, index) => differences(item, actual[index], `${path}/${index}`));
  }
  if (isObject(expected) && isObject(actual)) {
    const keys = Object.keys(expected).filter((key) => key !== any);
    const surplus = any in expected ? [] : Object.keys(actual).filter((key) => !Object.hasOwn(expected, key));
    return [
      ...surplus.map((key) => `${path}/${key}: not expected`),
      ...keys.flatMap((key) =>
        Object.hasOwn(actual, key)
          ? differences(expected[key], actual[key], `${path}/${key}`)
          : [`${path}/${key}: missing`],
      ),
    ];
  }
  return Object.is(expected, actual)
    ? []
    : [`${path || "/"}: ${JSON.stringify(expected)} expected, ${JSON.stringify(actual)} came`];
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * @param {Block} block
 * @param {string} output what the block printed
 * @returns {string | undefined} what is wrong with it
 */
export function replyFailure(block, output) {
  if (block.reply === undefined) return undefined;
  const expected = JSON.parse(block.reply);
  try {
    const found = differences(expected, JSON.parse(output));
    return found.length > 0 ? `${found.join("\n")}\nthe whole reply: ${output}` : undefined;
  } catch {
    return `the reply is not one JSON value: ${output}`;
  }
}

/**
 * @param {readonly Block[]} blocks run one after another in one shell
 * @param {NodeJS.ProcessEnv} env
 * @returns {readonly Outcome[]} of each block that was begun: after a failure none is
 */
export function runBlocks(blocks, env) {
  const directory = mkdtempSync(join(tmpdir(), "gesta-readme-"));
  const output = (/** @type {number} */ index) => join(directory, `${index}.out`);
  try {
    const script = join(directory, "blocks.sh");
    writeFileSync(script, blocks.map(({ text }, index) => `exec > '${output(index)}'\n${text}`).join("\n"));
    const shell = spawnSync("bash", ["-e", script], {
      cwd: root,
      env,
      encoding: "utf8",
      stdio: ["ignore", "ignore", "pipe"],
      timeout: startWithin,
    });
    const begun = blocks.filter((_, index) => existsSync(output(index)));
    return begun.map((block, index) => {
      const printed = readFileSync(output(index), "utf8");
      const ended = index < begun.length - 1 || shell.status === 0;
      const failure = ended
        ? replyFailure(block, printed)
        : `ended with ${shell.status ?? shell.signal}\n${shell.stderr}`;
      return failure === undefined ? { output: printed } : { output: printed, failure };
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @returns {Promise<boolean>} */
function listens() {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/**
 * @param {Block} block
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<() => Promise<void>>} ends what the block started
 * @throws {Error} when it does not come to listen
 */
async function start(block, env) {
  if (await listens()) throw new Error(`something listens on port ${port} already`);
  // A group of its own: npm and its shell do not hand every signal down to the server.
  const child = spawn("bash", ["-e", "-c", block.text], { cwd: root, env, stdio: ["ignore", 2, 2], detached: true });
  /** @type {Promise<void>} */
  const exited = new Promise((resolve) => child.once("exit", () => resolve()));
  const running = () => child.exitCode === null && child.signalCode === null;
  const end = async () => {
    if (child.pid === undefined) return;
    signal(child.pid, "SIGTERM");
    // The shell may be gone while the server still finishes, so it is the group that is waited for; and SIGTERM is sent
    // once, because a second one may mean "at once". A group that outlives its SIGKILL consists of the dead.
    for (let second = 0; second < 30 && signal(child.pid, 0); second += 1) await pause(1_000);
    signal(child.pid, "SIGKILL");
    await exited;
  };
  for (const deadline = Date.now() + startWithin; !(await listens()); await pause(200)) {
    const late = Date.now() > deadline;
    if (running() && !late) continue;
    await end();
    throw new Error(
      late ? `nobody listens on port ${port} after ${startWithin / 1000} s` : "it ended before it listened",
    );
  }
  return end;
}

/**
 * @param {number} group
 * @param {NodeJS.Signals | 0} name 0 only asks
 * @returns {boolean} whether there was anybody to send it to
 */
function signal(group, name) {
  try {
    return process.kill(-group, name);
  } catch {
    return false;
  }
}

/** @param {string} file */
async function main(file) {
  const markdown = readFileSync(join(root, file), "utf8");
  const say = (/** @type {string} */ text) => process.stdout.write(`${text}\n`);
  const blocks = shellBlocks(markdown);
  if (!markdown.includes("npm ci && npm test")) throw new Error(`${file} does not say "npm ci && npm test"`);
  const data = mkdtempSync(join(tmpdir(), "gesta-readme-data-"));
  // The replies are those of a fresh start: not of whatever is in a developer's .gesta.
  const env = { ...process.env, GESTA_DATA: join(data, "data") };
  /** @type {() => Promise<void>} */
  let stop = async () => {};
  let failed = 0;
  const report = (/** @type {Block} */ block, /** @type {string | undefined} */ failure) => {
    if (failure !== undefined) failed += 1;
    say(`${failure === undefined ? "ok    " : "FAILED"} ${file}:${block.line} ${block.text.trim().split("\n")[0]}`);
    if (failure !== undefined) say(failure);
  };
  try {
    /** @type {Block[]} */
    let waiting = [];
    const flush = () => {
      const outcomes = waiting.length > 0 ? runBlocks(waiting, env) : [];
      waiting.forEach((block, index) => {
        const outcome = outcomes[index];
        report(block, outcome ? outcome.failure : "was not run: one before it failed");
      });
      waiting = [];
    };
    for (const block of blocks) {
      if (/\bnpm (run )?test\b/.test(block.text)) continue;
      if (!/\bnpm start\b/.test(block.text)) waiting.push(block);
      else {
        flush();
        await stop();
        try {
          stop = await start(block, env);
          report(block, undefined);
        } catch (error) {
          stop = async () => {};
          report(block, String(error));
          break;
        }
      }
    }
    flush();
  } finally {
    await stop();
    rmSync(data, { recursive: true, force: true });
  }
  say(`${blocks.length} shell blocks in ${file}, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main(process.argv[2] ?? "README.md");
