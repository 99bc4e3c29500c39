/**
 * The last moment: what is still in memory is written when the program ends, however it ends, short of SIGKILL.
 *
 * @module
 */

/** What happens on SIGTERM: the program ends as it would have, or it is the program's own affair. */
export type OnSigterm = "exit" | "flush";

const SIGTERM_STATUS = 128 + 15;

/**
 * Calls when the program is about to end.
 *
 * An error that nobody catches and a rejection that nobody handles end a program of Deno without `unload`, so
 * they are listened to as well. None of the listeners keeps the program alive, or changes how it ends.
 *
 * @param flush What to call; it has to be done when it returns.
 * @param onSigterm What follows SIGTERM, for which a program that listens has to end by itself.
 * @returns What removes the listeners.
 */
export function flushAtExit(flush: () => void, onSigterm: OnSigterm): () => void {
  const types = ["unload", "unhandledrejection", "error"];
  for (const type of types) globalThis.addEventListener(type, flush);
  const terminate = () => {
    flush();
    // `unload` follows, for whoever else has something to write.
    if (onSigterm === "exit") Deno.exit(SIGTERM_STATUS);
  };
  let hears = true;
  try {
    Deno.addSignalListener("SIGTERM", terminate);
  } catch {
    // Windows has no SIGTERM.
    hears = false;
  }
  return () => {
    for (const type of types) globalThis.removeEventListener(type, flush);
    if (hears) Deno.removeSignalListener("SIGTERM", terminate);
  };
}
