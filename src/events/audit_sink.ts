import type { AuditEvent } from "./audit_event.ts";

/** Where an {@linkcode AuditLogger} sends events. */
export interface AuditSink {
  /** What statistics and records call it, such as `json-lines`. */
  readonly name: string;

  /**
   * Whether an operation must not happen when this sink cannot record it. Sinks that only watch or pass on,
   * such as metrics or a webhook, say `false`. @default {true}
   */
  readonly required?: boolean;

  /**
   * Whether it gets identifiers as they are where the logger hashes them for all others: for what acts within
   * this process, such as alerts that block. @default {false}
   */
  readonly plainIdentifiers?: boolean;

  /**
   * How many events were lost after `write` had taken them, such as those that a receiver refused later. A
   * logger counts them as lost, and no longer as written. @default {0}
   */
  readonly lostLater?: number;

  /**
   * Takes an event.
   *
   * @param event The event; frozen.
   * @returns Nothing, or a promise that settles once the event is as safe as this sink promises. It throws or
   * rejects when the event is lost.
   */
  write(event: AuditEvent): void | Promise<void>;

  /**
   * Tells whether an event could be recorded now.
   *
   * @returns Nothing, or a promise; throws or rejects when `write` would lose an event.
   */
  ready?(): void | Promise<void>;

  /**
   * Waits until everything written so far is as safe as it gets.
   *
   * @returns Nothing, or a promise.
   */
  flush?(): void | Promise<void>;

  /**
   * Flushes and gives everything back: files, timers, listeners.
   *
   * @param signal Aborted when whoever closes waits no longer, which may be from the beginning: what was not
   * flushed by then is lost.
   * @returns Nothing, or a promise.
   */
  close?(signal?: AbortSignal): void | Promise<void>;
}
