import { assertEquals } from "@std/assert";
import { GENESIS } from "../../src/events/_chain.ts";
import { systemFileOps } from "../../src/events/_log_file_ops.ts";
import { isSealed, type SealCheck } from "../../src/events/_resume.ts";
import { stateAtEnd } from "../../src/events/_segment_links.ts";
import { generateAuditLogKeys } from "../../src/events/audit_log_signer.ts";
import { type EpochState, generateEpochKey } from "../../src/events/epoch_keys.ts";
import { forge, framing, Log, reseal, text, withFiles } from "./_audit_logs.ts";

const ops = systemFileOps();
const { signer } = await generateAuditLogKeys("log.example.com");
const other = await generateAuditLogKeys("log.example.com");

function epochKeys() {
  let state: EpochState = { epoch: 0, key: generateEpochKey() };
  return {
    load: () => Promise.resolve(state),
    save: (next: EpochState) => {
      state = next;
      return Promise.resolve();
    },
  };
}

/** The check of a log with a signer and no more. */
const check = new Log({ signer }).checkpoints.sealCheck as SealCheck;

async function sealed(
  files: readonly (readonly string[])[],
  how: SealCheck = check,
): Promise<boolean> {
  let is = false;
  const named = Object.fromEntries(files.map((lines, at) => [`${at}`, lines]));
  await withFiles(named, async (path) => {
    const paths = files.map((_, at) => path(`${at}`));
    const states = paths.map((path) => stateAtEnd(ops, path, true));
    const state = states.find((state) => state !== undefined) ?? GENESIS;
    is = isSealed(ops, paths, state, how);
    await Promise.resolve();
  });
  return is;
}

/** Three records, a checkpoint, and three records more. */
async function ownLog(options = {}): Promise<string[]> {
  const log = new Log({ signer, ...options }).addMany(3);
  await log.seal();
  return log.addMany(3).lines;
}

Deno.test("isSealed() is true for a log that ends with a checkpoint and what came after it", async () => {
  const lines = await ownLog();
  assertEquals(await sealed([lines]), true);
  assertEquals(await sealed([lines.slice(0, 4)]), true);
  // Records came in between while it was signed.
  const log = new Log({ signer }).addMany(3);
  const { state } = log;
  log.addMany(2);
  log.add({ kind: "audit.checkpoint", details: await log.checkpoints.make(state) });
  assertEquals(await sealed([log.lines]), true);
  // What crashes leave of a line is no record.
  assertEquals(await sealed([[...lines.slice(0, 5), '{"corr', ...lines.slice(5), '{"c']]), true);
});

Deno.test("isSealed() is false for what somebody without the key has written", async () => {
  const lines = await ownLog();
  const unsealed = new Log().addMany(7, { principal: "bob" }).lines;
  const foreign = await ownLog({ signer: other.signer });
  const { note } = (JSON.parse(lines[3]!) as { details: { note: string } }).details;
  const withNote = (change: (note: string) => string) =>
    reseal(lines, 4, (record) => record["details"] = { note: change(note) });
  const pruned = new Log({ signer }).addMany(3);
  await pruned.prune(pruned.state, ["a"]);
  const attacks: Readonly<Record<string, readonly string[]>> = {
    "no checkpoint": unsealed,
    "a log of one record": unsealed.slice(0, 1),
    "a checkpoint by another key": foreign,
    "an older checkpoint": reseal(lines, 1, framing),
    "the record that is covered": reseal(lines, 3, framing),
    "a record without a link": [
      ...lines.slice(0, 5),
      forge(
        lines[5]!,
        (record) => record["prev"] = (JSON.parse(lines[2]!) as { hash: string }).hash,
      ),
      lines[6]!,
    ],
    "a record that is missing": [...lines.slice(0, 5), lines[6]!],
    "the covered record missing": lines.slice(3),
    "another content": [...lines.slice(0, 6), lines[6]!.replace("ann", "bob")],
    "JSON that is no record": [...lines, "{}"],
    "another text": withNote((note) => note.replace("\n3\n", "\n2\n")),
    "no signature": withNote((note) => note.slice(0, note.indexOf("\n\n") + 1)),
    "another signature": withNote((note) => note.replace(/.{8}\n$/, "AAAAAAA=\n")),
    "a text that is no checkpoint": withNote(() => "x"),
    "a prune instead of a checkpoint": pruned.lines,
    "the note of a prune": [
      ...pruned.lines.slice(0, 3),
      ...reseal(pruned.lines, 4, (record) => record["kind"] = "audit.checkpoint").slice(3),
    ],
    "a note of another origin": await ownLog({ origin: "another log" }),
  };
  for (const [name, forged] of Object.entries(attacks)) {
    assertEquals(await sealed([forged]), false, name);
  }
});

Deno.test("isSealed() cannot tell what was put after the last checkpoint", async () => {
  const lines = await ownLog();
  assertEquals(await sealed([reseal(lines, 6, framing)]), true);
});

Deno.test("isSealed() follows the links into segments, and passes over what is not linked", async () => {
  const lines = await ownLog();
  const files = [lines.slice(5), lines.slice(2, 5), lines.slice(0, 2)];
  assertEquals(await sealed(files), true);
  const planted = new Log({}, "w2").addMany(5, { principal: "bob" }).lines;
  assertEquals(await sealed([files[0]!, planted, files[1]!, planted, files[2]!]), true);
  assertEquals(await sealed([files[0]!, planted]), false);
  // Nothing but what a crash left in the file: the segments are the log.
  assertEquals(await sealed([['{"corr'], ...files]), true);
  assertEquals(await sealed([[], planted]), false);
});

Deno.test("isSealed() wants a checkpoint that closes an epoch where epochs are closed", async () => {
  const withEpochs = new Log({ signer, epochKeys: epochKeys() }).checkpoints.sealCheck as SealCheck;
  const epochsOnly = new Log({ epochKeys: epochKeys() }).checkpoints.sealCheck as SealCheck;
  const lines = await ownLog();
  assertEquals(await sealed([lines], withEpochs), false);
  assertEquals(await sealed([await ownLog({ epochKeys: epochKeys() })], withEpochs), true);
  assertEquals(await sealed([lines], epochsOnly), false);
  // No key can tell, and the verifier will.
  assertEquals(await sealed([new Log().addMany(2).lines], epochsOnly), true);
  assertEquals(new Log({}).checkpoints.sealCheck, undefined);
});

Deno.test("isSealed() looks back 8 MiB for a checkpoint, and no further", async () => {
  const log = new Log({ signer }).addMany(1);
  await log.seal();
  const details = { filler: "x".repeat(60_000) };
  log.addMany(100, { details });
  assertEquals(await sealed([log.lines]), true);
  log.addMany(60, { details });
  assertEquals(text(log.lines).length > 8 * 1024 * 1024, true);
  assertEquals(await sealed([log.lines]), false);
});
