/** An index that the declaration asks for. */
export interface WantedIndex {
  readonly table: string;
  readonly name: string;
  readonly columns: readonly string[];
  readonly unique: boolean;
  readonly method: string;
  /** Whether a column is kept in another form, so that only the name tells the index. */
  readonly ofExpression: boolean;
  readonly statement: string;
}

/** An index as the database has it. */
export interface LiveIndex {
  readonly schema: string;
  readonly table: string;
  readonly name: string;
  /** Its columns; null for one that is kept in another form. */
  readonly columns: readonly (string | null)[];
  readonly unique: boolean;
  readonly method: string;
  readonly valid: boolean;
  readonly scans: number;
  readonly bytes: number;
}

export interface LiveTable {
  readonly schema: string;
  readonly name: string;
  readonly rows: number;
  readonly dead: number;
  readonly analyzed: boolean;
}

export interface LiveReference {
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly string[];
}

export interface DatabaseState {
  readonly indexes: readonly LiveIndex[];
  readonly tables: readonly LiveTable[];
  readonly references: readonly LiveReference[];
  /** Since when the database counts what it uses, by its own clock (RFC 3339); null where it keeps no such statistics. */
  readonly countedSince: string | null;
}

export interface HealthFinding {
  readonly kind:
    | "missing_index"
    | "invalid_index"
    | "unindexed_reference"
    | "unused_index"
    | "not_analyzed"
    | "dead_rows";
  /** `app.orders`, `app.orders_status_index` */
  readonly object: string;
  readonly reason: string;
  /** What the operator can do: a statement, where one is enough. */
  readonly remedy: string;
}

export interface Diagnosis {
  readonly findings: readonly HealthFinding[];
  /** What cannot be known, or not yet, and why. */
  readonly unknown: readonly string[];
}

const day = 24 * 3_600_000;
/** A week has seen whatever is done weekly. */
const longEnough = 7 * day;
/** Below it tables are read whole whatever indexes they have, and statistics matter little. */
const fewRows = 1000;
const deadShare = 0.2;

/** What is wrong with a database: its indexes held against the wanted ones, and its own statistics. */
export function diagnose(wanted: readonly WantedIndex[], state: DatabaseState, now: Date): Diagnosis {
  const missing = wanted.filter((index) => !state.indexes.some((live) => live.valid && serves(live, index)));
  const structural = [
    ...missing.map(missingFinding),
    ...state.indexes.filter(({ valid }) => !valid).map(invalidFinding),
    ...state.references.filter((each) => !hasIndex(each, state, missing)).map(referenceFinding),
  ];
  const { countedSince } = state;
  if (countedSince === null) {
    const unknown = "This engine keeps no statistics: which indexes are unused, which tables lack ANALYZE or VACUUM.";
    return { findings: structural, unknown: [unknown] };
  }
  const tired = state.tables.flatMap(tableFindings);
  const days = Math.floor((now.getTime() - Date.parse(countedSince)) / day);
  if (days * day < longEnough) {
    const unknown = `Which indexes are unused: the database counts their use since ${countedSince}, less than a week.`;
    return { findings: [...structural, ...tired], unknown: [unknown] };
  }
  const large = new Set(state.tables.filter(({ rows }) => rows >= fewRows).map(nameOf));
  const unused = state.indexes.filter(
    (index) => index.valid && !index.unique && index.scans === 0 && large.has(`${index.schema}.${index.table}`),
  );
  return {
    findings: [...structural, ...tired, ...unused.map((index) => unusedFinding(index, countedSince))],
    unknown: [],
  };
}

const nameOf = ({ schema, name }: { readonly schema: string; readonly name: string }): string => `${schema}.${name}`;

const serves = (live: LiveIndex, index: WantedIndex): boolean =>
  live.schema === "app" &&
  live.table === index.table &&
  live.method === index.method &&
  (live.unique || !index.unique) &&
  (index.ofExpression
    ? live.name === index.name
    : live.columns.length === index.columns.length && live.columns.every((name, nth) => name === index.columns[nth]));

const missingFinding = ({ table, name, columns, unique, statement }: WantedIndex): HealthFinding => ({
  kind: "missing_index",
  object: `app.${name}`,
  reason: unique
    ? `nothing keeps ${columns.join(", ")} of ${table} unique`
    : `what asks for ${table} by ${columns.join(", ")} reads every row`,
  remedy: concurrently(statement),
});

const concurrently = (statement: string): string => statement.replace(/^create (unique )?index/, "$& concurrently");

const invalidFinding = (index: LiveIndex): HealthFinding => ({
  kind: "invalid_index",
  object: nameOf(index),
  reason: `its making on ${index.schema}.${index.table} was broken off; every write keeps it, no query uses it`,
  remedy: `reindex index concurrently ${nameOf(index)};`,
});

const hasIndex = (
  { schema, table, columns }: LiveReference,
  { indexes }: DatabaseState,
  missing: readonly WantedIndex[],
): boolean =>
  [...indexes.filter(({ valid, schema: at }) => valid && at === schema), ...missing].some(
    (index) => index.table === table && columns.every((name, nth) => index.columns[nth] === name),
  );

const referenceFinding = ({ schema, table, columns }: LiveReference): HealthFinding => ({
  kind: "unindexed_reference",
  object: `${schema}.${table}`,
  reason: `its foreign key on ${columns.join(", ")} has no index, so a delete of what it refers to reads every row`,
  remedy: `make an index on ${schema}.${table} (${columns.join(", ")}), concurrently`,
});

const unusedFinding = (index: LiveIndex, since: string): HealthFinding => ({
  kind: "unused_index",
  object: nameOf(index),
  reason: `no query has used it since ${since}; it takes ${Math.ceil(index.bytes / 1024)} kB and time of every write`,
  remedy: `take the filter or sort that asks for it from the declaration, then drop index concurrently ${nameOf(index)};`,
});

function tableFindings(table: LiveTable): readonly HealthFinding[] {
  const object = nameOf(table);
  const findings: HealthFinding[] = [];
  if (!table.analyzed && table.rows >= fewRows) {
    const reason = `it has about ${table.rows} rows and was never analysed, so queries are planned blindly`;
    findings.push({ kind: "not_analyzed", object, reason, remedy: `analyze ${object};` });
  }
  if (table.dead >= fewRows && table.dead > deadShare * table.rows) {
    const reason = `it has ${table.dead} dead rows beside ${table.rows} live ones: autovacuum does not keep up`;
    findings.push({ kind: "dead_rows", object, reason, remedy: `vacuum (analyze) ${object};` });
  }
  return findings;
}
