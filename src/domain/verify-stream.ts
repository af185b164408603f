import { streamOf } from "../kernel/identifier.ts";
import { canonicalJson, type JsonObject } from "../kernel/json.ts";
import { eventVersionOf } from "../plan/event-version.ts";
import type { EntityPlan } from "../plan/plan.ts";
import { leavesRow, unsettled } from "./by-hand.ts";
import { fold } from "./evolve.ts";
import { namesIn, type StoredEvent } from "./history.ts";

/** A stored record beside the events of its stream. */
export interface StoredStream {
  readonly streamId: string;
  /** The record as stored; null when events have none. */
  readonly record: JsonObject | null;
  readonly events: readonly StoredEvent[];
  /** Versions of events whose hash does not follow from the event before and their content. */
  readonly broken: readonly number[];
  /** Versions of events that stand before an earlier one in the feed. */
  readonly disordered: readonly number[];
  /** Versions of events with a personal value that cannot be opened. */
  readonly unreadable: readonly number[];
}

/** One disagreement between the stored records and their events. */
export interface VerifyFinding {
  readonly entity: string;
  readonly stream: string;
  readonly fault:
    | "no_events"
    | "no_record"
    | "differs"
    | "gap"
    | "chain_broken"
    | "out_of_order"
    | "changed_by_hand"
    | "event_version_unknown"
    | "unreadable";
  /** The fields that differ, or the versions concerned. */
  readonly at: readonly string[];
}

/** What is wrong with one stream. The sieve in SQL asks the same of all streams at once; this is the reference. Pure. */
export function findingsIn(entity: EntityPlan, stream: StoredStream): readonly VerifyFinding[] {
  const { streamId, record, events, broken, disordered, unreadable } = stream;
  const found: VerifyFinding[] = [];
  const say = (fault: VerifyFinding["fault"], at: readonly (string | number)[]) =>
    found.push({ entity: entity.name, stream: streamId, fault, at: at.map(String) });
  const gaps = events.filter(({ version }, index) => version !== index + 1).map(({ version }) => version);
  if (gaps.length > 0) say("gap", gaps);
  if (broken.length > 0) say("chain_broken", broken);
  if (disordered.length > 0) say("out_of_order", disordered);
  const ahead = events.filter(({ typeVersion }) => typeVersion > eventVersionOf(entity)).map(({ version }) => version);
  if (ahead.length > 0) say("event_version_unknown", ahead);
  // What is purged is meant to be so. Any other missing key is a loss, and no reason to empty the record too.
  const isLost = unreadable.length > 0 && fold(events)?.purged_at == null;
  if (isLost) say("unreadable", unreadable);
  const byHand = unsettled(events).map(({ version }) => version);
  if (byHand.length > 0) say("changed_by_hand", byHand);
  if (events.length === 0) say("no_events", []);
  else if (leavesRow(events) !== (record !== null)) say(record === null ? "no_record" : "differs", []);
  else if (record !== null) {
    const differing = differencesOf(entity, record, fold(events) ?? {}).filter(
      (name) => !isLost || !entity.fields.some((field) => field.personal && field.name === name),
    );
    const { id } = record;
    const ownStream = (typeof id === "string" || typeof id === "number") && streamOf(entity.name, id) === streamId;
    if (!ownStream) differing.unshift("id");
    if (differing.length > 0) say("differs", differing);
  }
  return found;
}

const stamps = ["version", "created_at", "updated_at"];

const differencesOf = (entity: EntityPlan, record: JsonObject, folded: JsonObject): string[] =>
  [...stamps, ...namesIn(entity)].filter(
    (name) => canonicalJson(record[name] ?? null) !== canonicalJson(folded[name] ?? null),
  );
