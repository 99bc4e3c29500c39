import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { SecurityError } from "../../src/errors.ts";
import { GENESIS } from "../../src/events/_chain.ts";
import { canonicalJson } from "../../src/events/_json_line.ts";
import { generateAuditLogKeys } from "../../src/events/audit_log_signer.ts";
import {
  type AuditLogFailureCause,
  type AuditLogReport,
  verifyAuditLog,
  type VerifyAuditLogOptions,
} from "../../src/events/verify.ts";
import { event, forge, framing, Log, reseal, text, withFiles } from "./_audit_logs.ts";

const { signer, verifierKey } = await generateAuditLogKeys("log.example.com");
const keys = [verifierKey];

/** Ten records, a checkpoint, three more. */
const log = new Log({ signer }).addMany(10);
const note = await log.seal();
log.addMany(3);
const { lines } = log;
/** What another history has in it. */
const bob = { principal: "bob" };
const line = (number: number) => lines[number - 1]!;
const without = (...numbers: number[]) => lines.filter((_, at) => !numbers.includes(at + 1));
const replaced = (number: number, ...by: string[]) => lines.toSpliced(number - 1, 1, ...by);

async function verify(
  content: string | Uint8Array | readonly string[],
  options: VerifyAuditLogOptions = {},
): Promise<AuditLogReport> {
  let report: AuditLogReport | undefined;
  await withFiles({ "audit.jsonl": content }, async (path) => {
    report = await verifyAuditLog([path("audit.jsonl")], options);
  });
  return report!;
}

/** Cause and line of the failure, such as `edited:3`. */
function outcome({ ok, failure }: AuditLogReport): string {
  assertEquals(ok, failure === undefined);
  return failure === undefined ? "ok" : `${failure.cause}:${failure.line}`;
}

Deno.test("verifyAuditLog() accepts a log as it was written", async () => {
  const report = await verify(lines, { keys, checkpoint: note });
  assertEquals({ ...report, chains: [] }, {
    ok: true,
    records: 14,
    segments: 1,
    checkpoints: 1,
    signedThrough: 10,
    unsigned: 3,
    chains: [],
    notes: [],
  });
  const [chain] = report.chains;
  assertEquals([chain?.firstSeq, chain?.lastSeq, chain?.paths.length], [1, 14, 1]);
  const bare = await verify(lines);
  assertEquals([bare.ok, bare.signedThrough, bare.unsigned], [true, 0, 13]);
});

/** What is done to the file, and what must be said of it, whether there is a key or not. */
const attacks: Readonly<Record<string, readonly [readonly string[], string]>> = {
  "edit a record": [replaced(4, line(4).replace("ann", "bob")), "edited:4"],
  "edit the first record": [replaced(1, line(1).replace("ann", "bob")), "edited:1"],
  "edit the last record": [replaced(14, line(14).replace("ann", "bob")), "edited:14"],
  "edit and hash anew": [replaced(4, forge(line(4), framing)), "edited:4"],
  "overwrite with no JSON": [replaced(4, "x".repeat(line(4).length)), "edited:4"],
  "overwrite the last with no JSON": [replaced(14, "x"), "edited:14"],
  "blank a line": [replaced(4, ""), "edited:4"],
  "delete a record": [without(4), "deleted:4"],
  "delete several": [without(4, 5, 6), "deleted:4"],
  "delete the first": [without(1), "pruned:1"],
  "insert a record": [replaced(4, line(4), forge(line(4), framing)), "forked:5"],
  "insert a record before": [replaced(4, forge(line(4), framing), line(4)), "forked:4"],
  "insert a record of another log": [
    replaced(4, new Log({}, "w2", { seq: 3, hash: GENESIS.hash }).add().lines[0]!, line(4)),
    "inserted:4",
  ],
  "insert a copy": [replaced(9, line(9), line(3)), "inserted:10"],
  "insert what has no hash": [replaced(4, canonicalJson(event()), line(4)), "edited:4"],
  "swap neighbours": [replaced(4, line(5), line(4)).toSpliced(5, 1), "reordered:4"],
  "move a record back": [without(4).toSpliced(8, 0, line(4)), "reordered:4"],
  "replace the end by another": [
    [...lines.slice(0, 8), ...new Log({}, "w1", log.states[7]).addMany(6, bob).lines],
    "forked:8",
  ],
  "replace the end by one with other hashes": [
    [...lines.slice(0, 8), ...new Log({}, "w1", { seq: 8, hash: GENESIS.hash }).addMany(6).lines],
    "edited:8",
  ],
  "split the history in one file": [
    [...lines, ...new Log({}, "w1", log.states[7]).addMany(3, bob).lines],
    "forked:15",
  ],
  "write it as plain lines": [lines.map((one) => plain(one)), "unchained:1"],
};

