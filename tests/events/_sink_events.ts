/** What the tests of the file sink share. */
import { assert, assertEquals } from "@std/assert";
import type { AuditEvent } from "../../src/events/audit_event.ts";
import { GENESIS, readRecord } from "../../src/events/_chain.ts";

let made = 0;

/** An event like those that a logger passes on. */
export function event(more: Partial<AuditEvent> = {}): AuditEvent {
  const time = "2026-01-02T03:04:05.678Z";
  return Object.freeze({
    id: `e-${++made}`,
    seq: made,
    kind: "file.read",
    outcome: "success",
    severity: "info",
    time,
    recordedAt: time,
    correlationId: "c-1",
    principal: "alice",
    resource: "notes/a.md",
    details: {},
    ...more,
  });
}

/** A record as a test looks at it. */
export type ParsedRecord = AuditEvent & {
  readonly writer: string;
  readonly prev?: string;
  readonly hash?: string;
};

/** The lines of a log. */
export function linesOf(path: string): string[] {
  const text = Deno.readTextFileSync(path);
  assert(text === "" || text.endsWith("\n"), "the last line is not ended");
  return text.split("\n").slice(0, -1);
}

/** The records of a log; all lines must be records. */
export function recordsOf(path: string): ParsedRecord[] {
  return linesOf(path).map((line) => JSON.parse(line));
}

/** Kinds of the records of a log. */
export function kindsOf(path: string): string[] {
  return recordsOf(path).map(({ kind }) => kind);
}

/** Follows a chain over files, the oldest first; lines that a crash cut short are passed over. */
export function followChain(paths: readonly string[]): ParsedRecord[] {
  const records: ParsedRecord[] = [];
  let last = GENESIS;
  for (const line of paths.flatMap(linesOf)) {
    const record = readRecord(line);
    if (record === undefined) {
      assert(!isJson(line), `changed: ${line}`);
      continue;
    }
    assertEquals(record.seq, last.seq + 1, "a record is missing");
    assertEquals(record.prev, last.hash);
    last = record;
    records.push(JSON.parse(line));
  }
  return records;
}

/** The segments of `audit.jsonl` in a folder in the order of their first records, the active one last. */
export function segmentsIn(folder: string): string[] {
  const names = Array.from(Deno.readDirSync(folder), ({ name }) => name);
  const old = names.filter((name) => /^audit\.\d{12}\./.test(name)).sort();
  return [...old, "audit.jsonl"].map((name) => `${folder}/${name}`);
}

/** Runs a test with a folder of its own. */
export async function withFolder(test: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    await test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}
