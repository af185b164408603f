import { expect, test } from "vitest";
import { statementOf } from "../../bench/load/pgbench.ts";
import { loadIn } from "../../bench/load/wrk-load.ts";
import { tokenOf, userOf } from "../../bench/stage/tokens.ts";

test("pgbench gets the values in their places and no colon within a text", () => {
  const text = `select to_char(at, 'HH24:MI')
    from orders where id = $1::uuid and name = $2 limit $10`;
  const values = ["a:b", "o'clock", 3, 4, 5, 6, 7, 8, 9, 20];
  expect(statementOf({ text, values })).toBe(
    "select to_char(at, U&'HH24\\003AMI') from orders where id = U&'a\\003Ab'::uuid and name = 'o''clock' limit 20",
  );
});

test("what wrk's script says is read in milliseconds; a run without its last line is an error", () => {
  const said = `Running 1s test
gesta-bench {"requests":5000,"microseconds":2000000,"p50":1500,"p95":2500,"p99":4000,"failed":3}
`;
  expect(loadIn(said)).toEqual({ perSecond: 2500, p50: 1.5, p95: 2.5, p99: 4, failed: 3 });
  expect(() => loadIn("unable to connect")).toThrow("wrk did not finish");
});

test("a token tells its user to whoever has the secret", () => {
  const token = tokenOf("01900000-0000-7000-8000-000000000000");
  expect(userOf(token)).toBe("01900000-0000-7000-8000-000000000000");
  expect(userOf(`${token.slice(0, -2)}xx`)).toBe(null);
});
