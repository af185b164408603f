export {
  type Action,
  type Actor,
  act,
  crud,
  type Effect,
  make,
  type RecordOf,
  type Refuse,
  type Refused,
} from "./declare/action.ts";
export {
  type Application,
  application,
  type LargeSeed,
  type SeedBlock,
  type SeedStep,
  type SeedWave,
  seedId,
} from "./declare/application.ts";
export { type Entity, type EntityDeclaration, entity } from "./declare/entity.ts";
export { defaulted, dropped, mapped, renamed, type Upcast } from "./declare/evolution.ts";
export {
  boolean,
  date,
  decimal,
  email,
  type Field,
  instant,
  integer,
  list,
  money,
  object,
  oneOf,
  password,
  reference,
  text,
  url,
  uuid,
} from "./declare/field.ts";
export { byKey, many, one } from "./declare/need.ts";
export { actorHas, actorIn, actorIs, allOf, anyOf, anyone, nobody, type Policy, signedIn } from "./declare/policy.ts";
export { workflow } from "./declare/workflow.ts";
export type { PointedFault as Fault } from "./kernel/fault.ts";
