import { checkedClientId, checkedCorrelationId, checkedTraceparent } from "./_correlation_forms.ts";
import { newId } from "./_ids.ts";
import { isoTime, isTimeMs } from "./_iso_time.ts";
import type { HashedIdentifiers } from "./_hashed_identifiers.ts";
import { type Sanitizer, UNREADABLE } from "./_sanitize.ts";
import { bounded, copied } from "./_texts.ts";
import {
  type AuditEvent,
  type AuditEventInput,
  type AuditOutcome,
  type AuditSeverity,
  type AuditSource,
  defaultSeverity,
} from "./audit_event.ts";

/** What is fixed for all events of a part of a program. */
export type FixedFields = Partial<Omit<AuditEventInput, "kind" | "outcome" | "timeMs" | "details">>;

/** Where an event gets what its report does not say. */
export interface EventContext {
  readonly principal: (() => unknown) | undefined;
  readonly source: (() => unknown) | undefined;
  readonly correlation: (() => unknown) | undefined;
  readonly now: () => unknown;
  /** The names of details that are kept, by kind. */
  readonly allowed: ReadonlyMap<string, ReadonlySet<string>> | undefined;
  readonly hashed: HashedIdentifiers | undefined;
  readonly maxStringLength: number;
}

/** An event, frozen. */
export interface MadeEvent {
  /** As it is recorded. */
  readonly recorded: AuditEvent;
  /** With identifiers as they were said; the same where nothing of them was hidden. */
  readonly plain: AuditEvent;
}

type Fields = { -readonly [Name in keyof AuditEventInput]: unknown };
type EventDraft = { -readonly [Name in keyof AuditEvent]: AuditEvent[Name] };

