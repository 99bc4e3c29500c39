/**
 * Waiting for a reporter, which is somebody else's code and may never answer.
 *
 * @module
 */

import type { SecurityError } from "../errors.ts";
import type { FileContext } from "./_context.ts";
import { fileError } from "./_errors.ts";

/** How long a reporter has for what is under way when a validator closes, in milliseconds. */
export const RECORD_GRACE_MS = 10_000;

/** What an operation rejects with that could not be recorded. */
export function unrecorded(cause: unknown): SecurityError {
  return fileError("audit-unavailable", { error: cause, reason: String(cause) });
}

/** Whether there is something to wait for; a reporter may return anything where `void` is expected. */
export function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

/** Waits for something until one of the signals is aborted, and rejects with the reason of that one. */
export function untilAborted<T>(
  work: PromiseLike<T>,
  ...signals: readonly AbortSignal[]
): Promise<T> {
  return new Promise((resolve, reject) => {
    // Signals outlive a wait: a listener left behind by each would be a leak.
    const end = () => {
      for (const signal of signals) signal.removeEventListener("abort", abort);
    };
    const abort = () => {
      end();
      reject(signals.find(({ aborted }) => aborted)?.reason);
    };
    for (const signal of signals) signal.addEventListener("abort", abort);
    work.then((value) => {
      end();
      resolve(value);
    }, (error) => {
      end();
      reject(error);
    });
    if (signals.some(({ aborted }) => aborted)) abort();
  });
}

/**
 * The records of one validator that are being made.
 *
 * Whoever closes a validator closes its log next, so that `close()` waits for them. A reporter that hangs
 * must not make it wait for ever: what is not made {@linkcode RECORD_GRACE_MS} later is given up.
 */
class Records {
  readonly #context: FileContext;
  readonly #pending = new Set<() => void>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(context: FileContext) {
    this.#context = context;
    context.closing.addEventListener("abort", () => this.#limit(), { once: true });
  }

  /** Resolves when the record is made, and until then keeps the validator from being closed. */
  wait(made: PromiseLike<unknown>): Promise<void> {
    const leave = this.#context.enter();
    return new Promise((resolve, reject) => {
      const end = () => {
        if (!this.#pending.delete(giveUp)) return;
        if (this.#pending.size === 0) this.#stop();
        leave();
      };
      const giveUp = () => {
        end();
        reject(unrecorded(`no answer ${RECORD_GRACE_MS} ms after the validator was closed`));
      };
      this.#pending.add(giveUp);
      if (this.#context.closed) this.#limit();
      Promise.resolve(made).then(() => {
        resolve();
        end();
      }, (cause) => {
        reject(unrecorded(cause));
        end();
      });
    });
  }

  #limit(): void {
    if (this.#pending.size === 0) return;
    this.#timer ??= setTimeout(() => {
      for (const giveUp of [...this.#pending]) giveUp();
    }, RECORD_GRACE_MS);
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

const records = new WeakMap<FileContext, Records>();

/** The records of a validator that are being made. */
export function recordsOf(context: FileContext): Records {
  let found = records.get(context);
  if (found === undefined) records.set(context, found = new Records(context));
  return found;
}