/** A line as a logger without a chain writes it. */
function plain(line: string): string {
  const { hash: _hash, prev: _prev, ...record } = JSON.parse(line) as Record<string, unknown>;
  return JSON.stringify(record);
}

Deno.test("verifyAuditLog() names the first line that is wrong, and what was done", async () => {
  for (const [name, [attacked, expected]] of Object.entries(attacks)) {
    assertEquals(outcome(await verify(attacked)), expected, name);
    assertEquals(outcome(await verify(attacked, { keys })), expected, name);
  }
});

Deno.test("control: nobody sees an edit, a deletion or a swap in a log without a chain", () => {
  const bare = lines.map(plain);
  for (const attacked of [bare.toSpliced(3, 1), bare.with(3, bare[3]!.replace("ann", "bob"))]) {
    for (const one of attacked) assertEquals(typeof JSON.parse(one).principal, "string");
  }
});

/** The attacker knows the algorithm, and makes everything after the change anew. */
const resealed: Readonly<Record<string, readonly [readonly string[], string]>> = {
  "change a record": [reseal(lines, 4, framing), "resealed:11"],
  "remove a record": [reseal(without(4), 4, () => {}), "resealed:10"],
  "change, and remove the checkpoints": [
    reseal([...lines.slice(0, 10)], 4, framing),
    "unsigned:10",
  ],
  "change what the checkpoint says": [
    reseal(lines, 11, (record) => {
      record["details"] = { note: note.replace("\n10\n", "\n9\n") };
    }),
    "resealed:11",
  ],
  "take the note of another checkpoint for a prune": [
    reseal(lines, 11, (record) => record["kind"] = "audit.prune"),
    "resealed:11",
  ],
  "leave the signature out": [
    reseal(lines, 11, (record) => {
      record["details"] = { note: note.slice(0, note.indexOf("\n\n") + 1) };
    }),
    "unsigned:11",
  ],
  "leave the note out": [reseal(lines, 11, (record) => record["details"] = {}), "resealed:11"],
};

Deno.test("verifyAuditLog() sees what was sealed again without the key", async () => {
  for (const [name, [attacked, expected]] of Object.entries(resealed)) {
    assertEquals(outcome(await verify(attacked, { keys })), expected, name);
  }
  const mallory = await generateAuditLogKeys("log.example.com");
  const forged = new Log({ signer: mallory.signer }).addMany(10);
  await forged.seal();
  assertEquals(outcome(await verify(forged.lines, { keys })), "unsigned:11");
});

Deno.test("control: without a key, a log that was sealed again is as good as any", async () => {
  const whole = reseal(lines.slice(0, 10), 4, framing);
  const report = await verify(whole);
  assertEquals([outcome(report), report.signedThrough, report.unsigned], ["ok", 0, 10]);
});

Deno.test("verifyAuditLog() sees with the given checkpoint that the end is missing", async () => {
  // Control: what is left is a good log.
  assertEquals(outcome(await verify(lines.slice(0, 9))), "ok");
  for (const end of [9, 5, 1]) {
    const cut = lines.slice(0, end);
    assertEquals(outcome(await verify(cut, { keys, checkpoint: note })), `truncated:${end}`);
    assertEquals(outcome(await verify(cut, { checkpoint: note })), `truncated:${end}`);
  }
  assertEquals(outcome(await verify("", { keys, checkpoint: note })), "truncated:1");
  const torn = text(lines.slice(0, 10)).slice(0, -20);
  assertEquals(outcome(await verify(torn, { keys, checkpoint: note })), "truncated:9");
});

Deno.test("verifyAuditLog() sees with the given checkpoint that the log is another", async () => {
  const other = new Log({ signer }, "w2").addMany(20);
  await other.seal();
  // Control: it is signed by the same key.
  assertEquals(outcome(await verify(other.lines, { keys })), "ok");
  assertEquals(outcome(await verify(other.lines, { keys, checkpoint: note })), "resealed:10");
});

