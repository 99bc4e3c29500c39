import { fromFileUrl } from "@std/path/from-file-url";
import { cacheFolder } from "../_environment.ts";
import { discard, download, type DownloadProgress, requireSafe } from "./_download.ts";
import { fetchFailed } from "./_fetch_failed.ts";
import { httpOf, type HttpOptions } from "./_http.ts";
import { openIndex } from "./_index.ts";
import { IndexWriter } from "./_index_writer.ts";
import { type DatabaseLimits, readDatabase } from "./_read_database.ts";
import type { AdvisorySource } from "./advisory_source.ts";

export type { DownloadProgress } from "./_download.ts";

/** Options of {@linkcode fetchDatabase}. */
export interface FetchDatabaseOptions extends HttpOptions {
  /** Folder of the stored database. */
  readonly folder: string;
  /**
   * Archives of OSV records; all of them make one database. A `file:` address is read where it is, for
   * machines that are brought the archive. @default {DEFAULT_DB_URLS}
   */
  readonly urls?: readonly string[];
  /** Largest archive, in bytes. @default {2147483648} */
  readonly maxBytes?: number;
  /** How much of the archives is read. */
  readonly limits?: DatabaseLimits;
  /** Is told whenever bytes have come. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** @default {new Date()} */
  readonly now?: Date;
  readonly signal?: AbortSignal;
}

/** OSV's export of the advisories about npm packages. */
export const DEFAULT_DB_URLS: readonly string[] = [
  "https://storage.googleapis.com/osv-vulnerabilities/npm/all.zip",
];

/**
 * Downloads the advisory database and stores it with an index, in place of the one that is there.
 *
 * A download that was cut off is gone on with. The archive is checked against its declared length
 * and hashes, and must be whole; until the new database is complete, the old one stays as it is, also
 * when the process is killed. Requires `--allow-net` of the hosts and `--allow-read` and
 * `--allow-write` of the folder.
 *
 * @throws {SecurityError} `database-unreadable`, when something does not arrive whole, holds no
 * advisory, or another process is fetching at the same time.
 */
export async function fetchDatabase(options: FetchDatabaseOptions): Promise<AdvisorySource> {
  const { folder, urls = DEFAULT_DB_URLS, signal, now = new Date() } = options;
  const http = httpOf(options);
  for (const url of urls) if (!isFile(url)) requireSafe(url);
  await Deno.mkdir(folder, { recursive: true });
  // The system lets go of the lock when the process ends, however it ends.
  using lock = await Deno.open(`${folder}/lock`, { write: true, create: true });
  if (!await lock.tryLock(true)) throw fetchFailed("another process is fetching it");

  const downloads: string[] = [];
  const archives: string[] = [];
  for (const [index, url] of urls.entries()) {
    if (isFile(url)) {
      archives.push(fromFileUrl(url));
      continue;
    }
    const path = `${folder}/download-${index}.zip`;
    downloads.push(path);
    archives.push(path);
    await download(url, path, {
      http,
      signal,
      maxBytes: options.maxBytes ?? 2 * 1024 ** 3,
      onProgress: options.onProgress,
    });
  }
  await using writer = await IndexWriter.create(folder);
  let invalid = 0;
  for (const path of archives) {
    try {
      const facts = await readDatabase(path, (record) => writer.add(record), {
        ...options.limits,
        ...(downloads.includes(path) && { name: path.slice(folder.length + 1) }),
      });
      invalid += facts.invalid;
      if (facts.damaged > 0) throw fetchFailed(`${facts.damaged} files in the archive are damaged`);
    } catch (error) {
      // Complete, but no archive: going on with it would fail for ever.
      if (downloads.includes(path)) await discard(path);
      throw error;
    }
    signal?.throwIfAborted();
  }
  if (writer.records === 0) {
    await Promise.all(downloads.map(discard));
    throw fetchFailed("it holds no advisory");
  }
  await writer.publish({ invalid, fetched: now.toISOString() });
  await Promise.all(downloads.map(discard));
  return await openIndex(folder);
}

/**
 * The folder in which the database is stored unless a policy or an option names another:
 * `bartizan/advisories` below the user's cache folder.
 *
 * @param env Reads a variable of the environment.
 * @param os The operating system.
 * @returns `undefined` when the environment names no such folder.
 */
export function defaultDbPath(
  env: (name: string) => string | undefined,
  os: typeof Deno.build.os = Deno.build.os,
): string | undefined {
  const cache = cacheFolder(env, os);
  return cache === undefined ? undefined : `${cache}/bartizan/advisories`;
}

function isFile(url: string): boolean {
  return url.startsWith("file:") && URL.canParse(url);
}
