import {
  assert,
  assertEquals,
  assertFalse,
  assertLess,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { zipSync } from "fflate";
import { SecurityError } from "../../../src/errors.ts";
import { openAdvisoryDb } from "../../../src/supply_chain/advisories/advisory_db.ts";
import { makeZip, type ZipFile } from "./make_zip.ts";

function recordText(id: string, name: string, more: Record<string, unknown> = {}): string {
  return JSON.stringify({
    id,
    modified: "2026-01-01T00:00:00Z",
    affected: [{ package: { ecosystem: "npm", name }, versions: ["1.0.0"] }],
    ...more,
  });
}

async function inFolder(
  files: Record<string, string | Uint8Array>,
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    for (const [path, content] of Object.entries(files)) {
      await Deno.mkdir(`${folder}/${path}`.replace(/\/[^/]+$/, ""), { recursive: true });
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      await Deno.writeFile(`${folder}/${path}`, bytes);
    }
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function idsOf(path: string, ...names: string[]): Promise<string[]> {
  const source = await openAdvisoryDb(path);
  const found = await source.lookup(
    names.map((name) => ({ ecosystem: "npm", name, version: "1.0.0" })),
  );
  return names.flatMap((name) => (found.get(`npm:${name}`) ?? []).map(({ id }) => id));
}

async function refused(path: string, message: string, limits = {}): Promise<void> {
  const error = await assertRejects(() => openAdvisoryDb(path, limits), SecurityError);
  assertEquals((error as SecurityError).code, "database-unreadable");
  assertStringIncludes((error as SecurityError).message, message);
  // A message may reach a client: it tells no more of where things are than the caller did.
  const rest = (error as SecurityError).message.replaceAll(path, "");
  assertNotEquals(rest, (error as SecurityError).message);
  assertFalse(rest.includes(await Deno.realPath(".")) || rest.includes("/tmp"), rest);
}

Deno.test("openAdvisoryDb() reads folders, arrays, answers of the API and archives within", async () => {
  await inFolder({
    "A-1.json": recordText("A-1", "a"),
    "deep/er/A-2.json": recordText("A-2", "a"),
    "list.json": `[${recordText("B-1", "b")}, ${recordText("B-2", "b")}]`,
    "api.json": `{"vulns":[${recordText("C-1", "c")}]}`,
    "npm/all.zip": makeZip([{ name: "D-1.json", content: recordText("D-1", "d") }]),
    "README.md": "# not a record",
    "package.json": '{"name":"not-a-record"}',
    ".git/x.json": "{broken",
  }, async (folder) => {
    assertEquals(await idsOf(folder, "a", "b", "c", "d"), [
      "A-1",
      "A-2",
      "B-1",
      "B-2",
      "C-1",
      "D-1",
    ]);
    const source = await openAdvisoryDb(folder);
    assertEquals(source.invalid, 0);
    assertEquals(source.modified, "2026-01-01T00:00:00Z");
    assert(source.covers("npm"));
    assertFalse(source.covers("JSR"));
    // A report may be published: it names the last part of the path alone.
    assertEquals(source.description, `${folder.split("/").at(-1)} (6 advisories)`);
    // When files were written says when they were copied.
    assertEquals(source.fetched, undefined);
    assertEquals(await idsOf(`${folder}/npm/all.zip`, "d"), ["D-1"]);
    assertEquals(await idsOf(`${folder}/list.json`, "b"), ["B-1", "B-2"]);
  });
});

Deno.test("openAdvisoryDb() counts what is broken and goes on", async () => {
  await inFolder({
    "A-1.json": recordText("A-1", "a"),
    "truncated.json": recordText("A-2", "a").slice(0, 40),
    "empty.json": "",
    "latin.json": new Uint8Array([0x7b, 0xff, 0x7d]),
    "wrong.json": recordText("A-3", "a", { affected: "all" }),
    "list.json": `[${recordText("A-4", "a")}, {"id": 5}, 7, null]`,
    "all.zip": makeZip([
      { name: "A-5.json", content: recordText("A-5", "a") },
      { name: "A-6.json", content: recordText("A-6", "a"), crc: 1 },
      { name: "A-7.json", content: recordText("A-7", "a"), encrypted: true },
      { name: "A-8.json", content: recordText("A-8", "a"), method: 99 },
    ]),
  }, async (folder) => {
    assertEquals(await idsOf(folder, "a"), ["A-1", "A-5", "A-4"]);
    assertEquals((await openAdvisoryDb(folder)).invalid, 8);
  });
});

Deno.test("openAdvisoryDb() keeps hostile names out of objects and paths", async () => {
  const names = ["__proto__", "constructor", "../../escape", "\u001b[2J"];
  const files: ZipFile[] = names.map((name, index) => ({
    name: index === 0 ? "../../../evil.json" : `__proto__/${index}.json`,
    content: recordText(`X-${index}`, name),
  }));
  await inFolder({ "all.zip": makeZip(files) }, async (folder) => {
    assertEquals(await idsOf(folder, ...names), ["X-0", "X-1", "X-2", "X-3"]);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["all.zip"]);
    assertEquals(await idsOf(folder, "toString"), []);
  });
});

Deno.test("openAdvisoryDb() leaves withdrawn records out", async () => {
  await inFolder({
    "A-1.json": recordText("A-1", "a", { withdrawn: "2025-01-01T00:00:00Z" }),
    "A-2.json": recordText("A-2", "a"),
  }, async (folder) => assertEquals(await idsOf(folder, "a"), ["A-2"]));
});

Deno.test("openAdvisoryDb() refuses what is missing, empty or no archive", async () => {
  await inFolder({
    "empty/x.txt": "",
    "only-broken/x.json": "{",
    "text.zip": "no archive",
    "cut.zip": makeZip([{ name: "A-1.json", content: recordText("A-1", "a") }]).subarray(0, -30),
    "none.zip": makeZip([]),
    "good.zip": makeZip([{ name: "A-1.json", content: recordText("A-1", "a") }]),
  }, async (folder) => {
    await refused(`${folder}/missing`, "does not exist");
    await refused(
      "missing/db\u001b[2J".slice(0, 10),
      "the advisory database missing/db does not exist",
    );
    const error = await assertRejects(() => openAdvisoryDb(`${folder}/\u001b[2J`), SecurityError);
    assertStringIncludes((error as SecurityError).message, "/\\u001b[2J does not exist");
    await refused(`${folder}/empty`, "no advisory");
    await refused(`${folder}/only-broken`, "no advisory");
    await refused(`${folder}/text.zip`, "no zip archive");
    await refused(`${folder}/cut.zip`, "cut off");
    await refused(`${folder}/none.zip`, "no advisory");
    // An archive that has lost its beginning.
    const good = await Deno.readFile(`${folder}/good.zip`);
    await Deno.writeFile(`${folder}/good.zip`, good.subarray(10));
    await refused(`${folder}/good.zip`, "cut off");
  });
});

Deno.test("openAdvisoryDb() reads archives with zip64 records and other compression", async () => {
  const files: ZipFile[] = [
    { name: "A-1.json", content: recordText("A-1", "a") },
    { name: "A-2.json", content: recordText("A-2", "a"), method: 0 },
    { name: "folder/", content: "", method: 0 },
    { name: "empty.txt", content: "" },
  ];
  await inFolder(
    { "64.zip": makeZip(files, { zip64: true }), "32.zip": makeZip(files) },
    async (folder) => {
      assertEquals(await idsOf(`${folder}/64.zip`, "a"), ["A-1", "A-2"]);
      assertEquals(await idsOf(`${folder}/32.zip`, "a"), ["A-1", "A-2"]);
    },
  );
});

Deno.test("openAdvisoryDb() refuses archives that are bombs before inflating them", async () => {
  const zeros = new Uint8Array(32 * 1024 * 1024);
  const bomb = makeZip([{ name: "bomb.json", content: zeros }]);
  assert(bomb.length < 100_000);
  const twice = makeZip([
    { name: "one.json", content: recordText("A-1", "a") },
    { name: "two.json", content: recordText("A-2", "a"), offset: 0 },
  ]);
  await inFolder({
    "bomb.zip": bomb,
    // Declares less than it inflates to, by far and by a little.
    "liar.zip": makeZip([
      { name: "liar.json", content: zeros, size: 100 },
      { name: "small.json", content: zeros.subarray(0, 100_000), size: 99_999 },
      { name: "A-1.json", content: recordText("A-1", "a") },
    ]),
    "overlap.zip": twice,
  }, async (folder) => {
    await refused(`${folder}/bomb.zip`, "bomb.json in");
    await refused(`${folder}/bomb.zip`, "larger than 4194304 bytes");
    await refused(`${folder}/bomb.zip`, "larger than 1000000 bytes", { maxFileBytes: 1_000_000 });
    await refused(`${folder}/bomb.zip`, "larger than 2000000 bytes", { maxRecordBytes: 2_000_000 });
    await refused(`${folder}/bomb.zip`, "more than 1000000 bytes", { maxTotalBytes: 1_000_000 });
    await refused(`${folder}/overlap.zip`, "overlap");
    assertEquals(await idsOf(`${folder}/liar.zip`, "a"), ["A-1"]);
    assertEquals((await openAdvisoryDb(`${folder}/liar.zip`)).invalid, 2);
  });
});

Deno.test("openAdvisoryDb() does not read an entry that is far larger packed than unpacked", async () => {
  // In a sparse file it takes no room on the disk, and gigabytes of memory when it is read.
  const content = recordText("A-1", "a", { details: "x".repeat(2000) });
  const packed = makeZip([{ name: "A-1.json", content }]).length - makeZip([]).length;
  const slack = content.length + 1024 + Math.floor(content.length / 100) - packed;
  const padded = (padding: number) =>
    makeZip([{ name: "A-1.json", content, padding }, {
      name: "A-2.json",
      content: recordText("A-2", "a"),
    }]);
  await inFolder({
    "some.zip": padded(slack),
    "much.zip": padded(slack + 200),
  }, async (folder) => {
    assertEquals(await idsOf(`${folder}/some.zip`, "a"), ["A-1", "A-2"]);
    assertEquals(await idsOf(`${folder}/much.zip`, "a"), ["A-2"]);
    assertEquals((await openAdvisoryDb(`${folder}/much.zip`)).invalid, 1);
  });
});

Deno.test("openAdvisoryDb() refuses a file of more values than memory should hold", async () => {
  // Three bytes each; parsed, an array takes many times that.
  const text = `[[],[],[],${recordText("A-1", "a")}]`;
  const maxFileValues = text.match(/[[{,]/g)!.length;
  await inFolder({
    "full.json": text,
    "over.json": text.replace("[],", "[],[],"),
  }, async (folder) => {
    await openAdvisoryDb(`${folder}/full.json`, { maxFileValues });
    await refused(`${folder}/over.json`, `more than ${maxFileValues} values`, { maxFileValues });
    // By default a file of records is far from it.
    await openAdvisoryDb(`${folder}/over.json`);
  });
  const empty = (count: number) => `[${"[],".repeat(count)}${recordText("A-1", "a")}]`;
  await inFolder({
    "many.json": empty(2_000_000),
    "many.zip": makeZip([{ name: "A-1.json", content: empty(500_000) }]),
  }, async (folder) => {
    await refused(`${folder}/many.json`, "many.json has more than 4000000 values");
    await refused(`${folder}/many.zip`, "many.zip has more than 1000000 values");
    await refused(`${folder}/many.zip`, "more than 9 values", { maxRecordValues: 9 });
  });
});

Deno.test("openAdvisoryDb() keeps a record about many packages in memory once", async () => {
  const names = Array.from({ length: 50 }, (_, index) => `p${index}`);
  const record = {
    id: "A-1",
    affected: names.map((name) => ({ package: { ecosystem: "npm", name }, versions: ["1.0.0"] })),
  };
  await inFolder({ "A-1.json": JSON.stringify(record) }, async (folder) => {
    const source = await openAdvisoryDb(folder);
    const found = await source.lookup(
      names.map((name) => ({ ecosystem: "npm", name, version: "1.0.0" })),
    );
    assertEquals(found.size, 50);
    assertEquals(new Set([...found.values()].flat()).size, 1);
  });
});

Deno.test("openAdvisoryDb() holds to its limits on folders", async () => {
  await inFolder(
    { "1.json": recordText("A-1", "a"), "2.json": recordText("A-2", "a") },
    async (folder) => {
      await refused(folder, "larger than 50 bytes", { maxFileBytes: 50 });
      await refused(folder, "more than 150 bytes", { maxTotalBytes: 150 });
      await refused(folder, "more than 1 files", { maxFiles: 1 });
      await Deno.mkdir(`${folder}/${"d/".repeat(34)}`, { recursive: true });
      await refused(folder, "nested too deeply");
    },
  );
});

Deno.test("openAdvisoryDb() follows links once, and no loops", async () => {
  await inFolder(
    { "store/npm/A-1.json": recordText("A-1", "a"), "db/x.txt": "" },
    async (folder) => {
      await Deno.symlink(`${folder}/store/npm`, `${folder}/db/npm`);
      await Deno.symlink(`${folder}/db`, `${folder}/store/npm/loop`);
      assertEquals(await idsOf(`${folder}/db`, "a"), ["A-1"]);
    },
  );
});

Deno.test("openAdvisoryDb() survives damage anywhere in an archive", async () => {
  const good = makeZip(
    ["A-1", "A-2", "A-3"].map((id) => ({ name: `${id}.json`, content: recordText(id, "a") })),
  );
  const folder = await Deno.makeTempDir();
  try {
    let damaged = 0;
    for (let at = 0; at < good.length; at++) {
      const bytes = good.slice();
      bytes[at]! ^= 0xff;
      await Deno.writeFile(`${folder}/x.zip`, bytes);
      try {
        const source = await openAdvisoryDb(`${folder}/x.zip`);
        const found = await source.lookup([{ ecosystem: "npm", name: "a", version: "1.0.0" }]);
        const ids = (found.get("npm:a") ?? []).map(({ id }) => id);
        // Nothing is lost in silence: neither a record nor a part of one.
        const renamed = ids.length < 3 && source.invalid === 0;
        if (renamed) assert(isInNames(good, at), `byte ${at}`);
        if (source.invalid) damaged++;
      } catch (error) {
        assert(error instanceof SecurityError, `byte ${at}: ${error}`);
        damaged++;
      }
    }
    assert(damaged > 300, `${damaged}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Whether a byte belongs to a name in the directory, which says what is a record and what is not. */
function isInNames(zip: Uint8Array, at: number): boolean {
  const view = new DataView(zip.buffer);
  const start = view.getUint32(zip.length - 22 + 16, true);
  for (let entry = start; view.getUint32(entry, true) === 0x02014b50;) {
    const length = view.getUint16(entry + 28, true);
    if (at >= entry + 46 && at < entry + 46 + length) return true;
    entry += 46 + length;
  }
  return false;
}

Deno.test("openAdvisoryDb() inflates what another writer has deflated", async () => {
  const content = new TextEncoder().encode(recordText("A-1", "a", { details: "x y ".repeat(500) }));
  for (const level of [0, 1, 9] as const) {
    const zip = zipSync({ "A-1.json": content }, { level });
    await inFolder(
      { "x.zip": zip },
      async (folder) => assertEquals(await idsOf(folder, "a"), ["A-1"]),
    );
  }
});

Deno.test("openAdvisoryDb() opens the real records quickly", async () => {
  const path = "../shared/cases/osv";
  if (!await Deno.stat(path).then(() => true, () => false)) {
    console.log(`skipped: ${path} is not there`);
    return;
  }
  const source = await openAdvisoryDb(path);
  assertStringIncludes(source.description, "192 advisories");
  assertEquals(source.invalid, 0);
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    const start = performance.now();
    await openAdvisoryDb(path);
    times.push(performance.now() - start);
  }
  console.log(`192 files in ${Math.min(...times).toFixed(1)} ms`);
  assertLess(Math.min(...times), 100);
});

Deno.test("openAdvisoryDb() passes over no record that is a device", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await inFolder({ "a.json": recordText("A-1", "left") }, async (folder) => {
    await openAdvisoryDb(folder);
    await Deno.symlink("/dev/null", `${folder}/b.json`);
    await assertRejects(() => openAdvisoryDb(folder), SecurityError, "is not a regular file");
  });
});
