/** The rules of `gesta lint`: what a declaration may tell a stranger without meaning to. docs/lint.md explains each. */
export const lintRules = [
  "state_list",
  "server_owned_input",
  "sequential_id",
  "internal_name",
  "foreign_word",
  "unnamed_audience",
  "unbounded_input",
  "personal_open",
  "plain_secret",
  "hidden_filter",
  "existence_oracle",
  "open_write",
] as const;

export type LintRule = (typeof lintRules)[number];

/**
 * The findings that an entity accepts, each with its reason: by rule, or by rule and path for one place alone.
 * @example { sequential_id: "drinks are no secret", "server_owned_input actions.cancel.input.reason": "the canceller's words" }
 */
export type Acceptances = { readonly [K in LintRule | `${LintRule} ${string}`]?: string };
