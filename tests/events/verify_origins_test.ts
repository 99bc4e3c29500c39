import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { generateAuditLogKeys } from "../../src/events/audit_log_signer.ts";
import {
  type AuditLogReport,
  verifyAuditLog,
  type VerifyAuditLogOptions,
} from "../../src/events/verify.ts";
import { event, Log, withFiles } from "./_audit_logs.ts";
import { Chain } from "../../src/events/_chain.ts";

const { signer, verifierKey } = await generateAuditLogKeys("log.example.com");
const keys = [verifierKey];

async function verify(
  files: Readonly<Record<string, readonly string[]>>,
  options: VerifyAuditLogOptions = {},
): Promise<AuditLogReport> {
  let report: AuditLogReport | undefined;
  await withFiles(files, async (path) => {
    report = await verifyAuditLog(Object.keys(files).map(path), { keys, ...options });
  });
  return report!;
}

/** Cause, file and line of the failure, such as `edited:a:3`. */
function outcome({ failure }: AuditLogReport): string {
  if (failure === undefined) return "ok";
  return `${failure.cause}:${failure.path.split("/").at(-1)}:${failure.line}`;
}

/** A log of 97 records, and two of its checkpoints. */
async function logOf(origin: string): Promise<{ log: Log; early: string; late: string }> {
  const log = new Log({ signer, origin }, `writer of ${origin}`).addMany(5);
  const early = await log.seal();
  log.addMany(90);
  return { log, early, late: await log.seal() };
}

/** The rest of a longer log of the same key. */
async function rest(origin: string): Promise<readonly string[]> {
  const log = new Log({ signer, origin }, "w9").addMany(200);
  await log.prune(log.states[150]!, ["1.jsonl"]);
  await log.seal();
  return log.lines.slice(150);
}

Deno.test("verifyAuditLog() sees that an end is missing, whatever other log goes further", async () => {
  const { log, late: checkpoint } = await logOf("A");
  const cut = log.lines.slice(0, 7);
  assertEquals(outcome(await verify({ a: log.lines, b: await rest("A") }, { checkpoint })), "ok");
  assertEquals(outcome(await verify({ a: cut }, { checkpoint })), "truncated:a:7");
  // Control: each log is good for itself.
  assertEquals(outcome(await verify({ a: cut })), "ok");
  assertEquals(outcome(await verify({ b: await rest("B") })), "ok");
  for (const origin of ["A", "B"]) {
    const other = await rest(origin);
    const report = await verify({ a: cut, b: other }, { checkpoint });
    assertEquals(report.failure?.cause, "truncated");
    assertEquals((await verify({ b: other }, { checkpoint })).failure?.cause, "truncated");
  }
});

Deno.test("verifyAuditLog() wants the records of all checkpoints that are given", async () => {
  const a = await logOf("A");
  const b = await logOf("B");
  const both = { a: a.log.lines, b: b.log.lines };
  for (const checkpoints of [[a.early, a.late], [a.late, b.late], [b.early, a.early]]) {
    assertEquals(outcome(await verify(both, { checkpoints })), "ok");
    assertEquals(outcome(await verify(both, { checkpoint: a.late, checkpoints })), "ok");
  }
  const checkpoints = [a.late, b.late];
  assertEquals((await verify({ a: both.a }, { checkpoints })).failure?.cause, "truncated");
  const cut = { ...both, b: both.b.slice(0, -2) };
  assertEquals(outcome(await verify(cut, { checkpoints })), "truncated:b:95");
  assertEquals(
    outcome(await verify(cut, { checkpoint: a.late, checkpoints: [b.late] })),
    "truncated:b:95",
  );
});

Deno.test("verifyAuditLog() takes a checkpoint of a log from which no record is left but those after", async () => {
  const log = new Log({ signer }).addMany(10);
  const checkpoint = await log.seal();
  log.addMany(5);
  await log.prune(log.states[10]!, ["1.jsonl"]);
  await log.seal();
  assertEquals(outcome(await verify({ a: log.lines.slice(10) }, { checkpoint })), "ok");
  // Which records a later one follows cannot be told.
  const later = new Log({ signer }).addMany(20);
  await later.prune(later.states[15]!, ["1.jsonl"]);
  await later.seal();
  const report = await verify({ a: later.lines.slice(15) }, { checkpoint });
  assertEquals(report.failure?.cause, "truncated");
  assertStringIncludes(report.failure!.message, "a later checkpoint");
});

Deno.test("verifyAuditLog() takes no note of a prune for a checkpoint that was kept", async () => {
  const log = new Log({ signer }).addMany(10);
  const { note } = await log.checkpoints.makePrune(log.states[4]!, ["1.jsonl"]);
  await log.seal();
  const checkpoint = note as string;
  await assertRejects(() => verify({ a: log.lines }, { checkpoint }), TypeError, "'checkpoint'");
});