Deno.test("verifyAuditLog() counts the given checkpoint, if it is signed", async () => {
  const later = new Log({ signer }).addMany(3);
  const { note: latest } = await later.checkpoints.make(later.state);
  const report = await verify(later.lines, { keys, checkpoint: latest as string });
  assertEquals([outcome(report), report.signedThrough, report.unsigned], ["ok", 3, 0]);
});

Deno.test("verifyAuditLog() throws when the given checkpoint is none of a given key", async () => {
  const forged = new Log({ signer: (await generateAuditLogKeys("x")).signer }).addMany(2);
  const others = ["", "x", note.replace("\n10\n", "\n11\n"), await forged.seal()];
  for (const checkpoint of others) {
    await assertRejects(() => verify(lines, { keys, checkpoint }), TypeError, "'checkpoint'");
  }
});

/** Bytes that no sink writes. */
const bytes: Readonly<Record<string, readonly [Uint8Array | string, string]>> = {
  "CRLF": [text(lines).replaceAll("\n", "\r\n"), "edited:1"],
  "a byte order mark": [`\ufeff${text(lines)}`, "edited:1"],
  "a NUL": [text(replaced(3, line(3).replace("ann", "a\0n"))), "edited:3"],
  "a blank line at the end": [`${text(lines)}\n`, "edited:15"],
  "no UTF-8": [invalidUtf8(3), "edited:3"],
  "a huge line": [text(replaced(3, "[".repeat(1_048_577))), "too-long:3"],
  "a huge last line": [`${text(lines)}${"x".repeat(1_048_577)}`, "too-long:15"],
  "a huge line of other letters": [text(replaced(3, `"${"é".repeat(600_000)}"`)), "too-long:3"],
  "deep JSON": [text(replaced(3, `${"[".repeat(500_000)}${"]".repeat(500_000)}`)), "edited:3"],
  "deep details": [
    text(replaced(3, line(3).replace('"bytes":12', `"x":${"[".repeat(9999)}${"]".repeat(9999)}`))),
    "edited:3",
  ],
  "a member twice": [text(replaced(3, line(3).replace('"kind"', '"id":"x","kind"'))), "edited:3"],
  "a prototype": [
    text(replaced(3, line(3).replace('"kind"', '"__proto__":{"kind":"x"},"kind"'))),
    "edited:3",
  ],
  "seq as a string": [text(replaced(3, forge(line(3), (one) => one["seq"] = "3"))), "edited:3"],
  "seq beyond integers": [
    text(replaced(3, forge(line(3), (one) => one["seq"] = 2 ** 53))),
    "edited:3",
  ],
  "the greatest seq": [
    text(replaced(3, forge(line(3), (one) => one["seq"] = Number.MAX_SAFE_INTEGER))),
    "deleted:3",
  ],
  "a seq below zero": [text(replaced(3, forge(line(3), (one) => one["seq"] = -3))), "edited:3"],
  "another number form": [text(replaced(3, line(3).replace('"seq":3', '"seq":3e0'))), "edited:3"],
  "nothing but no UTF-8": [new Uint8Array(1000).fill(0xff), "ok"],
  "nothing but line feeds": ["\n".repeat(1000), "edited:1"],
  "JSON of something else": ["{}\n", "edited:1"],
};

function invalidUtf8(number: number): Uint8Array {
  const all = new TextEncoder().encode(text(lines));
  const at = text(lines.slice(0, number - 1)).length + line(number).indexOf("ann");
  all[at] = 0xff;
  return all;
}

Deno.test("verifyAuditLog() takes no bytes but those that were written", async () => {
  for (const [name, [content, expected]] of Object.entries(bytes)) {
    const report = await verify(content);
    assertEquals(outcome(report), expected, name);
    // Nothing of the log is repeated in the report.
    assert(!JSON.stringify(report).includes("[[[["));
  }
});

Deno.test("verifyAuditLog() takes lines up to maxLineBytes", async () => {
  const long = new Log().add({ details: { text: "x".repeat(5000) } }).lines;
  const length = new TextEncoder().encode(long[0]).length;
  assertEquals(outcome(await verify(long, { maxLineBytes: length })), "ok");
  assertEquals(outcome(await verify(long, { maxLineBytes: length - 1 })), "too-long:1");
  for (const maxLineBytes of [0, -1, NaN, Infinity, 1.5]) {
    await assertRejects(() => verify(long, { maxLineBytes }), RangeError);
  }
});

