import { decodeBase64, encodeBase64 } from "./_hash.ts";

/** Where the keys of epochs stand. */
export interface EpochState {
  /** Number of the epoch that is running; the first is 0. */
  readonly epoch: number;
  /** Its key: 32 bytes. The keys of earlier epochs cannot be found from it. */
  readonly key: Uint8Array;
  /** What closed the epoch before: a crash may have kept it out of the log. */
  readonly last?: Readonly<Record<string, unknown>>;
}

/** Where the key of the running epoch is kept, for one log. Saving it makes the one before disappear. */
export interface EpochKeyStore {
  /**
   * Reads the state.
   *
   * @returns What was saved last, or `undefined` when nothing was.
   */
  load(): Promise<EpochState | undefined>;

  /**
   * Replaces the state.
   *
   * @param state The state.
   */
  save(state: EpochState): Promise<void>;
}

/**
 * Makes the key of the first epoch. The operator keeps a copy away from the machine that writes the log: who
 * has it can verify all epochs, and forge them.
 *
 * @example
 * ```ts
 * import { generateEpochKey } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(generateEpochKey().length, 32);
 * ```
 *
 * @returns 32 random bytes.
 */
export function generateEpochKey(): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(32));
}

/**
 * Keeps the key of the running epoch in a file of mode 0600, which is replaced as a whole. What the disk
 * itself keeps of replaced files, such as snapshots or worn blocks of flash, is beyond it.
 *
 * Requires `--allow-read` and `--allow-write` for the folder of the file.
 *
 * @example
 * ```ts
 * import { epochKeyFile, generateEpochKey } from "@bartizan/security";
 * import { assertEquals } from "@std/assert";
 *
 * const path = `${await Deno.makeTempDir()}/epoch.json`;
 * const store = epochKeyFile(path);
 * await store.save({ epoch: 0, key: generateEpochKey() }); // Once, when the log is set up.
 * assertEquals((await store.load())?.epoch, 0);
 * await Deno.remove(path);
 * ```
 *
 * @param path Path of the file.
 * @returns The store; `load` throws when the file is no such state, and `save` when it cannot be replaced.
 */
export function epochKeyFile(path: string): EpochKeyStore {
  return {
    async load() {
      let text: string;
      try {
        text = await Deno.readTextFile(path);
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw error;
      }
      return readState(text);
    },
    async save({ epoch, key, last }) {
      const text = JSON.stringify({ epoch, key: encodeBase64(key), last });
      // A name that nobody can put a link at beforehand.
      const temporary = `${path}.${crypto.randomUUID()}.tmp`;
      try {
        await writeDurably(temporary, `${text}\n`);
        await Deno.rename(temporary, path);
      } catch (error) {
        await Deno.remove(temporary).catch(() => {});
        throw error;
      }
    },
  };
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  try {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    await file.sync();
  } finally {
    file.close();
  }
}

function readState(text: string): EpochState {
  let value: { epoch?: unknown; key?: unknown; last?: unknown } | null = null;
  try {
    value = JSON.parse(text);
  } catch {
    // Told below.
  }
  const key = typeof value?.key === "string" ? decodeBase64(value.key) : undefined;
  const epoch = value?.epoch;
  const last = value?.last;
  if (
    typeof epoch !== "number" || !Number.isSafeInteger(epoch) || epoch < 0 || key?.length !== 32 ||
    last !== undefined && (typeof last !== "object" || last === null)
  ) {
    throw new TypeError("Cannot read the key of an epoch: the file holds none");
  }
  return { epoch, key, ...last === undefined ? {} : { last: { ...last } } };
}
