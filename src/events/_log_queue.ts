/**
 * Events that wait to be written.
 *
 * @module
 */

import type { Entry } from "./_log_writer.ts";

/** Bounds of {@linkcode LogQueue}. */
export interface QueueLimits {
  /** Events. */
  readonly maxRecords: number;
  /** Size of the events, in bytes. */
  readonly maxBytes: number;
  /** Events beyond these bounds. */
  readonly maxWaiting: number;
}

/** No event takes less. */
const LEAST_BYTES = 400;

/** A queue with bounds, and some places beyond them for those who wait. */
export class LogQueue {
  readonly #limits: QueueLimits;
  #entries: Entry[] = [];
  #bytes = 0;
  #waiting = 0;

  constructor({ maxRecords, maxBytes, maxWaiting }: QueueLimits) {
    this.#limits = { maxRecords, maxBytes, maxWaiting };
  }

  /** Events in it. */
  get length(): number {
    return this.#entries.length;
  }

  /** Their size. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether not even who waits finds a place. */
  get isFull(): boolean {
    return !this.hasRoom(LEAST_BYTES) && this.#waiting >= this.#limits.maxWaiting;
  }

  /** Whether an event fits; an empty queue takes any. */
  hasRoom(bytes: number): boolean {
    const { maxRecords, maxBytes } = this.#limits;
    const { length } = this.#entries;
    return length < maxRecords && (this.#bytes + bytes <= maxBytes || length === 0);
  }

  /** Takes a place beyond the bounds, if there is one. */
  wait(): boolean {
    if (this.#waiting >= this.#limits.maxWaiting) return false;
    this.#waiting++;
    return true;
  }

  /** Adds an event. */
  add(entry: Entry): void {
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
  }

  /** Puts back what was taken, which may be more than there is room for. */
  putBack(entry: Entry): void {
    if (!this.hasRoom(entry.bytes)) this.#waiting++;
    this.add(entry);
  }

  /** Takes all out. */
  takeAll(): Entry[] {
    const entries = this.#entries;
    this.#entries = [];
    this.#bytes = 0;
    this.#waiting = 0;
    return entries;
  }
}
