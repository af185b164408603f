import type { Cursors } from "../../kernel/cursor.ts";
import type { LogPosition } from "../../kernel/log-position.ts";
import type { Observer } from "../../kernel/observation.ts";
import type { ActionPlan, Plan } from "../../plan/plan.ts";
import type { ApiKeysService } from "../../services/api-keys-service.ts";
import type { AuthenticationService } from "../../services/authentication-service.ts";
import type { BulkService } from "../../services/bulk-service.ts";
import type { CommandsService } from "../../services/commands-service.ts";
import type { HistoryService } from "../../services/history-service.ts";
import type { ImpactService } from "../../services/impact-service.ts";
import type { PossibleActionsService } from "../../services/possible-actions-service.ts";
import type { QueriesService } from "../../services/queries-service.ts";
import type { SessionsService } from "../../services/sessions-service.ts";

/** What reads are answered with, on the primary or on a replica. */
export interface Reading {
  readonly queries: QueriesService;
  readonly history: HistoryService;
  readonly possibleActions: PossibleActionsService;
  readonly impact: ImpactService;
}

/** The replicas that answer reads. */
export interface ReplicaReads {
  /** What answers this caller on a replica that has what was committed up to `after`; null for the primary. */
  readingFor(caller: string, after: LogPosition | null): Reading | null;
  /** Whether no replica that answers could still lack something of this moment. */
  isPast(moment: string): boolean;
  /** A position that has all that was committed until now. Never fails. */
  position(): Promise<LogPosition>;
  /** How long a position is of use: after that, whoever answers has it. */
  readonly tokenSeconds: number;
}

/** What HTTP needs of the rest of the application; as a `Reading`, that of the primary. */
export interface HttpParts extends Reading {
  readonly plan: Plan;
  readonly authentication: AuthenticationService;
  readonly sessions: SessionsService;
  readonly apiKeys: ApiKeysService;
  readonly commands: CommandsService;
  readonly bulk: BulkService;
  /** Null where there are none, and then nothing is different from an application without them. */
  readonly replicas: ReplicaReads | null;
  /** The JSON Schema of what an action takes, where it can lead to these states. */
  readonly schemaOf: (action: ActionPlan, targets: readonly string[]) => object;
  readonly cursors: Cursors;
  /** The OpenAPI document for a role, null for visitors. */
  readonly documentFor: (role: string | null) => object;
  /** Resolves while the database answers. */
  readonly ready: () => Promise<void>;
  /** How long a session, and its cookie, lasts. */
  readonly sessionHours: number;
  /** Whether cookies are for TLS alone, whatever this server sees of it. */
  readonly secureCookies: boolean;
  /** Proxies in front of this server that are believed. */
  readonly trustedProxies: number;
  readonly observe: Observer;
}
