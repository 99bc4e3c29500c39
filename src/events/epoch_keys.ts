import { dirname } from "@std/path/dirname";
import { decodeBase64, encodeBase64 } from "./_hash.ts";

/** What closes an epoch. */
export interface EpochClosing {
  /** The checkpoint that closes it. */
  readonly note: string;
  /** Number of the epoch. */
  readonly epoch: number;
  /** What the key of the epoch makes of the text of the checkpoint, in base64. */
  readonly mac: string;
}

/** Where the keys of epochs stand. */
export interface EpochState {
  /** Number of the epoch that is running; the first is 0. */
  readonly epoch: number;
  /** Its key: 32 bytes. The keys of earlier epochs cannot be found from it. */
  readonly key: Uint8Array;
  /** Closings that a crash may have kept out of the log, the oldest first: the log is told once more. */
  readonly pending?: readonly EpochClosing[];
}

/**
 * Where the key of the running epoch is kept, for one log. Saving it makes the one before disappear. One log asks for
 * one thing at a time: nothing is asked for while a `save` that is late has not settled.
 */
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
  // Always the same name, so that a key that a crash left there is found.
  const temporary = `${path}.tmp`;
  return {
    async load() {
      await removeIfThere(temporary);
      let text: string;
      try {
        text = await Deno.readTextFile(path);
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw error;
      }
      return readState(text);
    },
    async save({ epoch, key, pending }) {
      const text = JSON.stringify({ epoch, key: encodeBase64(key), pending });
      await removeIfThere(temporary);
      try {
        await writeDurably(temporary, `${text}\n`);
        await Deno.rename(temporary, path);
      } catch (error) {
        await removeIfThere(temporary);
        throw error;
      }
      // Until then, a power cut may bring the key before back.
      if (Deno.build.os !== "windows") await syncFolder(dirname(path));
    },
  };
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  // Never a file or a link that is there.
  const file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  try {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    await file.sync();
  } finally {
    file.close();
  }
}

/** Deno opens no folders, but its `node:fs` does. */
async function syncFolder(path: string): Promise<void> {
  const { open } = await import("node:fs/promises");
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function readState(text: string): EpochState {
  let value: { epoch?: unknown; key?: unknown; pending?: unknown } | null = null;
  try {
    value = JSON.parse(text);
  } catch {
    // Told below.
  }
  const key = typeof value?.key === "string" ? decodeBase64(value.key) : undefined;
  const epoch = value?.epoch;
  const pending = value?.pending;
  if (
    typeof epoch !== "number" || !Number.isSafeInteger(epoch) || epoch < 0 || key?.length !== 32 ||
    pending !== undefined && !(Array.isArray(pending) && pending.every(isClosing))
  ) {
    throw new TypeError("Cannot read the key of an epoch: the file holds none");
  }
  return { epoch, key, ...pending === undefined ? {} : { pending } };
}

function isClosing(value: Partial<Record<keyof EpochClosing, unknown>> | null): boolean {
  return typeof value?.note === "string" && typeof value.epoch === "number" &&
    typeof value.mac === "string";
}
