import { SecurityError } from "../../errors.ts";
import { readBytes } from "../_text.ts";
import { fetchFailed } from "./_fetch_failed.ts";
import { type Http, type Patience, refuseStatus, retrying, TryAgain } from "./_http.ts";
import { type Declared, verifyDownload } from "./_verify_download.ts";

/** A download, and how far it is. */
export interface DownloadProgress {
  readonly url: string;
  /** Bytes on disk so far, those of an earlier run included. */
  readonly received: number;
  /** Size of the whole file, where the server tells. */
  readonly total?: number;
}

/** What a download is checked against. */
export interface DownloadOptions {
  readonly http: Http;
  readonly maxBytes: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

/** What is known of a partial file, in a file of its own beside it. */
interface Resume extends Declared {
  readonly url: string;
  /** A strong entity tag: only then do byte ranges of two answers fit together. */
  readonly etag: string;
  readonly length: number;
}

/** Attempts in a row without a byte are counted by the retry rule; this bounds a server that drips. */
const MAX_ROUNDS = 200;

/**
 * Downloads `url` into the file `path`, going on with what an earlier run has left there, and checks
 * the result against the length and the hashes that the server declares.
 *
 * @throws {SecurityError} `database-unreadable`; then nothing is left that a later run would trust.
 */
export async function download(
  url: string,
  path: string,
  { http, maxBytes, signal, onProgress }: DownloadOptions,
): Promise<void> {
  for (let round = 0;; round++) {
    if (round === MAX_ROUNDS) throw fetchFailed("the connection was lost too often");
    const before = await sizeOf(path);
    try {
      const patience: Patience = { deadline: Infinity, signal };
      // The rule's own timer would bound the whole download, so the stream has its own.
      await retrying({ ...http, timeoutMs: 2 ** 31 - 1 }, patience, async (stop) => {
        await receive(url, path, { http, maxBytes, signal: stop, onProgress });
      });
      return;
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof SecurityError) throw error;
      // Where progress was made, the attempts count anew.
      if (await sizeOf(path) > before) continue;
      const why = error instanceof TryAgain
        ? error.message
        : error instanceof Deno.errors.NotCapable
        ? "a permission for the host or the folder is missing"
        : "the server cannot be reached";
      throw fetchFailed(why, error);
    }
  }
}

/** Removes a download and what is known of it. */
export async function discard(path: string): Promise<void> {
  for (const file of [path, `${path}.json`]) await Deno.remove(file).catch(() => {});
}

async function receive(url: string, path: string, options: DownloadOptions): Promise<void> {
  const resume = await readResume(path, url);
  const have = resume ? await sizeOf(path) : 0;
  const watch = new Watch(options.http.timeoutMs, options.signal);
  try {
    let declared: Declared | undefined = resume;
    // A run may have been killed after the last byte.
    if (!resume || have < resume.length) {
      const response = await options.http.fetch(url, {
        headers: {
          // A compressed answer would have other lengths and ranges than the file.
          "accept-encoding": "identity",
          ...(resume && have > 0 && { range: `bytes=${have}-`, "if-range": resume.etag }),
        },
        signal: watch.signal,
      });
      requireSafe(response.url || url);
      const goesOn = response.status === 206 && resume !== undefined &&
        fits(response.headers, resume, have);
      if (!goesOn && response.status !== 200) {
        if (response.status !== 206 && response.status !== 416) await refuseStatus(response);
        await response.body?.cancel();
        await discard(path);
        throw new TryAgain("the server sent another part than was asked for");
      }
      declared = goesOn ? resume : await begin(url, path, response.headers);
      await append(url, path, response, goesOn ? have : 0, declared, watch, options);
    }
    await verified(path, declared!);
  } finally {
    watch.stop();
  }
}

/** Forgets an earlier download, and notes what a later run needs to go on with the new one. */
async function begin(url: string, path: string, headers: Headers): Promise<Declared> {
  await discard(path);
  const length = lengthOf(headers);
  const hash = headers.get("x-goog-hash");
  const etag = headers.get("etag");
  // Where the server gives too little, a later run begins anew.
  if (etag !== null && !etag.startsWith("W/") && length !== undefined) {
    const resume: Resume = { url, etag, length, hash };
    await Deno.writeTextFile(`${path}.json`, JSON.stringify(resume));
  }
  return { length, hash };
}

