/**
 * The audit log in a file against a logger that writes a file, each in turns with the others.
 *
 * pino writes with the settings that make it fastest there: not after each line, but 4 KiB at a time. Its lines
 * have the same members; it does not number, chain, sort or bound them.
 *
 * Run with `deno task bench bench/events_file_bench.ts`.
 */
import { pino } from "pino";
import type { AuditEvent, AuditEventInput } from "../src/events/audit_event.ts";
import { AuditLogger } from "../src/events/audit_logger.ts";
import { jsonLinesSink } from "../src/events/json_lines_sink.ts";
import { benchOnce, formatTurns, median, takeTurns } from "./_turns.ts";

const EVENT: AuditEvent = Object.freeze({
  id: "3f2a8c1e-7b64-4a0d-9c55-0d1f6e2b8a97",
  seq: 1,
  kind: "file.read",
  outcome: "success",
  severity: "info",
  time: "2026-01-02T03:04:05.678Z",
  recordedAt: "2026-01-02T03:04:05.679Z",
  correlationId: "0b9d6f43-5c1e-4a7b-8e2f-a1c3d5e7f901",
  principal: "alice",
  resource: "notes/2026/march.md",
  durationMs: 1.25,
  details: { bytes: 4096, root: "notes" },
});

/** What a program reports of the same event. */
const REPORT: AuditEventInput = Object.freeze({
  kind: "file.read",
  outcome: "success",
  principal: "alice",
  resource: "notes/2026/march.md",
  durationMs: 1.25,
  details: { bytes: 4096, root: "notes" },
});

const folder = Deno.makeTempDirSync();
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

const open = (name: string, options: Partial<Parameters<typeof jsonLinesSink>[0]> = {}) =>
  jsonLinesSink({ path: `${folder}/${name}.jsonl`, ...options });

/** pino to a file; what it has not written yet is by the end of `close`. */
function openPeer(name: string, settings = { sync: false, minLength: 4096 }) {
  const destination = pino.destination({ dest: `${folder}/${name}`, ...settings });
  return {
    peer: pino({ timestamp: pino.stdTimeFunctions.isoTime }, destination),
    close: () =>
      new Promise<void>((resolve) => {
        destination.once("close", () => resolve());
        destination.end();
      }),
  };
}

benchOnce("one event to a file (table below)", async () => {
  const { peer, close } = openPeer("pino");
  const plain = open("plain", { durability: "buffered" });
  const chained = open("chained", { durability: "buffered", chain: {} });
  const written = open("written", { chain: {} });
  const { level: _, ...members } = { level: 0, ...EVENT };
  const turns = await takeTurns([
    { name: "pino, 4 KiB at a time", run: () => peer.info(members) },
    { name: "buffered", run: () => plain.write(EVENT) },
    { name: "buffered, chained", run: () => chained.write(EVENT) },
    { name: "write, chained, one at a time", run: () => written.write(EVENT) },
    // Its writes are done elsewhere, and the others must not wait for them.
  ], { rounds: 61, calls: 500 });
  await Promise.all([plain, chained, written].map((sink) => sink.close()));
  await close();
  return formatTurns("one event to a file", turns);
});

benchOnce("one report to a file (table below)", async () => {
  const { peer, close } = openPeer("pino-reports");
  const eager = openPeer("pino-lines", { sync: true, minLength: 0 });
  const audit = new AuditLogger({
    sinks: [open("reports", { durability: "buffered", chain: {} })],
  });
  const { kind, outcome: _, ...members } = REPORT;
  // Each is one call to measure, as a pause after each would count for those that are awaited only.
  const EACH = 200;
  const times = (run: () => unknown) => async () => {
    for (let call = 0; call < EACH; call++) {
      const result = run();
      if (result instanceof Promise) await result;
    }
  };
  const turns = await takeTurns([
    { name: "pino, 4 KiB at a time", run: times(() => peer.info(REPORT)) },
    { name: "pino, each line at once", run: times(() => eager.peer.info(REPORT)) },
    { name: "report(), buffered, chained", run: times(() => audit.report(REPORT)) },
    { name: "await success()", run: times(() => audit.success(kind, members)) },
  ], { rounds: 61, calls: 1 });
  const { lost } = audit.stats();
  await Promise.all([audit.close(), close(), eager.close()]);
  if (lost > 0) throw new Error("nothing was measured");
  return formatTurns(
    "one report to a file",
    turns.map((turn) => ({ ...turn, micros: turn.micros / EACH })),
  );
});

benchOnce("events on the disk (table below)", async () => {
  const ROUNDS = 9;
  const EACH = 10;
  const IN_FLIGHT = 200;
  using bare = Deno.openSync(`${folder}/bare`, { append: true, create: true });
  const line = new TextEncoder().encode(`${JSON.stringify(EVENT)}\n`);
  const sink = open("synced", { durability: "fsync", chain: {} });
  const contenders = [
    {
      name: "write and fdatasync, one event at a time",
      calls: 300,
      async run() {
        for (let call = 0; call < 300; call++) {
          bare.writeSync(line);
          await bare.syncData();
        }
      },
    },
    {
      name: "fsync, chained, one at a time",
      calls: 300,
      async run() {
        for (let call = 0; call < 300; call++) await sink.write(EVENT);
      },
    },
    {
      name: `fsync, chained, ${IN_FLIGHT} in flight`,
      calls: IN_FLIGHT * EACH,
      async run() {
        await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
          for (let call = 0; call < EACH; call++) await sink.write(EVENT);
        }));
      },
    },
  ];
  const rates = contenders.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [at, { calls, run }] of contenders.entries()) {
      const start = performance.now();
      await run();
      rates[at]!.push(calls / (performance.now() - start) * 1000);
    }
  }
  await sink.close();
  const [base = NaN] = rates.map(median);
  const row = (name: string, rate: string, ratio: string) =>
    `| ${name.padEnd(40)} | ${rate.padStart(10)} | ${ratio.padStart(5)} |`;
  return [
    row("events on the disk", "a second", "ratio"),
    `| ${"-".repeat(40)} | ---------: | ----: |`,
    ...contenders.map(({ name }, at) => {
      const rate = median(rates[at]!);
      return row(name, rate.toFixed(0), (rate / base).toFixed(1));
    }),
  ].join("\n");
});

benchOnce("memory at 50,000 events a second (below)", async () => {
  const SECONDS = 4;
  const sink = open("steady", { durability: "buffered", chain: {} });
  let most = 0;
  let late = 0;
  const used = () => Deno.memoryUsage().rss / 2 ** 20;
  const before = used();
  const start = performance.now();
  for (let sent = 0; sent < SECONDS * 50_000;) {
    const due = Math.floor((performance.now() - start) * 50);
    late = Math.max(late, due - sent);
    for (; sent < Math.min(due, SECONDS * 50_000); sent++) sink.write(EVENT);
    most = Math.max(most, used());
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const took = (performance.now() - start) / 1000;
  const { written, lost } = sink.stats();
  await sink.close();
  return `50,000 events a second for ${SECONDS} s: took ${
    took.toFixed(2)
  } s, ${written} records before close, ` +
    `${lost} lost, ${(most - before).toFixed(1)} MiB more memory, at most ${late} events behind`;
});
