/** A record of the Open Source Vulnerability format, as far as the audit reads it. */
export interface OsvRecord {
  readonly id: string;
  readonly modified?: string;
  readonly published?: string;
  readonly withdrawn?: string;
  readonly aliases?: readonly string[];
  readonly related?: readonly string[];
  readonly summary?: string;
  readonly severity?: readonly OsvSeverity[];
  readonly affected?: readonly OsvAffected[];
  readonly references?: readonly { readonly type?: string; readonly url?: string }[];
  readonly database_specific?: Readonly<Record<string, unknown>>;
}

/** A severity of a record or of one affected package. */
export interface OsvSeverity {
  readonly type: string;
  readonly score: string;
}

/** One affected package of a record. */
export interface OsvAffected {
  readonly package?: { readonly ecosystem: string; readonly name: string; readonly purl?: string };
  readonly severity?: readonly OsvSeverity[];
  readonly ranges?: readonly OsvRange[];
  readonly versions?: readonly string[];
  readonly ecosystem_specific?: Readonly<Record<string, unknown>>;
  readonly database_specific?: Readonly<Record<string, unknown>>;
}

/** A range of versions as a sequence of events. */
export interface OsvRange {
  readonly type: string;
  readonly events: readonly OsvEvent[];
}

/** An event of a range: exactly one of its fields is set. */
export interface OsvEvent {
  readonly introduced?: string;
  readonly fixed?: string;
  readonly last_affected?: string;
  readonly limit?: string;
}
