import { SecurityError } from "../../errors.ts";
import { type AdvisoryPackage, type AdvisorySource, packageKey } from "./advisory_source.ts";
import { hasIndex, openIndex } from "./_index.ts";
import { baseName, type DatabaseLimits, readDatabase } from "./_read_database.ts";
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
  const source = new MemorySource(baseName(path));
  const { invalid, writtenAt } = await readDatabase(path, (record) => source.add(record), limits);
  source.invalid = invalid;
  if (source.records === 0) {
    throw new SecurityError(
      "database-unreadable",
      `the advisory database ${baseName(path)} holds no advisory`,
    );
  }
  if (writtenAt > 0) source.fetched = new Date(writtenAt).toISOString();
  return source;
}

/** Records by package, as text: parsed, 200,000 of them would take several times the memory. */
class MemorySource implements AdvisorySource {
  readonly #name: string;
  readonly #byPackage = new Map<string, string[]>();
  readonly #ecosystems = new Set<string>();
  records = 0;
  invalid = 0;
  modified?: string;
  fetched?: string;

  constructor(name: string) {
    this.#name = name;
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
    const text = JSON.stringify(record);
    for (const key of keys) {
      const texts = this.#byPackage.get(key);
      if (texts) texts.push(text);
      else this.#byPackage.set(key, [text]);
    }
  }

  covers(ecosystem: string): boolean {
    return this.#ecosystems.has(ecosystem);
  }

  lookup(packages: readonly AdvisoryPackage[]): Promise<ReadonlyMap<string, readonly OsvRecord[]>> {
    const found = new Map<string, readonly OsvRecord[]>();
    for (const key of new Set(packages.map(packageKey))) {
      const texts = this.#byPackage.get(key);
      // The texts were made above, from checked records.
      if (texts) found.set(key, texts.map((text) => JSON.parse(text) as OsvRecord));
    }
    return Promise.resolve(found);
  }
}
