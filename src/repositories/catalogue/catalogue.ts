/** A role of the server, with what it may do beyond its grants. */
export interface RoleFacts {
  readonly name: string;
  readonly superuser: boolean;
  readonly bypassesRowSecurity: boolean;
  readonly createsRoles: boolean;
  readonly replicates: boolean;
  readonly logsIn: boolean;
  /** Every role that it is a member of, through others too. */
  readonly memberOf: readonly string[];
  /** What it owns: `table app.orders`, `schema public`, `database shop`. */
  readonly owns: readonly string[];
}

/** A right on something in the schemas `app` and `gesta` that somebody other than its owner has. */
export interface GrantFacts {
  readonly privilege: string;
  /** `table app.orders`, `function app.read_orders(text, uuid)`, `schema app`. */
  readonly on: string;
  /** A role, or `PUBLIC`. */
  readonly to: string;
  /** Whether the object is a function that the plan lets the application call. */
  readonly planned: boolean;
}

export interface TableFacts {
  readonly name: string;
  readonly enabled: boolean;
  readonly forced: boolean;
}

export interface PolicyFacts {
  readonly table: string;
  readonly name: string;
  /** Whom it is for; `PUBLIC` is everyone. */
  readonly roles: readonly string[];
  /** The conditions as PostgreSQL prints them. */
  readonly conditions: readonly string[];
}

/** A function that runs with the rights of its owner. */
export interface DefinerFacts {
  readonly name: string;
  /** The value of its own `search_path`; null where it takes the caller's. */
  readonly searchPath: string | null;
}

/** What a database says of itself, as far as its safety hangs on it. */
export interface Catalogue {
  /** Null on the embedded engine, which has neither logins nor a server. */
  readonly server: {
    readonly version: number;
    /** Settings whose wrong value loses acknowledged data. */
    readonly settings: Readonly<Record<string, string>>;
    /** The application's login; null where none was had, and `loginFailure` says why. */
    readonly login: string | null;
    readonly loginFailure: string | null;
    readonly roles: readonly RoleFacts[];
  } | null;
  readonly tables: readonly TableFacts[];
  readonly policies: readonly PolicyFacts[];
  readonly grants: readonly GrantFacts[];
  readonly definers: readonly DefinerFacts[];
  /** Objects of `app` and `gesta` that are not those of Gesta's own roles, with their owner. */
  readonly strangers: readonly { readonly object: string; readonly owner: string }[];
  /** Views that the application may read and that read records past its row-level security. */
  readonly openViews: readonly { readonly name: string; readonly materialized: boolean }[];
  /** Functions with their owner's rights in other schemas that the application may call. */
  readonly openFunctions: readonly string[];
  /** Schemas in which the application may create things. */
  readonly writableSchemas: readonly string[];
  /** Tables of events that an UPDATE, DELETE or TRUNCATE could change. */
  readonly changeableEvents: readonly string[];
  /** Whether development's clock was moved forward in it. */
  readonly clockMoved: boolean;
  readonly missingFunctions: readonly string[];
}

/** What a database made by a plan has. */
export interface PlannedCatalogue {
  readonly tables: readonly {
    readonly name: string;
    /** The columns that the application's role may read; null stands for all. */
    readonly columns: readonly string[] | null;
    /** The columns that `gesta_finder` may look at. */
    readonly soughtColumns: readonly string[];
    readonly policies: readonly {
      readonly name: string;
      readonly roles: readonly string[];
      /** Whether it lets through everyone whom it is for. */
      readonly open: boolean;
    }[];
  }[];
  /** The functions that the application's role may call. */
  readonly functions: readonly string[];
  /** The role that no policy holds back: its one function, and those that this one is made of. */
  readonly finder: { readonly owns: string; readonly calls: readonly string[] };
}