Deno.test("verifyAuditLog() notes a torn last line, and takes a whole one without line feed", async () => {
  const whole = await verify(text(lines).slice(0, -1), { keys });
  assertEquals([outcome(whole), whole.records, whole.notes.length], ["ok", 14, 1]);
  for (const cut of [2, 100, line(14).length]) {
    const torn = await verify(text(lines).slice(0, -cut), { keys });
    assertEquals([outcome(torn), torn.records], ["ok", 13]);
    assertStringIncludes(torn.notes.join(), "audit.jsonl:14: the last line is torn");
  }
});

Deno.test("verifyAuditLog() takes torn lines where the log went on after a crash", async () => {
  const torn = line(4).slice(0, 50);
  for (const kind of ["audit.start", "audit.gap"]) {
    const after = new Log({ signer }, "w2", log.states[3]).add({ kind }).addMany(2);
    await after.seal();
    const both = [...lines.slice(0, 3), torn, ...after.lines];
    const report = await verify(both, { keys });
    assertEquals([outcome(report), report.notes.length], ["ok", 1]);
    const twice = [...lines.slice(0, 3), torn, '{"corr', ...after.lines];
    assertEquals(outcome(await verify(twice, { keys })), "ok");
    const often = [...lines.slice(0, 3), ...Array(17).fill(torn), ...after.lines];
    assertEquals(outcome(await verify(often, { keys })), "edited:4");
    // What is JSON was not torn.
    const edited = [...lines.slice(0, 3), line(4).replace("ann", "bob"), ...after.lines];
    assertEquals(outcome(await verify(edited, { keys })), "edited:4");
  }
  const other = [...lines.slice(0, 3), torn, ...new Log({}, "w2", log.states[3]).addMany(2).lines];
  assertEquals(outcome(await verify(other)), "edited:4");
  // A record that stood there is missing from the chain, whatever is written over it.
  const start = new Log().add().add().add({ kind: "audit.start" }).lines;
  assertEquals(outcome(await verify(start.with(1, "{torn"))), "edited:2");
});

/** Four segments of a log, and the record that allows to remove the first. */
async function rotated(isPruned: boolean): Promise<Record<string, readonly string[]>> {
  const all = new Log({ signer });
  const segments: Record<string, readonly string[]> = {};
  for (const name of ["1.jsonl", "2.jsonl", "3.jsonl", "now.jsonl"]) {
    const from = all.lines.length;
    all.addMany(5);
    await all.seal();
    if (name === "now.jsonl" && isPruned) {
      await all.prune(all.states[6]!, ["1.jsonl"]);
      all.add();
      await all.seal();
    }
    segments[name] = all.lines.slice(from);
  }
  return segments;
}

/** What is left of the segments, and what must be said. */
const retention: readonly [readonly string[], boolean, string][] = [
  [["now", "3", "1", "2"], false, "ok"],
  [["1", "2", "3", "now"], true, "ok"],
  [["3", "now", "2"], true, "ok"],
  [["2", "3", "now"], false, "pruned:1"],
  [["3", "now"], true, "pruned:1"],
  [["1", "3", "now"], false, "deleted:1"],
  [["1", "3", "now"], true, "deleted:1"],
  [["2", "3"], true, "pruned:1"],
];

Deno.test("verifyAuditLog() follows a chain over rotations, and takes signed prunes only", async () => {
  for (const [names, isPruned, expected] of retention) {
    await withFiles(await rotated(isPruned), async (path) => {
      const report = await verifyAuditLog(names.map((name) => path(`${name}.jsonl`)), { keys });
      assertEquals(outcome(report), expected, `${names} ${isPruned}`);
      if (report.ok) assertEquals(report.chains.length, 1);
    });
  }
});

