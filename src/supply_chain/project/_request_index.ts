// @ts-types="@types/semver"
import semver from "semver";
import { type PackageRequest, parseRequest } from "./specifier.ts";

/** A list of dependencies may leave a range out; of a damaged lockfile, no more than these are meant. */
const MAX_AMBIGUOUS = 32;

/** Finds what a request was resolved to, though the lockfile writes its range in another way. */
export class RequestIndex {
  readonly #exact: ReadonlyMap<string, string>;
  readonly #byRange: Map<string, string[]> = new Map();
  readonly #byName: Map<string, string[]> = new Map();
  readonly #ranges: Map<string, string> = new Map();

  constructor(specifiers: ReadonlyMap<string, string>) {
    this.#exact = specifiers;
    for (const [specifier, id] of specifiers) {
      const request = parseRequest(specifier)!;
      append(this.#byRange, this.#keyOf(request), id);
      append(this.#byName, `${request.kind}:${request.name}`, id);
    }
  }

  /** Ids in the lockfile; none when it has not resolved such a request. */
  resolve(request: PackageRequest): readonly string[] {
    const name = `${request.kind}:${request.name}`;
    const exact = this.#exact.get(request.range === "" ? name : `${name}@${request.range}`);
    if (exact !== undefined) return [exact];
    const same = this.#byRange.get(this.#keyOf(request));
    if (same !== undefined || request.range !== "") return same ?? [];
    // The range is left out when the name has one request. Where a damaged lockfile has several, all
    // of them are meant: too many paths are better than a lost package.
    return this.#byName.get(name)?.slice(0, MAX_AMBIGUOUS) ?? [];
  }

  /** One way to write a request; `undefined` for what is no package of npm or JSR. */
  canonical(specifier: string): string | undefined {
    const request = parseRequest(specifier);
    return request && this.#keyOf(request);
  }

  #keyOf({ kind, name, range }: PackageRequest): string {
    return `${kind}:${name}@${this.#range(range)}`;
  }

  /** One way to write a range: Deno writes `^5.0.0` as `5` and `^0.8.3` as `~0.8.3`. */
  #range(range: string): string {
    if (range === "") return "*";
    let canonical = this.#ranges.get(range);
    if (canonical === undefined) {
      canonical = semver.validRange(range) ?? range;
      this.#ranges.set(range, canonical);
    }
    return canonical;
  }
}

function append(map: Map<string, string[]>, key: string, id: string): void {
  const ids = map.get(key);
  if (ids === undefined) map.set(key, [id]);
  else if (!ids.includes(id) && ids.length < MAX_AMBIGUOUS) ids.push(id);
}