Deno.test("verifyAuditLog() tells one log from another by the origin that is given", async () => {
  const { log, late: checkpoint } = await logOf("payments");
  const files = { a: log.lines };
  assertEquals(outcome(await verify(files, { origin: "payments", checkpoint })), "ok");
  const report = await verify(files, { origin: "logins" });
  assertEquals(outcome(report), "resealed:a:6");
  assert(!report.failure!.message.includes("payments"));
  const options = { origin: "logins", checkpoint };
  await assertRejects(() => verify(files, options), TypeError, "of the given origin");
  for (const origin of ["", 1 as unknown as string]) {
    await assertRejects(() => verify(files, { origin }), TypeError, "'origin'");
  }
});

Deno.test("verifyAuditLog() takes one origin in all of a chain", async () => {
  const log = new Log({ signer, origin: "A" }).addMany(5);
  await log.seal();
  const renamed = new Log({ signer, origin: "B" }, "w2", log.state).addMany(5);
  await renamed.seal();
  assertEquals(outcome(await verify({ a: [...log.lines, ...renamed.lines] })), "resealed:a:12");
  // Without a key, too.
  const unsigned = await verify({ a: [...log.lines, ...renamed.lines] }, { keys: [] });
  assertEquals(outcome(unsigned), "resealed:a:12");
});

/** So long that the hashes of the first records are not remembered to its end. */
async function long(): Promise<Log> {
  const log = new Log({ signer }, "w1");
  for (let count = 0; count < 5; count++) {
    log.addMany(1000);
    await log.seal();
  }
  return log;
}

Deno.test("verifyAuditLog() takes no prune of another log for the beginning that is missing", async () => {
  const other = new Log({ signer }, "w9").addMany(100);
  const foreign = await other.checkpoints.makePrune(other.states[90]!, ["1.jsonl"]);
  const log = await long();
  const own = await log.checkpoints.makePrune(log.states[77]!, ["1.jsonl"]);
  const withPrune = (details: Record<string, unknown>) => [
    ...log.lines.slice(77),
    new Chain("w1", log.state).seal(event({ kind: "audit.prune", details })),
  ];
  assertEquals(outcome(await verify({ a: log.lines.slice(77) })), "pruned:a:1");
  assertEquals(outcome(await verify({ a: withPrune(foreign) })), "pruned:a:1");
  assertEquals(outcome(await verify({ a: withPrune(own) })), "ok");
});

Deno.test("verifyAuditLog() takes a prune of which not all was removed yet, however far back", async () => {
  const log = await long();
  await log.prune(log.states[90]!, ["1.jsonl", "2.jsonl"]);
  await log.seal();
  const files = { b: log.lines.slice(77, 90), c: log.lines.slice(90) };
  assertEquals(outcome(await verify(files)), "ok");
  assertEquals(outcome(await verify({ c: files.c })), "ok");
  assertEquals(outcome(await verify({ b: files.b })), "pruned:b:1");
});

Deno.test("verifyAuditLog() takes no checkpoint of records that are gone for those that are there", async () => {
  const log = new Log({ signer }).addMany(10);
  const note = await log.seal();
  log.addMany(20);
  const details = await log.checkpoints.makePrune(log.states[20]!, ["1.jsonl"]);
  const evil = new Log({}, "w2", log.states[20]).addMany(50, { principal: "bob" });
  evil.add({ kind: "audit.prune", details }).add({ kind: "audit.checkpoint", details: { note } });
  const report = await verify({ a: evil.lines });
  assertEquals(outcome(report), "unsigned:a:52");
  assertEquals(report.unsigned, 51);
});

Deno.test("verifyAuditLog() takes each checkpoint once, and none after a newer one", async () => {
  const log = new Log({ signer }).addMany(10);
  const first = await log.seal();
  log.addMany(3);
  const second = await log.seal();
  for (const note of [first, second]) {
    const padded = new Log({}, "w1", log.state)
      .add({ kind: "audit.checkpoint", reason: "anything", details: { note } });
    const report = await verify({ a: [...log.lines, ...padded.lines] });
    assertEquals(outcome(report), "resealed:a:16");
  }
});

Deno.test("verifyAuditLog() takes a checkpoint that comes many records late", async () => {
  const log = new Log({ signer }).addMany(100);
  await log.seal();
  const details = await log.checkpoints.make(log.state);
  log.addMany(9000).add({ kind: "audit.checkpoint", details });
  const report = await verify({ a: log.lines });
  assertEquals([outcome(report), report.signedThrough, report.unsigned], ["ok", 101, 9000]);
});
