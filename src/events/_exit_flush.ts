/**
 * The last moment: what is still in memory is written when the program ends, however it ends, short of SIGKILL.
 *
 * @module
 */

/** What follows a signal that asks the program to end: what would have without us, or what others do about it. */
export type OnSigterm = "exit" | "flush";

/**
 * Signals that ask a program to end, and their numbers. SIGHUP is not among them: `nohup` has it ignored, and
 * nobody can tell, so that a program that listens to it would end where it should not.
 */
const STOPS = { SIGTERM: 15, SIGINT: 2 } as const;

type Stop = keyof typeof STOPS;

interface Flusher {
  readonly flush: () => void;
  readonly onSigterm: OnSigterm;
}

/** All sinks of this process share the listeners: a signal is sent again once, after all have flushed. */
const flushers = new Set<Flusher>();
const listeners = new Map<Stop, () => void>();
let ending = false;

/**
 * Whether the program has begun to end, so that nobody flushes any more: what comes now has to be written at
 * once.
 */
export function isEnding(): boolean {
  return ending;
}

/**
 * Calls when the program is about to end.
 *
 * An error that nobody catches and a rejection that nobody handles end a program of Deno without `unload`, so
 * they are listened to as well. None of the listeners keeps the program alive, or changes how it ends.
 *
 * @param flush What to call; it has to be done when it returns, and must not throw.
 * @param onSigterm What follows SIGTERM and SIGINT, which do not end a program that listens to them.
 * @returns What removes the listeners.
 */
export function flushAtExit(flush: () => void, onSigterm: OnSigterm): () => void {
  if (flushers.size === 0) listen();
  const flusher = { flush, onSigterm };
  flushers.add(flusher);
  return () => {
    if (flushers.delete(flusher) && flushers.size === 0) unlisten();
  };
}

function listen(): void {
  globalThis.addEventListener("unload", unload);
  globalThis.addEventListener("error", fail);
  globalThis.addEventListener("unhandledrejection", fail);
  for (const stop of Object.keys(STOPS) as Stop[]) {
    const listener = () => terminate(stop);
    try {
      Deno.addSignalListener(stop, listener);
      listeners.set(stop, listener);
    } catch {
      // Windows has no SIGTERM.
    }
  }
}

function unlisten(): void {
  globalThis.removeEventListener("unload", unload);
  globalThis.removeEventListener("error", fail);
  globalThis.removeEventListener("unhandledrejection", fail);
  for (const stop of [...listeners.keys()]) forget(stop);
}

function forget(stop: Stop): void {
  const listener = listeners.get(stop);
  if (listener === undefined) return;
  listeners.delete(stop);
  Deno.removeSignalListener(stop, listener);
}

function flushAll(): void {
  for (const { flush } of flushers) flush();
}

function unload(): void {
  // Listeners that come after this one may report, too.
  ending = true;
  flushAll();
}

function fail(): void {
  if (ending) return;
  ending = true;
  flushAll();
  // This comes after all listeners of the event, and only if one of them has kept the program alive.
  queueMicrotask(() => {
    ending = false;
  });
}

function terminate(stop: Stop): void {
  flushAll();
  if (![...flushers].some(({ onSigterm }) => onSigterm === "exit")) return;
  // Without our listener the program does with the signal what it would have done: it ends, or, where it
  // listens itself, it goes on to its own end. An exit in its place would cut short what it does until then.
  forget(stop);
  try {
    Deno.kill(Deno.pid, stop);
  } catch {
    Deno.exit(128 + STOPS[stop]);
  }
}
