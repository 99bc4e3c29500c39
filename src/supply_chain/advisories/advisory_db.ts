import { SecurityError } from "../../errors.ts";
import { printable } from "../_text.ts";
import { type AdvisoryPackage, type AdvisorySource, packageKey } from "./advisory_source.ts";
import { hasIndex, openIndex } from "./_index.ts";
import { type DatabaseLimits, readDatabase } from "./_read_database.ts";
import { laterOf } from "./_time.ts";
import type { OsvRecord } from "./osv.ts";

export { hasIndex as hasStoredDatabase } from "./_index.ts";
export type { DatabaseLimits } from "./_read_database.ts";

/**
 * Opens an advisory database on disk: a folder or an archive of OSV records, or a folder where
 * `fetchDatabase` stored one.
 *
 * Requires `--allow-read` of the path.
 *
 * @param path A folder, a zip archive as OSV publishes it, or a JSON file.
 * @param limits How much is read at most; they do not concern a stored database.
 * @throws {SecurityError} `database-unreadable`, when it is missing, damaged, over a limit or holds
 * no record at all: an empty database would find nothing and look like a clean result.
 */
export async function openAdvisoryDb(
  path: string,
  limits: DatabaseLimits = {},
): Promise<AdvisorySource> {
  if (await hasIndex(path)) return await openIndex(path);
  const source = new MemorySource(path);
  const { invalid } = await readDatabase(path, (record) => source.add(record), limits);
  source.invalid = invalid;
  if (source.records === 0) {
    throw new SecurityError(
      "database-unreadable",
      `the advisory database ${printable(path)} holds no advisory`,
    );
  }
  return source;
}

/** Records by package, as text: parsed, 200,000 of them would take several times the memory. */
class MemorySource implements AdvisorySource {
  readonly #name: string;
  readonly #texts: string[] = [];
  readonly #byPackage = new Map<string, number[]>();
  readonly #ecosystems = new Set<string>();
  records = 0;
  invalid = 0;
  modified?: string;

  constructor(path: string) {
    // A report may be published: it does not tell where the folder is.
    this.#name = printable(path.split(/[/\\]/).findLast((part) => part !== "") ?? path, 200);
  }

  get description(): string {
    return `${this.#name} (${this.records} advisories)`;
  }

  add(record: OsvRecord): void {
    this.records++;
    const modified = laterOf(this.modified, record.modified);
    if (modified !== undefined) this.modified = modified;
    const keys = new Set<string>();
    for (const { package: target } of record.affected ?? []) {
      this.#ecosystems.add(target!.ecosystem);
      keys.add(packageKey(target!));
    }
    // A withdrawn record affects nothing, but its ecosystem is covered.
    if (record.withdrawn !== undefined) return;
    const index = this.#texts.push(JSON.stringify(record)) - 1;
    for (const key of keys) {
      const indices = this.#byPackage.get(key);
      if (indices) indices.push(index);
      else this.#byPackage.set(key, [index]);
    }
  }

  covers(ecosystem: string): boolean {
    return this.#ecosystems.has(ecosystem);
  }

  lookup(packages: readonly AdvisoryPackage[]): Promise<ReadonlyMap<string, readonly OsvRecord[]>> {
    // A record about a thousand of the packages is in memory once.
    const parsed = new Map<number, OsvRecord>();
    const recordAt = (index: number): OsvRecord => {
      // The text was made above, from a checked record.
      const record = parsed.get(index) ?? JSON.parse(this.#texts[index]!) as OsvRecord;
      parsed.set(index, record);
      return record;
    };
    const found = new Map<string, readonly OsvRecord[]>();
    for (const key of new Set(packages.map(packageKey))) {
      const indices = this.#byPackage.get(key);
      if (indices) found.set(key, indices.map(recordAt));
    }
    return Promise.resolve(found);
  }
}
