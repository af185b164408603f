export { type AgreementOptions, type AgreementReport, agreement, type Disagreement } from "./agreement.ts";
export { type PostgresServer, startPostgres, startStandby } from "./postgres-server.ts";
