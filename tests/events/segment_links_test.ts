import { assertEquals, assertThrows } from "@std/assert";
import { linesBack } from "../../src/events/_lines_back.ts";
import { type LogFileOps, systemFileOps } from "../../src/events/_log_file_ops.ts";
import { linkedSegments, stateAtEnd, stateAtStart } from "../../src/events/_segment_links.ts";
import { event, forge, Log, text, withFiles } from "./_audit_logs.ts";

const ops = systemFileOps();

Deno.test("linesBack() reads the lines of a file from its end, whatever their lengths", async () => {
  const long = ["a".repeat(70_000), "é".repeat(200_000), "b", "€".repeat(65_535)];
  const files = {
    empty: "",
    blank: "\n\n",
    short: "one\ntwo\n\nthree\n",
    torn: "one\ntwo",
    single: "one",
    bom: "\ufeffone\n",
    long: text(long),
  };
  await withFiles(files, async (path) => {
    const lines = (name: string) => [...linesBack(ops, path(name), 1024 * 1024)];
    assertEquals(lines("empty"), []);
    assertEquals(lines("blank"), []);
    assertEquals(lines("short"), ["three", "two", "one"]);
    assertEquals(lines("torn"), ["two", "one"]);
    assertEquals(lines("single"), ["one"]);
    assertEquals(lines("bom"), ["\ufeffone"]);
    assertEquals(lines("long"), long.toReversed());
    // A line that the bound cuts is none.
    assertEquals([...linesBack(ops, path("short"), 8)], ["three"]);
    assertEquals([...linesBack(ops, path("long"), 70_000)], []);
    await Promise.resolve();
  });
});

Deno.test("linesBack() reads no more than is asked for, and closes the file", async () => {
  await withFiles({ log: text(Array(50_000).fill("0123456789")) }, async (path) => {
    let bytes = 0;
    let open = 0;
    const counted: LogFileOps = {
      ...ops,
      open: (path, purpose) => (open++, ops.open(path, purpose)),
      close: (descriptor) => (open--, ops.close(descriptor)),
      read: (descriptor, into, position) => {
        const count = ops.read(descriptor, into, position);
        bytes += count;
        return count;
      },
    };
    for (const line of linesBack(counted, path("log"), 1024 * 1024)) {
      assertEquals(line, "0123456789");
      break;
    }
    assertEquals([bytes, open], [64 * 1024, 0]);
    const broken = { ...counted, read: () => 0 };
    assertThrows(() => [...linesBack(broken, path("log"), 100)], Error, "shorter");
    assertEquals(open, 0);
    await Promise.resolve();
  });
});

/** A log of four files, of which the last one is being written. */
function segmented(): { readonly files: Record<string, string>; readonly log: Log } {
  const log = new Log().addMany(12);
  const files: Record<string, string> = {};
  for (let at = 0; at < 4; at++) files[`s${at}`] = text(log.lines.slice(at * 3, at * 3 + 3));
  return { files, log };
}

async function linksOf(
  files: Readonly<Record<string, string>>,
  names: readonly string[],
  isChained = true,
): Promise<{ linked: string[]; seqs: number[]; others: string[] }> {
  let found = { linked: [] as string[], seqs: [] as number[], others: [] as string[] };
  await withFiles(files, async (path, folder) => {
    const name = (path: string) => path.slice(folder.length + 1);
    const { linked, others } = linkedSegments(ops, path("s3"), names.map(path), isChained);
    found = {
      linked: linked.map(({ path }) => name(path)),
      seqs: linked.map(({ end }) => end.seq),
      others: others.map(name),
    };
    await Promise.resolve();
  });
  return found;
}

Deno.test("linkedSegments() finds those that lead to the file that is written now", async () => {
  const { files, log } = segmented();
  assertEquals(await linksOf(files, ["s0", "s1", "s2"]), {
    linked: ["s0", "s1", "s2"],
    seqs: [3, 6, 9],
    others: [],
  });
  await withFiles(files, async (path) => {
    const { linked } = linkedSegments(ops, path("s3"), [path("s2")], true);
    assertEquals(linked.map(({ end }) => end), [log.states[9]]);
    await Promise.resolve();
  });
});