const KIND = /^[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*$/;
const MAX_KIND_LENGTH = 64;
const MAX_WORD_LENGTH = 128;
/** The longest name of a host has 253 characters, a Unix socket path 107. */
const MAX_ADDRESS_LENGTH = 255;
/** How many kinds are remembered to be in order. */
const KNOWN_KINDS = 512;
const OUTCOMES: ReadonlySet<unknown> = new Set<AuditOutcome>([
  "success",
  "denied",
  "failure",
  "error",
]);
const SEVERITIES: ReadonlySet<unknown> = new Set<AuditSeverity>([
  "info",
  "notice",
  "warning",
  "error",
  "critical",
]);
const FIELDS: readonly (keyof AuditEventInput)[] = [
  "kind",
  "outcome",
  "timeMs",
  "severity",
  "principal",
  "principalConfidence",
  "resource",
  "operation",
  "code",
  "reason",
  "durationMs",
  "source",
  "correlationId",
  "traceparent",
  "clientCorrelationId",
  "details",
];
/** Where what was said instead of a valid kind or outcome is kept in the details. */
const INVALID = { kind: "[invalid kind]", outcome: "[invalid outcome]" };
const NOTHING: ReadonlySet<string> = new Set();

/** Makes events of reports; one for each logger. */
export class EventMaker {
  readonly #sanitizer: Sanitizer;
  readonly #context: EventContext;
  readonly #makesPlain: boolean;
  readonly #knownKinds = new Set<string>();
  #seq = 0;

  constructor(sanitizer: Sanitizer, context: EventContext, makesPlain: boolean) {
    this.#sanitizer = sanitizer;
    this.#context = context;
    this.#makesPlain = makesPlain;
  }

  /**
   * Makes the next event, whatever was reported.
   *
   * @param input What happened.
   * @param fixed What holds for all events of a part of a program.
   * @param kind The kind, where it is not in `input`.
   * @param outcome The outcome, likewise.
   * @returns The event.
   */
  make(input: unknown, fixed: FixedFields, kind?: unknown, outcome?: AuditOutcome): MadeEvent {
    const said = fieldsOf(input);
    if (outcome !== undefined) {
      said.kind = kind;
      said.outcome = outcome;
    }
    const context = this.#context;
    const { hashed } = context;
    const recordedMs = this.#now();
    const recordedAt = isoTime(recordedMs);
    const checkedKind = this.#kind(said.kind);
    const checkedOutcome = isOutcome(said.outcome) ? said.outcome : "error";
    const correlation = context.correlation === undefined ||
        (said.correlationId ?? fixed.correlationId) !== undefined
      ? undefined
      : fieldsOf(call(context.correlation));
    const clientId = said.clientCorrelationId ?? fixed.clientCorrelationId ??
      correlation?.clientCorrelationId;
    const traceparent = said.traceparent ?? fixed.traceparent ?? correlation?.traceparent;
    const principal = said.principal ?? fixed.principal ?? call(context.principal);
    const source = said.source ?? fixed.source ?? call(context.source);
    const severity = said.severity ?? fixed.severity;

    // In the order of their names, so that what sorts them for the canonical form has little to do.
    const event: Partial<EventDraft> = {};
    const checkedId = this.#withoutSecret(checkedClientId(clientId));
    if (checkedId !== undefined) event.clientCorrelationId = checkedId;
    this.#put(event, "code", said.code ?? fixed.code, MAX_WORD_LENGTH);
    event.correlationId = this.#withoutSecret(
      checkedCorrelationId(
        said.correlationId ?? fixed.correlationId ?? correlation?.correlationId,
      ),
    ) ?? newId();
    event.details = this.#details(said, checkedKind);
    const durationMs = said.durationMs ?? fixed.durationMs;
    if (typeof durationMs === "number" && durationMs >= 0 && durationMs < Infinity) {
      event.durationMs = durationMs + 0;
    }
    event.id = newId();
    event.kind = checkedKind ?? "invalid";
    this.#put(event, "operation", said.operation ?? fixed.operation, MAX_WORD_LENGTH);
    event.outcome = checkedOutcome;
    let exactPrincipal: string | undefined;
    if (principal !== undefined && principal !== null) {
      exactPrincipal = this.#exact(principal);
      event.principal = hashed?.principal(exactPrincipal) ??
        this.#sanitizer.identifier(exactPrincipal);
      event.principalConfidence = principal === UNREADABLE
        ? "claimed"
        : confidenceOf(said, fixed, checkedOutcome);
    }
    this.#put(event, "reason", said.reason ?? fixed.reason);
    event.recordedAt = recordedAt;
    const resource = said.resource ?? fixed.resource;
    if (resource !== undefined && resource !== null) {
      event.resource = this.#resource(resource, event.kind);
    }
    event.seq = ++this.#seq;
    event.severity = isSeverity(severity) ? severity : defaultSeverity(checkedOutcome);
    const exactSource = this.#source(source);
    if (exactSource !== undefined) event.source = this.#hiddenSource(exactSource);
    const timeMs = said.timeMs;
    event.time = isTimeMs(timeMs) && timeMs !== recordedMs ? isoTime(timeMs) : recordedAt;
    const checkedParent = checkedTraceparent(traceparent);
    if (checkedParent !== undefined) event.traceparent = checkedParent;
    // Everything that is not optional has been set above.
    return this.#made(event as EventDraft, exactPrincipal, exactSource);
  }

  #made(
    event: EventDraft,
    principal: string | undefined,
    source: AuditSource | undefined,
  ): MadeEvent {
    const { hashed } = this.#context;
    const exact = principal && this.#makesPlain
      ? bounded(principal, this.#context.maxStringLength)
      : principal;
    let plain: EventDraft | undefined;
    if (
      this.#makesPlain &&
      (exact !== event.principal || source?.address !== event.source?.address)
    ) {
      // Copied before it is frozen: to copy a frozen object takes five times as long as all the rest.
      plain = { ...event };
      if (exact !== undefined) plain.principal = exact;
      if (source !== undefined) {
        const address = bounded(source.address, MAX_ADDRESS_LENGTH);
        plain.source = Object.freeze({ ...source, address });
      }
    }
    if (
      hashed !== undefined && (principal !== undefined && hashed.hidesPrincipals ||
        source !== undefined && hashed.hidesAddresses)
    ) {
      event.hashKeyId = hashed.keyId;
    }
    const recorded = Object.freeze(event);
    return { recorded, plain: plain === undefined ? recorded : Object.freeze(plain) };
  }

  /** What was said, whatever it was. */
  #exact(value: unknown): string {
    return typeof value === "string" ? value : this.#sanitizer.textOf(value);
  }

  #put(
    event: Partial<EventDraft>,
    name: "code" | "operation" | "reason",
    value: unknown,
    maxLength?: number,
  ): void {
    if (value !== undefined && value !== null) {
      event[name] = this.#sanitizer.textOf(value, maxLength);
    }
  }

  #kind(kind: unknown): string | undefined {
    if (typeof kind !== "string" || kind.length > MAX_KIND_LENGTH) return undefined;
    if (this.#knownKinds.has(kind)) return kind;
    if (!KIND.test(kind) || this.#sanitizer.text(kind) !== kind) return undefined;
    if (this.#knownKinds.size < KNOWN_KINDS) this.#knownKinds.add(copied(kind));
    return kind;
  }

  #details(said: Fields, kind: string | undefined): AuditEvent["details"] {
    const invalid: Record<string, string> = {};
    let added: Record<string, string> | undefined;
    if (kind === undefined) {
      invalid[INVALID.kind] = this.#sanitizer.textOf(said.kind, MAX_WORD_LENGTH);
      added = invalid;
    }
    if (!isOutcome(said.outcome)) {
      invalid[INVALID.outcome] = this.#sanitizer.textOf(said.outcome, MAX_WORD_LENGTH);
      added = invalid;
    }
    const { allowed } = this.#context;
    const names = allowed === undefined
      ? undefined
      : allowed.get(kind ?? "invalid") ?? allowed.get("*") ?? NOTHING;
    return this.#sanitizer.details(said.details, names, added);
  }

  /** An identifier that is a token in disguise is no identifier. */
  #withoutSecret(id: string | undefined): string | undefined {
    return id !== undefined && this.#sanitizer.text(id) === id ? id : undefined;
  }

  #resource(resource: unknown, kind: string): string {
    if (typeof resource !== "string") return this.#sanitizer.textOf(resource);
    // A name of a file may have anything in it, and an attacker must not choose what is not recorded.
    return kind.startsWith("file.")
      ? this.#sanitizer.identifier(resource)
      : this.#sanitizer.url(resource);
  }

  /** Where it came from, with what was said as its address. */
  #source(source: unknown): AuditSource | undefined {
    if (source === UNREADABLE) return { address: UNREADABLE, confidence: "claimed" };
    if (typeof source !== "object" || source === null) return undefined;
    let address: unknown;
    let port: unknown;
    let confidence: unknown;
    try {
      ({ address, port, confidence } = source as Partial<Record<keyof AuditSource, unknown>>);
    } catch {
      address = UNREADABLE;
    }
    if (address === undefined || address === null) return undefined;
    const isPort = Number.isInteger(port) && (port as number) >= 0 && (port as number) <= 65_535;
    return {
      address: this.#exact(address),
      confidence: confidence === "peer" || confidence === "forwarded" ? confidence : "claimed",
      ...(isPort && { port: port as number + 0 }),
    };
  }

  #hiddenSource({ address, confidence, port }: AuditSource): AuditSource {
    const hash = this.#context.hashed?.address(address);
    // Without its port, which tells one client of a shared address from another.
    if (hash !== undefined) return Object.freeze({ address: hash, confidence });
    return Object.freeze({
      address: this.#sanitizer.identifier(address, MAX_ADDRESS_LENGTH),
      confidence,
      ...(port !== undefined && { port }),
    });
  }

  #now(): number {
    const nowMs = call(this.#context.now);
    return isTimeMs(nowMs) ? nowMs : Date.now();
  }
}

