/**
 * Where records are that something refers to: other files, and checkpoints that were given. With one look-up for
 * each, many files take no more time than the same records in one.
 *
 * @module
 */

import type { ChainRecord } from "./_chain.ts";
import type { VerifiedChain } from "./_verify_chain.ts";

/** A record that was looked for. */
export interface FoundRecord {
  readonly chain: VerifiedChain;
  readonly seq: number;
}

/** More writers than logs have restarts. */
const MAX_WRITERS = 100_000;
const MAX_WRITER_LENGTH = 64;

/** Remembers where records are. */
export class Places {
  readonly #wanted: ReadonlySet<string>;
  readonly #found = new Map<string, FoundRecord>();
  readonly #writers = new Map<string, VerifiedChain>();

  /**
   * Begins.
   *
   * @param firsts First records of all files.
   * @param roots Hashes of other records that are looked for.
   */
  constructor(firsts: Iterable<ChainRecord>, roots: Iterable<string>) {
    const wanted = new Set(roots);
    for (const { prev, hash } of firsts) wanted.add(prev).add(hash);
    this.#wanted = wanted;
  }

  /** Remembers where a record is, if something refers to it. */
  record(hash: string, seq: number, chain: VerifiedChain): void {
    if (this.#wanted.has(hash) && !this.#found.has(hash)) this.#found.set(hash, { chain, seq });
  }

  /** Remembers who wrote in a chain. */
  writer(writer: string, chain: VerifiedChain): void {
    if (this.#writers.size >= MAX_WRITERS || writer.length > MAX_WRITER_LENGTH) return;
    if (!this.#writers.has(writer)) this.#writers.set(writer, chain);
  }

  /** The chain in which a record is, and its number. */
  find(hash: string): FoundRecord | undefined {
    return this.#found.get(hash);
  }

  /** The chain in which somebody wrote. */
  chainOf(writer: string): VerifiedChain | undefined {
    return this.#writers.get(writer);
  }
}
