import type { OsvRecord } from "./osv.ts";

/** The coordinates by which an advisory names a package. */
export interface AdvisoryPackage {
  /** OSV's name of the ecosystem, such as `npm`. */
  readonly ecosystem: string;
  readonly name: string;
  readonly version: string;
}

/** Where advisories come from: a folder, an archive, the stored database or the OSV service. */
export interface AdvisorySource {
  /** What a report says about it. */
  readonly description: string;
  /** When the newest record was last changed, in ISO 8601, where known. */
  readonly modified?: string;
  /** When `audit fetch` stored it, in ISO 8601; absent when the data was not fetched but given. */
  readonly fetched?: string;
  /** Whether a lookup sends package names to another machine. @default {false} */
  readonly remote?: boolean;
  /** Records seen so far that are malformed and therefore say nothing. @default {0} */
  readonly invalid?: number;
  /** Whether it has anything to say about an ecosystem at all. */
  covers(ecosystem: string): boolean;
  /**
   * The records that name these packages, by `ecosystem:name`. A record may turn out not to affect
   * the version; that is decided by `affectedBy`.
   *
   * @throws {SecurityError} If some package could not be looked up.
   */
  lookup(
    packages: readonly AdvisoryPackage[],
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, readonly OsvRecord[]>>;
}

/** The key of a package in the result of a lookup. */
export function packageKey({ ecosystem, name }: Omit<AdvisoryPackage, "version">): string {
  return `${ecosystem}:${name}`;
}
