/** A timer that was set. */
export interface ClockTimer {
  /** Forgets it; harmless once it has fired. */
  cancel(): void;
}

/**
 * Time, as this library reads it: what lasts is measured on a clock that never jumps, and what is written
 * down comes from the clock on the wall.
 */
export interface Clock {
  /** Milliseconds since some moment; never goes back, whatever happens to the clock on the wall. */
  monotonicMs(): number;

  /** Milliseconds since the epoch. */
  wallMs(): number;

  /**
   * Calls once, after a delay.
   *
   * @param callback What to call; it must not throw.
   * @param delayMs The delay, at most 2^31 − 1 milliseconds.
   * @param options Whether the program must stay alive for it: not, unless `keepAlive` says so.
   */
  setTimer(
    callback: () => void,
    delayMs: number,
    options?: { readonly keepAlive?: boolean },
  ): ClockTimer;
}

/** The clocks of the machine. */
export const systemClock: Clock = Object.freeze({
  monotonicMs: (): number => performance.now(),
  wallMs: (): number => Date.now(),
  setTimer(
    callback: () => void,
    delayMs: number,
    { keepAlive = false }: { readonly keepAlive?: boolean } = {},
  ): ClockTimer {
    const id = setTimeout(callback, delayMs);
    if (!keepAlive) unref(id);
    return { cancel: () => clearTimeout(id) };
  },
});

/** Deno has a function for it, Node and Bun a method of what setTimeout() returns, browsers nothing. */
function unref(id: unknown): void {
  if (typeof id === "object" && id !== null && "unref" in id && typeof id.unref === "function") {
    id.unref();
  } else if (typeof id === "number" && "Deno" in globalThis) {
    Deno.unrefTimer(id);
  }
}