Deno.test("verifyAuditLog() takes no forged prune", async () => {
  const segments = await rotated(false);
  const last = JSON.parse(segments["now.jsonl"]!.at(-1)!) as { seq: number; hash: string };
  const { prev, seq } = JSON.parse(segments["2.jsonl"]![0]!) as { seq: number; prev: string };
  const checkpointOfFirst = JSON.parse(segments["1.jsonl"]!.at(-1)!).details;
  const forgeries = [
    // By no key, and by another.
    await new Log().checkpoints.makePrune({ seq: seq - 1, hash: prev }, []),
    await new Log({ signer: (await generateAuditLogKeys("x")).signer }).checkpoints.makePrune(
      { seq: seq - 1, hash: prev },
      [],
    ),
    // A checkpoint that was made for the same place.
    checkpointOfFirst,
  ];
  for (const details of forgeries) {
    const forged = new Log({}, "w1", last).add({ kind: "audit.prune", details }).lines;
    await withFiles({ ...segments, "forged.jsonl": forged }, async (path) => {
      const paths = ["2.jsonl", "3.jsonl", "now.jsonl", "forged.jsonl"].map(path);
      const { ok, failure } = await verifyAuditLog(paths, { keys });
      assert(!ok);
      assertEquals(failure?.path, path("forged.jsonl"));
    });
  }
});

Deno.test("verifyAuditLog() sees a segment that was replaced, cut or copied", async () => {
  const segments = await rotated(false);
  const second = segments["2.jsonl"]!;
  const attacked: readonly [readonly string[], AuditLogFailureCause, string][] = [
    [second.slice(0, -1), "deleted", "3.jsonl"],
    [second.slice(1), "deleted", "2.jsonl"],
    [second.with(-1, forge(second.at(-1)!, framing)), "edited", "2.jsonl"],
    [reseal(second, 3, framing), "resealed", "2.jsonl"],
    [segments["1.jsonl"]!, "forked", "2.jsonl"],
    [[], "deleted", "3.jsonl"],
  ];
  for (const [lines, cause, name] of attacked) {
    await withFiles({ ...segments, "2.jsonl": lines }, async (path) => {
      const paths = Object.keys(segments).map(path);
      const { failure } = await verifyAuditLog(paths, { keys });
      assertEquals([failure?.cause, failure?.path], [cause, path(name)]);
    });
  }
});

Deno.test("verifyAuditLog() sees records of one chain in two files that differ", async () => {
  const fork = new Log({ signer }, "w1", log.states[8]).addMany(5, bob);
  await fork.seal();
  const first = lines.slice(0, 8);
  const files = { "a.jsonl": first, "b.jsonl": lines.slice(8), "c.jsonl": fork.lines };
  await withFiles(files, async (path) => {
    for (const other of ["b.jsonl", "c.jsonl"]) {
      assert((await verifyAuditLog([path("a.jsonl"), path(other)], { keys })).ok);
    }
    const { failure } = await verifyAuditLog(Object.keys(files).map(path), { keys });
    assertEquals([failure?.cause, failure?.line, failure?.seq], ["forked", 1, 9]);
  });
  const again = new Log({ signer }, "w1").addMany(3, bob);
  await again.seal();
  await withFiles({ "a.jsonl": lines, "b.jsonl": again.lines }, async (path) => {
    const { failure } = await verifyAuditLog([path("a.jsonl"), path("b.jsonl")], { keys });
    assertEquals(failure?.cause, "forked");
  });
});

Deno.test("verifyAuditLog() sees a deleted file between two runs of a program", async () => {
  const before = new Log({ signer }, "w1").addMany(5);
  await before.seal();
  const between = new Log({ signer }, "w2", before.state).addMany(5);
  await between.seal();
  const after = new Log({ signer }, "w3", between.state).addMany(5);
  await after.seal();
  const files = { "a.jsonl": before.lines, "b.jsonl": between.lines, "c.jsonl": after.lines };
  await withFiles(files, async (path) => {
    assert((await verifyAuditLog(Object.keys(files).map(path), { keys })).ok);
    const { failure } = await verifyAuditLog([path("a.jsonl"), path("c.jsonl")], { keys });
    assertEquals([failure?.cause, failure?.path], ["deleted", path("c.jsonl")]);
  });
  const changed = before.lines.with(-1, forge(before.lines.at(-1)!, (one) => one["code"] = "x"));
  await withFiles({ ...files, "a.jsonl": changed }, async (path) => {
    const { failure } = await verifyAuditLog(Object.keys(files).map(path), { keys });
    assertEquals([failure?.cause, failure?.path, failure?.line], ["edited", path("a.jsonl"), 6]);
  });
});

