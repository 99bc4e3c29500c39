import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { SecurityError } from "../../../src/errors.ts";
import { buildIndex, openIndex } from "../../../src/supply_chain/advisories/_index.ts";
import { IndexWriter } from "../../../src/supply_chain/advisories/_index_writer.ts";
import { openAdvisoryDb } from "../../../src/supply_chain/advisories/advisory_db.ts";
import type { OsvRecord } from "../../../src/supply_chain/advisories/osv.ts";

const FACTS = { invalid: 3, fetched: "2026-02-01T00:00:00.000Z" };

function recordOf(id: string, ...names: string[]): OsvRecord {
  return {
    id,
    modified: "2026-01-01T00:00:00Z",
    aliases: [],
    summary: "",
    severity: [],
    affected: names.map((name) => ({
      package: { ecosystem: "npm", name },
      severity: [],
      ranges: [],
      versions: ["1.0.0"],
    })),
    references: [],
  };
}

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function idsOf(folder: string, name: string): Promise<string[]> {
  const found = await (await openIndex(folder)).lookup([{
    ecosystem: "npm",
    name,
    version: "1.0.0",
  }]);
  return (found.get(`npm:${name}`) ?? []).map(({ id }) => id);
}

function filesOf(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

Deno.test("openIndex() finds what buildIndex() stored", async () => {
  await inFolder(async (folder) => {
    const records = [
      recordOf("A-1", "a", "b"),
      recordOf("A-2", "a", "a"),
      recordOf("A-3", "__proto__"),
      recordOf("A-4", "ünï\u{1f600}", "\u001b[2J"),
      { ...recordOf("A-5", "a"), withdrawn: "2025-01-01T00:00:00Z" },
      recordOf("A-6"),
      { ...recordOf("A-7", "c"), modified: "2026-01-31T00:00:00Z" },
    ];
    await buildIndex(records, folder, FACTS);
    for (
      const [name, ids] of [
        ["a", ["A-1", "A-2"]],
        ["b", ["A-1"]],
        ["__proto__", ["A-3"]],
        ["ünï\u{1f600}", ["A-4"]],
        ["\u001b[2J", ["A-4"]],
        ["c", ["A-7"]],
        ["toString", []],
        ["A", []],
      ] as const
    ) {
      assertEquals(await idsOf(folder, name), [...ids], name);
    }
    const source = await openAdvisoryDb(folder);
    assertEquals([source.invalid, source.fetched, source.modified], [
      3,
      FACTS.fetched,
      "2026-01-31T00:00:00Z",
    ]);
    assert(source.covers("npm"));
    assertFalse(source.covers("PyPI"));
    assertEquals(source.description, "database of 7 advisories");
    const found = await source.lookup([{ ecosystem: "npm", name: "b", version: "1.0.0" }]);
    assertEquals(found.get("npm:b"), [records[0]!]);
    assertEquals(filesOf(folder).length, 2);
  });
});

Deno.test("openIndex() finds every record of a larger database", async () => {
  await inFolder(async (folder) => {
    const count = 5000;
    async function* records(): AsyncGenerator<OsvRecord> {
      for (let index = 0; index < count; index++) {
        yield recordOf(`R-${index}`, `p${index}`, `shared${index % 7}`);
        if (index % 1000 === 0) await Promise.resolve();
      }
    }
    await buildIndex(records(), folder, FACTS);
    const source = await openIndex(folder);
    const names = Array.from({ length: count }, (_, index) => `p${index}`);
    const found = await source.lookup(
      names.map((name) => ({ ecosystem: "npm", name, version: "1.0.0" })),
    );
    assertEquals(found.size, count);
    for (const [key, [record]] of found) assertEquals(`npm:p${record!.id.slice(2)}`, key);
    assertEquals((await idsOf(folder, "shared3")).length, 714);
  });
});

Deno.test("openIndex() tells two packages apart whose hashes are the same", async () => {
  // Names are tried until two have the same FNV-1a hash.
  const seen = new Map<number, string>();
  let pair: [string, string] | undefined;
  for (let index = 0; pair === undefined; index++) {
    const name = `n${index}`;
    let hash = 0x811c9dc5;
    for (const character of `npm:${name}`) {
      hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
    }
    const other = seen.get(hash);
    if (other !== undefined) pair = [other, name];
    seen.set(hash, name);
  }
  await inFolder(async (folder) => {
    const [one, two] = pair;
    await buildIndex([recordOf("A-1", one), recordOf("A-2", two)], folder, FACTS);
    assertEquals(await idsOf(folder, one), ["A-1"]);
    assertEquals(await idsOf(folder, two), ["A-2"]);
  });
});

Deno.test("openIndex() refuses a damaged database wherever the damage is", async () => {
  await inFolder(async (folder) => {
    await buildIndex([recordOf("A-1", "a"), recordOf("A-2", "b")], folder, FACTS);
    for (const file of filesOf(folder)) {
      const good = await Deno.readFile(`${folder}/${file}`);
      for (let at = 0; at < good.length; at++) {
        // The last line break of the header says nothing.
        if (file.endsWith(".json") && at === good.length - 1) continue;
        const bytes = good.slice();
        bytes[at]! ^= 1;
        await Deno.writeFile(`${folder}/${file}`, bytes);
        const error = await assertRejects(
          async () => {
            await idsOf(folder, "a");
            await idsOf(folder, "b");
          },
          SecurityError,
          undefined,
          `${file} ${at}`,
        );
        assertEquals((error as SecurityError).code, "database-unreadable");
      }
      for (const length of [0, 1, good.length - 1]) {
        await Deno.writeFile(`${folder}/${file}`, good.subarray(0, length));
        if (file.endsWith(".json") && length === good.length - 1) continue;
        await assertRejects(() => idsOf(folder, "a"), SecurityError);
      }
      await Deno.writeFile(`${folder}/${file}`, good);
      assertEquals(await idsOf(folder, "a"), ["A-1"]);
    }
    const data = filesOf(folder).find((name) => name.endsWith(".bin"))!;
    await Deno.remove(`${folder}/${data}`);
    await assertRejects(() => idsOf(folder, "a"), SecurityError, "audit fetch");
  });
});

Deno.test("openIndex() refuses another format and a header that leads elsewhere", async () => {
  await inFolder(async (folder) => {
    await buildIndex([recordOf("A-1", "a")], folder, FACTS);
    const path = `${folder}/bartizan-database.json`;
    const [line] = (await Deno.readTextFile(path)).split("\n");
    const header = JSON.parse(line!);
    const write = async (changed: object) => {
      const text = JSON.stringify({ ...header, ...changed });
      const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
      await Deno.writeTextFile(path, `${text}\n${new Uint8Array(hash).toHex()}\n`);
    };
    await write({});
    assertEquals(await idsOf(folder, "a"), ["A-1"]);
    await write({ format: "bartizan advisories 99" });
    await assertRejects(() => openIndex(folder), SecurityError, "another version");
    for (
      const changed of [
        { file: "../../etc/passwd" },
        { file: "records-0.bin" },
        { bytes: -1 },
        { tableStart: 1e9 },
        { fetched: 5 },
        { ecosystems: "npm" },
        { bytes: 1e12 },
      ]
    ) {
      await write(changed);
      await assertRejects(() => openIndex(folder), SecurityError, "damaged");
    }
  });
});

Deno.test("an open database goes on when it is replaced, and the old files are removed", async () => {
  await inFolder(async (folder) => {
    await buildIndex([recordOf("A-1", "a")], folder, FACTS);
    const source = await openIndex(folder);
    await Deno.writeTextFile(
      `${folder}/building-${crypto.randomUUID()}.tmp`,
      "left by a killed run",
    );
    await buildIndex([recordOf("B-1", "a")], folder, FACTS);
    assertEquals(filesOf(folder).length, 2);
    const found = await source.lookup([{ ecosystem: "npm", name: "a", version: "1.0.0" }]);
    assertEquals(found.get("npm:a")?.map(({ id }) => id), ["B-1"]);
  });
});

Deno.test("IndexWriter leaves the present database alone until it is published", async () => {
  await inFolder(async (folder) => {
    await buildIndex([recordOf("A-1", "a")], folder, FACTS);
    const before = filesOf(folder);
    {
      await using writer = await IndexWriter.create(folder);
      writer.add(recordOf("B-1", "a"));
      assertEquals(await idsOf(folder, "a"), ["A-1"]);
    }
    assertEquals(filesOf(folder), before);
    async function* failing(): AsyncGenerator<OsvRecord> {
      yield await Promise.resolve(recordOf("C-1", "a"));
      throw new RangeError("broken");
    }
    await assertRejects(() => buildIndex(failing(), folder, FACTS), RangeError);
    assertEquals(filesOf(folder), before);
    assertEquals(await idsOf(folder, "a"), ["A-1"]);
  });
});
