/**
 * Records as numbered lines, chained or not.
 *
 * @module
 */

import type { AuditEvent, AuditOutcome } from "./audit_event.ts";
import { defaultSeverity } from "./audit_event.ts";
import { Chain, type ChainState, GENESIS, readRecord } from "./_chain.ts";
import { newId } from "./_ids.ts";
import { toJsonLine } from "./_json_line.ts";

/** An event before it has a number; a number that it has is not used. */
export type Unnumbered = Omit<AuditEvent, "seq"> & { readonly seq?: number };

/** Turns events into lines, one after the other. */
export class RecordLines {
  readonly #writer: string;
  readonly #isChained: boolean;
  #chain: Chain;
  #seq: number;

  constructor(writer: string, isChained: boolean, state: ChainState = GENESIS) {
    this.#writer = writer;
    this.#isChained = isChained;
    this.#chain = new Chain(writer, state);
    this.#seq = state.seq;
  }

  /** Where the log stands: after the last line that was made. */
  get state(): ChainState {
    return this.#isChained ? this.#chain.state : { seq: this.#seq, hash: GENESIS.hash };
  }

  /** Makes the next line, without the line feed. */
  next(event: Unnumbered): string {
    if (this.#isChained) return this.#chain.seal(event);
    const seq = this.#seq + 1;
    const line = toJsonLine(
      { ...event, seq, writer: this.#writer } as AuditEvent & { readonly writer: string },
    );
    this.#seq = seq;
    return line;
  }

  /** Goes on from another line than the last one, as when that is not in the file. */
  goOnFrom(state: ChainState): void {
    this.#chain = new Chain(this.#writer, state);
    this.#seq = state.seq;
  }

  /** Reads a line of this form; `undefined` if it is none. */
  read(line: string): ChainState | undefined {
    return readState(line, this.#isChained);
  }
}

/** Where a log stands after a line. */
export function readState(line: string, isChained: boolean): ChainState | undefined {
  if (isChained) {
    const record = readRecord(line);
    return record && { seq: record.seq, hash: record.hash };
  }
  const seq = plainSeq(line);
  return seq === undefined ? undefined : { seq, hash: GENESIS.hash };
}

/** Where a log stood before a line. */
export function readStateBefore(line: string, isChained: boolean): ChainState | undefined {
  const seq = plainSeq(line);
  if (seq === undefined) return undefined;
  return { seq: seq - 1, hash: isChained ? readRecord(line)?.prev ?? GENESIS.hash : GENESIS.hash };
}

/** What is left of a text of a record that is too long. */
const SHORT_LENGTH = 1_024;

/**
 * What is written of an event whose line would be too long: the next start could not read it, and no verifier.
 *
 * @param event The event.
 * @param bytes Length of the line.
 * @returns The event with short texts, and details that say so.
 */
export function shortened(event: Unnumbered, bytes: number): Unnumbered {
  const texts: Record<string, string> = {};
  for (const [name, text] of Object.entries(event)) {
    if (typeof text !== "string" || text.length <= SHORT_LENGTH) continue;
    const more = text.length - SHORT_LENGTH;
    texts[name] = `${text.slice(0, SHORT_LENGTH).toWellFormed()}…[+${more}]`;
  }
  return { ...event, ...texts, details: { omitted: "details", bytes } };
}

function plainSeq(line: string): number | undefined {
  try {
    const { seq } = JSON.parse(line) as { readonly seq?: unknown };
    return Number.isSafeInteger(seq) && (seq as number) > 0 ? seq as number : undefined;
  } catch {
    return undefined;
  }
}

/** When a line was recorded, in milliseconds since the epoch. */
export function recordedMs(line: string): number | undefined {
  try {
    const { recordedAt } = JSON.parse(line) as { readonly recordedAt?: unknown };
    const ms = typeof recordedAt === "string" ? Date.parse(recordedAt) : NaN;
    return Number.isNaN(ms) ? undefined : ms;
  } catch {
    return undefined;
  }
}

/** Makes an event of the sink's own. */
export function ownEvent(
  kind: string,
  outcome: AuditOutcome,
  nowMs: number,
  details: Readonly<Record<string, unknown>>,
  more: Partial<AuditEvent> = {},
): Unnumbered {
  const time = new Date(nowMs).toISOString();
  return {
    id: newId(),
    kind,
    outcome,
    severity: defaultSeverity(outcome),
    time,
    recordedAt: time,
    correlationId: newId(),
    ...more,
    details,
  };
}

/**
 * About how many bytes an event takes: what the bounds of the queue are kept with, before there is a line.
 *
 * @returns At least the characters in its strings.
 */
export function roughBytes(event: Unnumbered): number {
  const { principal, resource, reason, correlationId, clientCorrelationId, traceparent } = event;
  return 400 + event.kind.length + correlationId.length + (principal?.length ?? 0) +
    (resource?.length ?? 0) + (reason?.length ?? 0) + (clientCorrelationId?.length ?? 0) +
    (traceparent?.length ?? 0) + (event.source?.address.length ?? 0) + roughSize(event.details);
}

function roughSize(value: unknown): number {
  if (typeof value === "string") return value.length + 3;
  if (typeof value !== "object" || value === null) return 8;
  let size = 2;
  for (const key in value) {
    if (Object.hasOwn(value, key)) {
      size += key.length + 4 + roughSize((value as Record<string, unknown>)[key]);
    }
  }
  return size;
}
