/** Streams that behave badly. */

/** What became of a stream. */
export interface Watched {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** How many chunks were asked for. */
  pulled: number;
  /** What it was cancelled with; `undefined` while it was not. */
  cancelled: { readonly reason: unknown } | undefined;
}

/** Options of {@linkcode watch}. */
export interface WatchOptions {
  /** Gives a chunk, nothing at the end, or a promise that never settles. */
  readonly next: (index: number) => unknown;
  /** Whether a cancel never settles. */
  readonly hangsInCancel?: boolean;
}

/** Makes a stream that says what is done to it. */
export function watch({ next, hangsInCancel = false }: WatchOptions): Watched {
  const watched: Watched = {
    pulled: 0,
    cancelled: undefined,
    stream: new ReadableStream({
      async pull(controller) {
        const chunk = await next(watched.pulled++);
        if (chunk === undefined) controller.close();
        else controller.enqueue(chunk as Uint8Array<ArrayBuffer>);
      },
      cancel(reason) {
        watched.cancelled = { reason };
        return hangsInCancel ? new Promise(() => {}) : undefined;
      },
    }, { highWaterMark: 0 }),
  };
  return watched;
}

/** Bytes in one chunk each. */
export function streamOf(
  ...chunks: readonly Uint8Array[]
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return watch({ next: (index) => chunks[index] }).stream;
}

/** Lets everything run that waits for nothing. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
}