Deno.test("linkedSegments() leaves alone what was put there, whatever its name", async () => {
  const { files, log } = segmented();
  const line = log.lines;
  const planted: Readonly<Record<string, string>> = {
    "the last record": `${line[11]}\n`,
    "another hash": `${forge(line[8]!, (record) => record["principal"] = "bob")}\n`,
    "no record": "{}\n",
    "no JSON": "x\n",
    "nothing": "",
    "another log": text(new Log({}, "w2").addMany(9, { principal: "bob" }).lines),
    "a changed record after the last one": `${files["s2"]}{"seq":10}\n`,
  };
  for (const [name, content] of Object.entries(planted)) {
    for (
      const names of [["p", "s0", "s1", "s2"], ["s0", "p", "s1", "s2"], ["s0", "s1", "s2", "p"]]
    ) {
      const { linked, others } = await linksOf({ ...files, p: content }, names);
      assertEquals([linked, others], [["s0", "s1", "s2"], ["p"]], name);
    }
  }
});

Deno.test("linkedSegments() ends where a segment is missing or was changed", async () => {
  const { files, log } = segmented();
  assertEquals(await linksOf(files, ["s0", "s2"]), { linked: ["s2"], seqs: [9], others: ["s0"] });
  const first = forge(log.lines[6]!, (record) => record["principal"] = "bob");
  const changed = text([first, ...log.lines.slice(7, 9)]);
  // Only a link to what is before counts, and who can make one has to leave the rest of the chain.
  assertEquals((await linksOf({ ...files, s2: changed }, ["s0", "s1", "s2"])).linked.length, 3);
  const last = forge(log.lines[8]!, (record) => record["principal"] = "bob");
  const end = text([...log.lines.slice(6, 8), last]);
  assertEquals((await linksOf({ ...files, s2: end }, ["s0", "s1", "s2"])).linked, []);
  assertEquals((await linksOf({ ...files, s3: "x\n" }, ["s0", "s1", "s2"])).linked, []);
  assertEquals((await linksOf({ ...files, s3: files["s0"]! }, ["s1", "s2"])).linked, []);
});

Deno.test("linkedSegments() looks past a line that a crash cut short", async () => {
  const { files } = segmented();
  const torn = { ...files, s2: `${files["s2"]}{"corr\n{"c` };
  assertEquals((await linksOf(torn, ["s0", "s1", "s2"])).linked.length, 3);
  // The line may be whole but for its line feed.
  const whole = { ...files, s2: files["s2"]!.slice(0, -1) };
  assertEquals((await linksOf(whole, ["s0", "s1", "s2"])).linked.length, 3);
});

Deno.test("linkedSegments() goes by numbers where there is no chain", async () => {
  const plain = (from: number) =>
    text([0, 1, 2].map((at) => JSON.stringify({ ...event(), seq: from + at, writer: "w" })));
  const files = { s0: plain(1), s1: plain(4), s2: plain(7), s3: plain(10), p: plain(20) };
  assertEquals(await linksOf(files, ["s0", "s1", "s2", "p"], false), {
    linked: ["s0", "s1", "s2"],
    seqs: [3, 6, 9],
    others: ["p"],
  });
});

Deno.test("stateAtStart() and stateAtEnd() find nothing where there is no record", async () => {
  const { files, log } = segmented();
  await withFiles({ ...files, x: "x\n", empty: "" }, async (path) => {
    assertEquals(stateAtStart(ops, path("s1"), true), log.states[3]);
    assertEquals(stateAtEnd(ops, path("s1"), true), log.states[6]);
    for (const name of ["x", "empty"]) {
      assertEquals(stateAtStart(ops, path(name), true), undefined);
      assertEquals(stateAtEnd(ops, path(name), true), undefined);
    }
    await Promise.resolve();
  });
});
