/**
 * The chain of records: each carries the hash of the one before, so that none can be changed, removed, added
 * or moved without all that follow telling.
 *
 * @module
 */

import type { AuditEvent } from "./audit_event.ts";
import { canonicalJson, escapeJson, inOrder, orderedJson } from "./_json_line.ts";
import { hashText, isHash } from "./_hash.ts";

/** Where a chain stands: after its last record. */
export interface ChainState {
  /** Number of the last record; 0 before the first. */
  readonly seq: number;
  /** Hash of the last record, in base64. */
  readonly hash: string;
}

/** What a record of a chain has in any case. */
export interface ChainRecord {
  /** Its number. */
  readonly seq: number;
  /** Hash of the record before. */
  readonly prev: string;
  /** Its own hash. */
  readonly hash: string;
  /** Who wrote it. */
  readonly writer: string;
  /** Kind of the event. */
  readonly kind: string;
  /** Details of the event; empty where there are none. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** Before the first record: 32 zero bytes stand for the hash. */
export const GENESIS: ChainState = Object.freeze({ seq: 0, hash: `${"A".repeat(43)}=` });

/** Turns events into the lines of one chain. */
export class Chain {
  readonly #writer: string;
  #state: ChainState;

  /**
   * Begins a chain, or goes on with one.
   *
   * @param writer Who writes.
   * @param state Where the chain stands.
   */
  constructor(writer: string, state: ChainState = GENESIS) {
    this.#writer = writer;
    this.#state = state;
  }

  /** Where the chain stands. */
  get state(): ChainState {
    return this.#state;
  }

  /**
   * Adds an event to the chain.
   *
   * @param event The event; its own `seq` gives way to that of the chain.
   * @returns The line, without the line feed.
   * @throws {TypeError} If the event is no plain JSON; the chain is then as before.
   */
  seal(event: Omit<AuditEvent, "seq"> & { readonly seq?: number }): string {
    const { seq: last, hash: prev } = this.#state;
    const seq = last + 1;
    const body = bodyOf(event, seq, prev, this.#writer);
    const hash = hashText(body);
    this.#state = { seq, hash };
    return withHash(escapeJson(body), hash);
  }
}

/**
 * The canonical text of a record without its hash. The members of an event are known, so that they are in
 * order from the beginning and need no sorting (bench/events_bench.ts).
 */
function bodyOf(
  event: Omit<AuditEvent, "seq"> & { readonly seq?: number },
  seq: number,
  prev: string,
  writer: string,
): string {
  const details = event.details === undefined ? undefined : inOrder(event.details, 1);
  const source = event.source === undefined ? undefined : inOrder(event.source, 1);
  const members: Record<keyof AuditEvent | "prev" | "writer", unknown> = {
    clientCorrelationId: event.clientCorrelationId,
    code: event.code,
    correlationId: event.correlationId,
    details,
    durationMs: event.durationMs,
    hashKeyId: event.hashKeyId,
    id: event.id,
    kind: event.kind,
    operation: event.operation,
    outcome: event.outcome,
    prev,
    principal: event.principal,
    principalConfidence: event.principalConfidence,
    reason: event.reason,
    recordedAt: event.recordedAt,
    resource: event.resource,
    seq,
    severity: event.severity,
    source,
    time: event.time,
    traceparent: event.traceparent,
    writer,
  };
  const isKnown = isFlat(event) && (details === undefined) === (event.details === undefined) &&
    (source === undefined) === (event.source === undefined);
  return isKnown ? orderedJson(members) : canonicalJson({ ...event, seq, prev, writer });
}

/** An event of a later version may have more than this one knows. Without a prototype, as names may be any. */
const KNOWN: Readonly<Record<string, true | undefined>> = Object.assign(
  Object.create(null),
  {
    clientCorrelationId: true,
    code: true,
    correlationId: true,
    details: true,
    durationMs: true,
    hashKeyId: true,
    id: true,
    kind: true,
    operation: true,
    outcome: true,
    principal: true,
    principalConfidence: true,
    reason: true,
    recordedAt: true,
    resource: true,
    seq: true,
    severity: true,
    source: true,
    time: true,
    traceparent: true,
  } satisfies Record<keyof AuditEvent, true>,
);

/** Whether all members are known, and scalars but for those that have been looked at. */
function isFlat(event: object): boolean {
  // deno-lint-ignore guard-for-in -- an inherited name that is unknown costs no more than a sorted copy.
  for (const name in event) {
    if (KNOWN[name] === undefined) return false;
    const member = (event as Record<string, unknown>)[name];
    if (typeof member === "string" || member === undefined || Number.isFinite(member)) continue;
    if (name !== "details" && name !== "source") return false;
  }
  return true;
}

/**
 * Reads a line of a chain.
 *
 * @param line The line, without the line feed.
 * @returns The record, or `undefined` unless it is well-formed, spelled in the one way that {@linkcode Chain}
 * has, and its hash holds.
 */
export function readRecord(line: string): ChainRecord | undefined {
  const body = `${line.slice(0, -HASH_LENGTH)}}`;
  let value: unknown;
  let canonical: string;
  try {
    value = JSON.parse(body);
    canonical = canonicalJson(value);
  } catch {
    return undefined;
  }
  if (!isObject(value) || Object.hasOwn(value, "hash")) return undefined;
  const { seq, prev, writer, kind, details = {} } = value;
  if (typeof seq !== "number" || !Number.isSafeInteger(seq) || seq < 1) return undefined;
  if (typeof writer !== "string" || typeof kind !== "string" || !isHash(prev)) return undefined;
  if (!isObject(details)) return undefined;
  const hash = hashText(canonical);
  // Members given twice, in another order or in another spelling end here, too.
  if (withHash(escapeJson(canonical), hash) !== line) return undefined;
  return { seq, prev, hash, writer, kind, details };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Length of the last member and brace. */
const HASH_LENGTH = withHash("", GENESIS.hash).length;

function withHash(body: string, hash: string): string {
  return `${body.slice(0, -1)},"hash":"${hash}"}`;
}
