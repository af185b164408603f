import type { EntityPlan, Plan } from "../../plan/plan.ts";
import { deletedIndex, emitIndex } from "./table-emitter.ts";

/** An index that the declaration asks for, as a live database is held against it. */
export interface PlannedIndex {
  readonly table: string;
  readonly name: string;
  readonly columns: readonly string[];
  readonly unique: boolean;
  readonly method: "btree" | "gin";
  /** Whether a column is kept in another form, so that only the name tells the index. */
  readonly ofExpression: boolean;
  /** What makes it. */
  readonly statement: string;
}

/** Every index of a plan: those of filters, orders, references, policies and unique fields, and that of deleted records. */
export const plannedIndexes = (plan: Plan): readonly PlannedIndex[] => plan.entities.flatMap(indexesOf);

const indexesOf = (entity: EntityPlan): readonly PlannedIndex[] => [
  ...entity.indexes.map((index): PlannedIndex => {
    const { name, columns, unique, entries, caseless } = index;
    const method = entries ? "gin" : "btree";
    const statement = emitIndex(entity.name, index);
    return { table: entity.name, name, columns, unique, method, ofExpression: caseless !== null, statement };
  }),
  {
    ...{ table: entity.name, name: `${entity.name}_deleted_at_idx`, columns: ["deleted_at"] },
    ...{ unique: false, method: "btree", ofExpression: false, statement: deletedIndex(entity.name) },
  },
];
