import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { generateAuditLogKeys } from "../../src/events/audit_log_signer.ts";
import { epochKeyFile, type EpochState, generateEpochKey } from "../../src/events/epoch_keys.ts";
import { type JsonLinesSink, jsonLinesSink } from "../../src/events/json_lines_sink.ts";
import { verifyAuditLog } from "../../src/events/verify_audit_log.ts";
import { Log, text } from "./_audit_logs.ts";
import { event, linesOf, recordsOf, segmentsIn, withFolder } from "./_sink_events.ts";

const { signer, verifierKey } = await generateAuditLogKeys("log.example.com");

/** The history again, without what only the key can make, and with somebody else in it. */
function framed(lines: readonly string[]): string[] {
  const log = new Log({}, "w1");
  for (const line of lines) {
    const { seq: _, writer: _w, prev: _p, hash: _h, ...record } = JSON.parse(line);
    if (record.kind !== "audit.checkpoint") log.add({ ...record, principal: "mallory" });
  }
  return log.lines;
}

/** What a new chain says of the one before. */
function startOf(path: string): unknown[] {
  const [{ seq, kind, details }] = recordsOf(path) as [ReturnType<typeof recordsOf>[number]];
  return [seq, kind, details.cause, details.continues, details.previous];
}

Deno.test("jsonLinesSink() signs nothing that somebody put there while it was not running", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const first = jsonLinesSink({ path, chain: { signer } });
    for (let number = 0; number < 5; number++) await first.write(event());
    await first.close();
    const forged = text(framed(linesOf(path)));
    Deno.writeTextFileSync(path, forged);
    const keys = [verifierKey];
    assertEquals((await verifyAuditLog([path], { keys })).failure?.cause, "unsigned");
    await jsonLinesSink({ path, chain: { signer } }).close();
    assertEquals(startOf(path), [1, "audit.start", "created", false, "not-sealed"]);
    assertEquals((await verifyAuditLog([path], { keys })).failure, undefined);
    // What is forged is there to be looked at, and nothing stands behind it.
    const [aside] = segmentsIn(folder);
    assertEquals(Deno.readTextFileSync(aside!), forged);
    assertEquals((await verifyAuditLog([path, aside!], { keys })).failure?.cause, "unsigned");
    // The control: without a signer, there is nothing to know it by.
    Deno.writeTextFileSync(path, forged);
    await jsonLinesSink({ path, chain: {} }).close();
    assertEquals(recordsOf(path).at(-1)!.details.continues, true);
  }));

Deno.test("jsonLinesSink() follows no segment that somebody put there", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const planted = `${folder}/audit.000000000001.${crypto.randomUUID()}.jsonl`;
    Deno.writeTextFileSync(planted, text(new Log().addMany(5).lines));
    await jsonLinesSink({ path, chain: { signer } }).close();
    assertEquals(startOf(path), [1, "audit.start", "created", false, "not-sealed"]);
    Deno.removeSync(path);
    await jsonLinesSink({ path, chain: {} }).close();
    assertEquals(startOf(path).slice(0, 1), [6]);
  }));

Deno.test("jsonLinesSink() begins a chain in a file of its own", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    await jsonLinesSink({ path }).close();
    const before = Deno.readTextFileSync(path);
    await jsonLinesSink({ path, chain: { signer } }).close();
    assertEquals(startOf(path), [1, "audit.start", "created", false, "not-chained"]);
    assertEquals(Deno.readTextFileSync(segmentsIn(folder)[0]!), before);
    const { failure } = await verifyAuditLog([path], { keys: [verifierKey] });
    assertEquals(failure, undefined);
  }));