/** The fields of a report, each read once; a report whose getters throw is one, too. */
function fieldsOf(input: unknown): Fields {
  const source = (typeof input === "object" && input !== null ? input : {}) as Fields;
  try {
    return {
      kind: source.kind,
      outcome: source.outcome,
      timeMs: source.timeMs,
      severity: source.severity,
      principal: source.principal,
      principalConfidence: source.principalConfidence,
      resource: source.resource,
      operation: source.operation,
      code: source.code,
      reason: source.reason,
      durationMs: source.durationMs,
      source: source.source,
      correlationId: source.correlationId,
      traceparent: source.traceparent,
      clientCorrelationId: source.clientCorrelationId,
      details: source.details,
    };
  } catch {
    const fields: Partial<Fields> = {};
    for (const name of FIELDS) {
      try {
        fields[name] = source[name];
      } catch {
        fields[name] = UNREADABLE;
      }
    }
    return fields as Fields;
  }
}

/** What other people's code says; that it cannot be read, when it throws. */
function call(ask: (() => unknown) | undefined): unknown {
  try {
    return ask?.();
  } catch {
    return UNREADABLE;
  }
}

/**
 * How sure it is who it was. What a report says of one principal is nothing about another, and what is no answer is
 * no proof: else whoever is refused could have anybody blocked.
 */
function confidenceOf(
  said: Fields,
  fixed: FixedFields,
  outcome: AuditOutcome,
): "verified" | "claimed" {
  const isSaid = said.principal !== undefined && said.principal !== null;
  const isOther = isSaid && fixed.principal !== undefined;
  const given = said.principalConfidence === undefined && !isOther
    ? fixed.principalConfidence
    : said.principalConfidence;
  if (given !== undefined) return given === "verified" ? "verified" : "claimed";
  return outcome === "success" || !isSaid && outcome !== "failure" ? "verified" : "claimed";
}

function isOutcome(value: unknown): value is AuditOutcome {
  return OUTCOMES.has(value);
}

function isSeverity(value: unknown): value is AuditSeverity {
  return SEVERITIES.has(value);
}
