import { SecurityError } from "../../errors.ts";
import { type AdvisoryPackage, type AdvisorySource, packageKey } from "./advisory_source.ts";
import {
  type Http,
  httpOf,
  type HttpOptions,
  type Patience,
  pooled,
  readJson,
  refuseStatus,
  retrying,
  TryAgain,
} from "./_http.ts";
import { ADVISORY_ID, readRecord } from "./_read_record.ts";
import type { OsvRecord } from "./osv.ts";

/** Options of {@linkcode osvApi}. */
export interface OsvApiOptions extends HttpOptions {
  /** @default {"https://api.osv.dev"} */
  readonly baseUrl?: string;
  /** Requests under way at once. @default {12} */
  readonly concurrency?: number;
  /** Longest time that a lookup may take, in milliseconds. @default {120000} */
  readonly deadlineMs?: number;
}

/** Ecosystems of the auditor that OSV knows; for another name it refuses the whole batch. */
const ECOSYSTEMS: ReadonlySet<string> = new Set(["npm"]);

/** The service takes no more queries in one batch. */
const BATCH_SIZE = 1000;
/** Pages of one query; the package with the most advisories needs a few. */
const MAX_PAGES = 50;
const MAX_BATCH_BYTES = 32 * 1024 * 1024;
const MAX_RECORD_BYTES = 8 * 1024 * 1024;

/**
 * Advisories from the OSV service.
 *
 * Names and versions of the packages are sent to it; nothing else of the project is. What it answers
 * is evaluated again by `affectedBy`. Requires `--allow-net=api.osv.dev`.
 *
 * @see https://google.github.io/osv.dev/api/
 */
export function osvApi(options: OsvApiOptions = {}): AdvisorySource {
  return new OsvApi(options);
}

interface Query {
  readonly target: AdvisoryPackage;
  readonly pageToken?: string;
}

class OsvApi implements AdvisorySource {
  readonly #http: Http;
  readonly #baseUrl: string;
  readonly #concurrency: number;
  readonly #deadlineMs: number;
  readonly description: string;
  readonly remote = true;
  invalid = 0;

  constructor(options: OsvApiOptions) {
    this.#http = httpOf(options);
    this.#baseUrl = (options.baseUrl ?? "https://api.osv.dev").replace(/\/+$/, "");
    this.#concurrency = options.concurrency ?? 12;
    this.#deadlineMs = options.deadlineMs ?? 120_000;
    this.description = `OSV service at ${new URL(this.#baseUrl).host}`;
  }

  covers(ecosystem: string): boolean {
    return ECOSYSTEMS.has(ecosystem);
  }

  async lookup(
    packages: readonly AdvisoryPackage[],
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, readonly OsvRecord[]>> {
    const deadline = this.#http.clock() + this.#deadlineMs;
    try {
      const ids = await this.#query(packages, { deadline, signal });
      const records = await this.#records(new Set([...ids.values()].flatMap((set) => [...set])), {
        deadline,
        signal,
      });
      return new Map(
        [...ids].map(([key, set]) => [key, [...set].flatMap((id) => records.get(id) ?? [])]),
      );
    } catch (cause) {
      signal?.throwIfAborted();
      const why = cause instanceof Deno.errors.NotCapable
        ? "the permission to reach it is missing"
        : cause instanceof SecurityError || cause instanceof TryAgain
        ? cause.message
        : "it cannot be reached";
      throw new SecurityError("database-unreadable", `${this.description}: ${why}`, { cause });
    }
  }

  /** Identifiers of the advisories that the service gives, by package. */
  async #query(
    packages: readonly AdvisoryPackage[],
    patience: Patience,
  ): Promise<Map<string, Set<string>>> {
    const targets = new Map(
      packages.map((target) => [JSON.stringify([packageKey(target), target.version]), target]),
    );
    const ids = new Map<string, Set<string>>();
    let queries: Query[] = [...targets.values()].map((target) => ({ target }));
    for (let page = 0; queries.length > 0; page++) {
      if (page === MAX_PAGES) {
        throw new SecurityError("database-unreadable", `it answers with over ${MAX_PAGES} pages`);
      }
      const batches: Query[][] = [];
      for (let from = 0; from < queries.length; from += BATCH_SIZE) {
        batches.push(queries.slice(from, from + BATCH_SIZE));
      }
      const jobs = batches.map((batch) => (signal: AbortSignal) =>
        this.#batch(batch, ids, { ...patience, signal })
      );
      queries = (await pooled(jobs, this.#concurrency, patience.signal)).flat();
    }
    return ids;
  }

  /** Sends one batch and notes what it gives; returns the queries that have another page. */
  async #batch(
    batch: readonly Query[],
    ids: Map<string, Set<string>>,
    patience: Patience,
  ): Promise<Query[]> {
    const queries = batch.map(({ target: { ecosystem, name, version }, pageToken }) => ({
      package: { ecosystem, name },
      version,
      ...(pageToken !== undefined && { page_token: pageToken }),
    }));
    const answer = await this.#request("/v1/querybatch", MAX_BATCH_BYTES, patience, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ queries }),
    });
    const results = objectOf(answer)?.results;
    // Answers belong to queries by their position alone.
    if (!Array.isArray(results) || results.length !== batch.length) throw unexpected();
    const more: Query[] = [];
    results.forEach((result: unknown, index) => {
      const { vulns = [], next_page_token: token } = objectOf(result ?? {}) ?? {};
      if (!Array.isArray(vulns) || !isToken(token)) throw unexpected();
      const { target } = batch[index]!;
      const key = packageKey(target);
      const known = ids.get(key) ?? new Set();
      ids.set(key, known);
      for (const vuln of vulns) {
        const id = objectOf(vuln)?.id;
        // It becomes part of an address: `../` or `?` in it would reach something else.
        if (typeof id === "string" && ADVISORY_ID.test(id)) known.add(id);
        else this.invalid++;
      }
      if (token) more.push({ target, pageToken: token });
    });
    return more;
  }

  async #records(
    ids: ReadonlySet<string>,
    patience: Patience,
  ): Promise<Map<string, OsvRecord>> {
    const records = new Map<string, OsvRecord>();
    const jobs = [...ids].map((id) => async (signal: AbortSignal) => {
      const path = `/v1/vulns/${encodeURIComponent(id)}`;
      const record = readRecord(
        await this.#request(path, MAX_RECORD_BYTES, { ...patience, signal }),
      );
      if (record?.id === id) records.set(id, record);
      else this.invalid++;
    });
    await pooled(jobs, this.#concurrency, patience.signal);
    return records;
  }

  async #request(
    path: string,
    maxBytes: number,
    patience: Patience,
    init: RequestInit = {},
  ): Promise<unknown> {
    return await retrying(this.#http, patience, async (signal) => {
      // A redirect could carry the names to another host.
      const response = await this.#http.fetch(`${this.#baseUrl}${path}`, {
        ...init,
        redirect: "error",
        signal,
      });
      if (response.status !== 200) return await refuseStatus(response);
      return await readJson(response, maxBytes);
    });
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as Readonly<Record<string, unknown>>
    : undefined;
}

function isToken(value: unknown): value is string | undefined | null {
  return value === undefined || value === null ||
    (typeof value === "string" && value.length < 4096);
}

function unexpected(): SecurityError {
  return new SecurityError("database-unreadable", "its answer is not of the documented form");
}
