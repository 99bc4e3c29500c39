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
  /** When the data was last changed, in ISO 8601, where known. */
  readonly modified?: string;
  /** Whether it has anything to say about an ecosystem at all. */
  covers(ecosystem: string): boolean;
  /**
   * The records that name these packages, by `ecosystem:name`. A record may turn out not to affect
   * the version; that is decided by `affectedBy`.
   */
  lookup(
    packages: readonly AdvisoryPackage[],
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, readonly OsvRecord[]>>;
}
