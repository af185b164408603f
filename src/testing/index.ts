export { type AgreementOptions, type AgreementReport, agreement, type Disagreement } from "./agreement.ts";
export { type PostgresServer, startPostgres } from "./postgres-server.ts";