/** Streams an answer to the end of the file. */
async function append(
  url: string,
  path: string,
  response: Response,
  from: number,
  { length }: Declared,
  watch: Watch,
  { maxBytes, onProgress }: DownloadOptions,
): Promise<void> {
  const limit = Math.min(length ?? maxBytes, maxBytes);
  let received = from;
  try {
    if ((length ?? 0) > maxBytes) throw tooLarge(maxBytes);
    using file = await Deno.open(path, { write: true, create: true, truncate: from === 0 });
    await file.seek(from, Deno.SeekMode.Start);
    for await (const chunk of response.body ?? []) {
      watch.progress();
      received += chunk.length;
      if (received > limit) {
        if (length === undefined) throw tooLarge(maxBytes);
        throw fetchFailed("the server sent more than it declared");
      }
      await write(file, chunk);
      onProgress?.({ url, received, ...(length !== undefined && { total: length }) });
    }
    await file.syncData();
  } catch (cause) {
    await response.body?.cancel().catch(() => {});
    // Bytes that are too many, or wrong, must not be gone on with.
    if (cause instanceof SecurityError) await discard(path);
    if (cause instanceof SecurityError || watch.signal.aborted) throw cause;
    throw new TryAgain("the connection was lost", { cause });
  }
  if (length !== undefined && received < length) throw new TryAgain("the connection was lost");
}

async function write(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  try {
    for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
  } catch (cause) {
    // A full disk does not become empty by trying again.
    throw fetchFailed("it cannot be written to disk", cause);
  }
}

async function verified(path: string, declared: Declared): Promise<void> {
  try {
    await verifyDownload(path, declared);
  } catch (error) {
    await discard(path);
    throw error;
  }
}

function tooLarge(maxBytes: number): SecurityError {
  return fetchFailed(`the database is larger than ${maxBytes} bytes`);
}

/** Aborts when nothing has come for a while: a large file takes long, a dead connection for ever. */
class Watch {
  readonly #controller = new AbortController();
  readonly #timeoutMs: number;
  readonly #outer: AbortSignal | undefined;
  readonly #forward = () => this.#controller.abort(this.#outer?.reason);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(timeoutMs: number, outer: AbortSignal | undefined) {
    this.#timeoutMs = timeoutMs;
    this.#outer = outer;
    outer?.addEventListener("abort", this.#forward, { once: true });
    this.progress();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  progress(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => this.#controller.abort(new TryAgain("the server stopped sending")),
      this.#timeoutMs,
    );
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#forward);
  }
}

/**
 * Only https, but for this machine itself: over plain http anyone in between could leave out the one
 * advisory that matters.
 *
 * @throws {SecurityError} `database-unreadable`.
 */
export function requireSafe(url: string): void {
  const { protocol, hostname } = URL.canParse(url) ? new URL(url) : { protocol: "", hostname: "" };
  const local = ["127.0.0.1", "[::1]", "localhost"].includes(hostname);
  if (protocol !== "https:" && !(protocol === "http:" && local)) {
    throw fetchFailed("the address of a database must start with https:");
  }
}

/** Whether a partial answer continues the file that is on disk; RFC 9110, section 14.4. */
function fits(headers: Headers, resume: Resume, have: number): boolean {
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers.get("content-range") ?? "");
  return range !== null && Number(range[1]) === have && Number(range[2]) === resume.length &&
    (headers.get("etag") ?? resume.etag) === resume.etag;
}

function lengthOf(headers: Headers): number | undefined {
  const value = headers.get("content-length");
  return value !== null && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}

async function readResume(path: string, url: string): Promise<Resume | undefined> {
  try {
    const bytes = readBytes(`${path}.json`, {
      maxBytes: 64 * 1024,
      code: "database-unreadable",
      name: "state of a download",
    });
    const value: Partial<Resume> = JSON.parse(new TextDecoder().decode(bytes));
    const { etag, length, hash } = value;
    if (value.url !== url || typeof etag !== "string" || typeof length !== "number") {
      return undefined;
    }
    // More than the whole cannot be a part of it.
    if (await sizeOf(path) > length) return undefined;
    return { url, etag, length, hash: typeof hash === "string" ? hash : null };
  } catch {
    return undefined;
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).size;
  } catch {
    return 0;
  }
}