Deno.test("jsonLinesSink() closes epochs in a chain of their own when it begins to", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    await jsonLinesSink({ path, chain: { signer } }).close();
    const epochKeys = epochKeyFile(`${folder}/epoch.json`);
    const epochKey = generateEpochKey();
    await epochKeys.save({ epoch: 0, key: epochKey });
    await jsonLinesSink({ path, chain: { signer, epochKeys } }).close();
    await jsonLinesSink({ path, chain: { signer, epochKeys } }).close();
    assertEquals(segmentsIn(folder).length, 2);
    const { failure } = await verifyAuditLog([path], { keys: [verifierKey], epochKey });
    assertEquals(failure, undefined);
    // The log is moved away, as to an archive: the next one begins with a later epoch.
    Deno.renameSync(path, `${folder}/old.jsonl`);
    await jsonLinesSink({ path, chain: { signer, epochKeys } }).close();
    const later = await verifyAuditLog([path], { keys: [verifierKey], epochKey });
    assertEquals(later.failure, undefined);
    assertGreaterOrEqual(later.chains[0]!.firstEpoch!, 2);
  }));

Deno.test("jsonLinesSink() keeps a log verifiable through crashes between a key and its record", () =>
  withFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const epochKey = generateEpochKey();
    let state: EpochState = { epoch: 0, key: epochKey };
    const epochKeys = {
      load: () => Promise.resolve(state),
      save: (next: EpochState) => {
        state = next;
        return Promise.resolve();
      },
    };
    await jsonLinesSink({ path, chain: { epochKeys } }).close();
    for (let crashes = 0; crashes < 3; crashes++) {
      const sink = jsonLinesSink({ path, chain: { epochKeys } });
      const before = Deno.readTextFileSync(path);
      await sink.close();
      // The key is gone, and the record did not make it.
      Deno.writeTextFileSync(path, before);
    }
    await jsonLinesSink({ path, chain: { epochKeys } }).close();
    const told = recordsOf(path).map(({ details }) => (details.earlier as unknown[])?.length ?? 0);
    assertGreaterOrEqual(Math.max(...told), 3);
    assertEquals((await verifyAuditLog([path], { epochKey })).failure, undefined);
    // Each is known to be in the log by now.
    const last = jsonLinesSink({ path, chain: { epochKeys } });
    await last.flush();
    await last.write(event());
    await last.close();
    assertEquals(recordsOf(path).at(-1)!.details.earlier, undefined);
    assertEquals((await verifyAuditLog([path], { epochKey })).failure, undefined);
  }));

async function rotate(sink: JsonLinesSink, times: number): Promise<void> {
  const { rotations } = sink.stats();
  while (sink.stats().rotations < rotations + times) await sink.write(event());
}

for (const chain of [undefined, {}, { signer }]) {
  const how = chain === undefined ? "no chain" : "signer" in chain ? "a signer" : "a chain";
  Deno.test(`jsonLinesSink() deletes no segments on account of files with their names, with ${how}`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/audit.jsonl`;
      const sink = jsonLinesSink({
        path,
        rotate: { maxBytes: 4_096, keep: 10 },
        ...(chain === undefined ? {} : { chain }),
      });
      await rotate(sink, 3);
      await sink.flush();
      const own = segmentsIn(folder).slice(0, -1);
      const line = linesOf(path).at(-1)!;
      const planted = Array.from({ length: 12 }, (_, at) => {
        const name = `audit.9000000000${10 + at}.${crypto.randomUUID()}.jsonl`;
        Deno.writeTextFileSync(`${folder}/${name}`, `${line}\n`);
        return `${folder}/${name}`;
      });
      await rotate(sink, 3);
      await sink.close();
      const left = new Set(segmentsIn(folder));
      for (const segment of [...own, ...planted]) assert(left.has(segment), segment);
      const records = segmentsIn(folder).filter((path) => !planted.includes(path))
        .flatMap(recordsOf);
      assertEquals(records.some(({ kind }) => kind === "audit.prune"), false);
      const told = records.filter(({ details }) => details.cause === "unlinked-segments");
      assertEquals(told.length, 1);
    }));
}