Deno.test("verifyAuditLog() verifies the logs of several writers", async () => {
  const other = new Log({ signer }, "w2").addMany(4);
  await other.seal();
  const rest = new Log({ signer }, "w2", other.state).addMany(2);
  await rest.seal();
  const files = { "a.jsonl": lines, "b.jsonl": other.lines, "c.jsonl": rest.lines };
  await withFiles(files, async (path) => {
    const paths = Object.keys(files).map(path);
    const report = await verifyAuditLog(paths, { keys, checkpoint: note });
    assertEquals(outcome(report), "ok");
    assertEquals(report.chains.map(({ lastSeq }) => lastSeq), [14, 8]);
    assertEquals([report.signedThrough, report.unsigned], [7, 3]);
    await Deno.writeTextFile(
      path("c.jsonl"),
      text(rest.lines.with(1, forge(rest.lines[1]!, framing))),
    );
    const { failure } = await verifyAuditLog(paths, { keys });
    assertEquals([failure?.path, failure?.line], [path("c.jsonl"), 2]);
  });
});

Deno.test("verifyAuditLog() takes a checkpoint whose record comes later than others", async () => {
  const late = new Log({ signer }).addMany(5);
  const details = await late.checkpoints.make(late.states[2]!);
  late.add({ kind: "audit.checkpoint", details }).add();
  const report = await verify(late.lines, { keys });
  assertEquals([outcome(report), report.signedThrough, report.unsigned], ["ok", 2, 4]);
  const early = await late.checkpoints.make({ ...late.state, seq: late.state.seq + 1 });
  late.add({ kind: "audit.checkpoint", details: early });
  assertEquals(outcome(await verify(late.lines, { keys })), "resealed:8");
});

Deno.test("verifyAuditLog() follows a change of keys, if it is given both", async () => {
  const next = await generateAuditLogKeys("log.example.com");
  const after = new Log({ signer: next.signer }, "w2", log.state).addMany(3);
  await after.seal();
  const both = [...lines, ...after.lines];
  assertEquals(outcome(await verify(both, { keys: [verifierKey, next.verifierKey] })), "ok");
  assertEquals(outcome(await verify(both, { keys })), "unsigned:18");
});

Deno.test("verifyAuditLog() throws when there is nothing to read, or a key is none", async () => {
  await assertRejects(() => verifyAuditLog([]), TypeError, "no file");
  await assertRejects(() => verify(lines, { keys: ["x"] }), TypeError, "key");
  await assertRejects(() => verify(lines, { epochKey: new Uint8Array(31) }), TypeError, "32 bytes");
  await withFiles({}, async (path, folder) => {
    for (const one of [path("none.jsonl"), folder]) {
      const error = await assertRejects(() => verifyAuditLog([one]), SecurityError);
      assertEquals(error.code, "audit-log-unreadable");
      assertEquals(error.details["path"], one);
      assert(!error.message.includes(folder));
    }
  });
});

Deno.test("verifyAuditLog() accepts no file but an empty one without records, and no key for it", async () => {
  const report = await verify("");
  assertEquals([outcome(report), report.records, report.notes.length], ["ok", 0, 1]);
  assertEquals(outcome(await verify("", { keys })), "unsigned:1");
});

Deno.test("verifyAuditLog() ends when its signal is aborted", async () => {
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  assertEquals(await assertRejects(() => verify(lines, { signal })), reason);
});

Deno.test("verifyAuditLog() holds no more of a large log than a small one", async () => {
  const large = new Log({ signer });
  await withFiles({ "audit.jsonl": "" }, async (path) => {
    // 40 MB in two segments that are written piece by piece.
    for (let piece = 0; piece < 16; piece++) {
      const from = large.lines.length;
      for (let at = 0; at < 500; at++) large.add({ reason: "x".repeat(4600) });
      if (piece === 15) await large.seal();
      const name = path(piece < 8 ? "audit.jsonl" : "b.jsonl");
      await Deno.writeTextFile(name, text(large.lines.slice(from)), { append: true });
      large.lines.length = 0;
      large.states.length = 0;
    }
    const before = Deno.memoryUsage();
    let most = 0;
    const signal = AbortSignal.any([]);
    const watch = setInterval(() => most = Math.max(most, Deno.memoryUsage().external), 5);
    const report = await verifyAuditLog([path("b.jsonl"), path("audit.jsonl")], { keys, signal });
    clearInterval(watch);
    assertEquals([outcome(report), report.records, report.segments], ["ok", 8001, 2]);
    assert(most - before.external < 8 * 1024 * 1024, `${most - before.external} bytes`);
  });
});
