import { assertEquals, assertStringIncludes } from "@std/assert";
import { generateAuditLogKeys } from "../../src/events/audit_log_signer.ts";
import { type AuditLogReport, verifyAuditLog } from "../../src/events/verify.ts";
import { forge, framing, Log, text, withFiles } from "./_audit_logs.ts";

const { signer, verifierKey } = await generateAuditLogKeys("log.example.com");
const keys = [verifierKey];

/** Eleven records and a checkpoint, and what follows after a crash. */
const log = new Log({ signer }).addMany(10, { principal: "Ånn" });
await log.seal();
const after = new Log({ signer }, "w2", log.state).add({ kind: "audit.start" });
await after.seal();

async function verify(
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<AuditLogReport> {
  let report: AuditLogReport | undefined;
  await withFiles(files, async (path) => {
    report = await verifyAuditLog(Object.keys(files).map(path), { keys });
  });
  return report!;
}

function outcome({ failure }: AuditLogReport): string {
  if (failure === undefined) return "ok";
  const { cause, path, line, seq } = failure;
  return `${cause}:${path.split("/").at(-1)}:${line}:${seq}`;
}

Deno.test("verifyAuditLog() takes every beginning of a record for a torn line", async () => {
  const encoder = new TextEncoder();
  const whole = encoder.encode(log.lines[3]);
  for (let length = 1; length < whole.length; length++) {
    const torn = whole.subarray(0, length);
    // Where a character is torn, and one in four others.
    if (length % 4 > 0 && torn.at(-1)! < 0x80) continue;
    // A power cut may leave zeros of what was not on the disk yet.
    for (const zeros of length % 80 === 0 ? [0, 4096] : [0]) {
      const content = [
        ...encoder.encode(text(log.lines)),
        ...torn,
        ...new Uint8Array(zeros),
        ...encoder.encode(`\n${text(after.lines)}`),
      ];
      const report = await verify({ a: new Uint8Array(content) });
      assertEquals([outcome(report), report.notes.length], ["ok", 1], `${length}`);
    }
  }
});

/** Lines that no crash leaves. */
const others: Readonly<Record<string, string>> = {
  "no record": "Nov 24 root login: mallory",
  "a record and more": `${forge(log.lines[3]!, framing)}x`,
  "a record that ends early": '{"code":"x"},"kind":"y',
  "another member first": '{"principal":"mallory was here',
  "a control character": '{"code":"x\x1b[2J',
  "an array": '["code"',
  "a blank line": "",
};

Deno.test("verifyAuditLog() takes nothing else for a torn line", async () => {
  for (const [name, other] of Object.entries(others)) {
    const inside = text([...log.lines, other, ...after.lines]);
    assertEquals(outcome(await verify({ a: inside })), "edited:a:12:12", name);
    const last = await verify({ a: text(log.lines) + (other === "" ? "\n" : other) });
    assertEquals(outcome(last), "edited:a:12:12", name);
    const alone = await verify({ a: text(log.lines), b: other === "" ? "\n" : other });
    assertEquals(outcome(alone), "edited:b:1:undefined", name);
  }
});

Deno.test("verifyAuditLog() notes a file of nothing but torn lines", async () => {
  for (const content of ['{"corr', '{"corr\n', '{"corr\n{"correlationId":"a', "\0\0"]) {
    const report = await verify({ a: text(log.lines), b: content });
    assertEquals(outcome(report), "ok");
    assertStringIncludes(report.notes.join(), "nothing but torn lines");
  }
  const many = await verify({ a: text(log.lines), b: '{"corr\n'.repeat(17) });
  assertEquals(outcome(many), "edited:b:17:undefined");
});

const second = new Log({ signer }, "w1", log.state).addMany(6);
await second.seal();
const restarted = new Log({ signer }, "w2", log.state).addMany(6);
await restarted.seal();

/** What was done to the beginning of a later file. */
const beginnings: Readonly<Record<string, readonly [readonly string[], string]>> = {
  "edit the first record": [edited(second.lines, 1), "edited:b:1:12"],
  "edit two": [edited(second.lines, 2), "edited:b:1:12"],
  "overwrite the first record": [second.lines.with(0, "xxx"), "edited:b:1:12"],
  "delete the first record": [second.lines.slice(1), "deleted:b:1:13"],
  "put a line in front": [["xxx", ...second.lines], "edited:b:1:12"],
  "edit the first record of another writer": [edited(restarted.lines, 1), "edited:b:1:12"],
  "edit two of another writer": [edited(restarted.lines, 2), "edited:b:1:12"],
  "delete the first record of another writer": [restarted.lines.slice(1), "deleted:b:1:13"],
};

function edited(lines: readonly string[], count: number): string[] {
  return lines.map((line, at) => at < count ? line.replace("ann", "bob") : line);
}

Deno.test("verifyAuditLog() tells what was done to the beginning of a later file", async () => {
  for (const [name, [lines, expected]] of Object.entries(beginnings)) {
    const report = await verify({ a: text(log.lines), b: text(lines) });
    assertEquals(outcome(report), expected, name);
  }
  const first = await verify({ a: text(log.lines.with(0, log.lines[0]!.replace("Ånn", "bob"))) });
  assertEquals(outcome(first), "edited:a:1:undefined");
});

Deno.test("verifyAuditLog() reads a file once, whatever names it has", async () => {
  await withFiles({ "a.jsonl": log.lines }, async (path, folder) => {
    await Deno.symlink(path("a.jsonl"), path("b.jsonl"));
    await Deno.link(path("a.jsonl"), path("c.jsonl"));
    const paths = [path("a.jsonl"), path("b.jsonl"), path("c.jsonl"), `${folder}/./a.jsonl`];
    const { ok, segments, notes } = await verifyAuditLog([...paths, paths[0]!], { keys });
    assertEquals([ok, segments, notes.length], [true, 1, 3]);
    assertStringIncludes(notes[0]!, "b.jsonl: another name");
    // A copy is a file of its own.
    await Deno.remove(path("b.jsonl"));
    await Deno.copyFile(path("a.jsonl"), path("b.jsonl"));
    const { failure } = await verifyAuditLog(paths, { keys });
    assertEquals(failure?.cause, "forked");
  });
});
