const MAX_ATTEMPTS = 20;
const MIN_PAUSE_MS = 5;

/**
 * Tries again while another process writes to the same file: Deno KV does not wait for it, and throws.
 *
 * @param work Reads or writes; it is safe to do twice.
 * @param signal Ends the waiting.
 * @returns What the work returns.
 */
export async function whenUnlocked<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let attempt = 1;; attempt++) {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (cause) {
      const isLocked = cause instanceof Error && /\b(?:locked|busy)\b/i.test(cause.message);
      if (!isLocked || attempt === MAX_ATTEMPTS || signal?.aborted) throw cause;
    }
    // Random, so that those who collided do not collide again.
    const pauseMs = MIN_PAUSE_MS * attempt * (1 + Math.random());
    await pause(pauseMs, signal);
  }
}

/** Waits, and no longer than somebody waits for it. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
    if (signal?.aborted) end();
  });
}
