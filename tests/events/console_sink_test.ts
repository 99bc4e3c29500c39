import {
  assertEquals,
  assertFalse,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import type { AuditEventInput } from "../../src/events/audit_event.ts";
import { AuditLogger } from "../../src/events/audit_logger.ts";
import { consoleSink } from "../../src/events/console_sink.ts";
import { functionSink } from "../../src/events/function_sink.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";

const ATTACK = 'bob\r\nINFO ok" role="admin\x1b[2J\x9b\u202e\u2028\u200b';
const EVENT: AuditEventInput = {
  kind: "login",
  outcome: "failure",
  principal: ATTACK,
  resource: ATTACK,
  reason: ATTACK,
  durationMs: 2.5,
  correlationId: "request-1",
  source: { address: ATTACK, confidence: "peer" },
  details: { [ATTACK]: [ATTACK] },
};
// deno-lint-ignore no-control-regex -- they are what it looks for.
const ACTS = /[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e]/;

function lineOf(format: "json" | "text", event = EVENT): string {
  const lines: string[] = [];
  const sink = consoleSink({ format, write: (line) => void lines.push(line) });
  new AuditLogger({ sinks: [sink], clock: new VirtualClock() }).report(event);
  assertEquals(lines.length, 1);
  return lines[0] ?? "";
}

Deno.test("consoleSink() writes one line an event, in which nothing acts", () => {
  // Control: the same in a template.
  assertEquals(`principal=${ATTACK}`.split(/\r\n|\u2028/).length, 3);
  for (const format of ["json", "text"] as const) assertFalse(ACTS.test(lineOf(format)), format);
  assertEquals(JSON.parse(lineOf("json")).principal, ATTACK);
});

Deno.test("consoleSink() lets no field of a text line end early", () => {
  const line = lineOf("text");
  assertStringIncludes(line, "2023-11-14T22:13:20.000Z #1 WARNING failure login principal=");
  assertStringIncludes(line, ' durationMs=2.5 correlationId="request-1" id="');
  // Outside of quotes there are only names that the sink wrote.
  const outside = line.replace(/"(?:[^"\\]|\\.)*"/g, '""');
  assertFalse(outside.includes("role"));
  assertStringIncludes(outside, ' source={"":"","":""} details={"":[""]}');
  assertFalse(lineOf("text", { kind: "x", outcome: "success" }).includes("details="));
});

Deno.test("consoleSink() writes to the console unless told otherwise", () => {
  const { log } = console;
  const seen: unknown[][] = [];
  console.log = (...args) => void seen.push(args);
  try {
    const audit = new AuditLogger({ sinks: [consoleSink()] });
    audit.report({ kind: "login", outcome: "success", principal: "%s%c" });
  } finally {
    console.log = log;
  }
  assertEquals([seen.length, seen[0]?.length], [1, 1]);
  assertEquals(JSON.parse(String(seen[0]?.[0])).principal, "%s%c");
});

/** What a program says of two events after whoever read its standard output has gone. */
async function afterReaderHasGone(required: boolean): Promise<string> {
  const module = (name: string) =>
    JSON.stringify(new URL(`../../src/events/${name}`, import.meta.url).href);
  const code = `
    import { AuditLogger } from ${module("audit_logger.ts")};
    import { consoleSink } from ${module("console_sink.ts")};
    const audit = new AuditLogger({ sinks: [consoleSink({ required: ${required} })] });
    await audit.success("first");
    await Deno.stdin.read(new Uint8Array(1));
    const said = [];
    for (let times = 0; times < 2; times++) {
      try { await audit.success("file.remove"); said.push("done"); } catch ({ code }) { said.push(code); }
    }
    console.error(said.join());`;
  await using program = new Deno.Command(Deno.execPath(), {
    args: ["eval", "-q", "--no-check", code],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const reader = program.stdout.getReader();
  const { value } = await reader.read();
  assertEquals(JSON.parse(new TextDecoder().decode(value)).kind, "first");
  await reader.cancel();
  const input = program.stdin.getWriter();
  await input.write(new Uint8Array(1));
  await input.close();
  return (await new Response(program.stderr).text()).trim();
}

Deno.test("consoleSink() that is required refuses what it can no longer write", async () => {
  assertEquals(await afterReaderHasGone(true), "audit-unavailable,audit-unavailable");
  // The control: the console tells nobody.
  assertEquals(await afterReaderHasGone(false), "done,done");
});

Deno.test("consoleSink() writes all of a line that is taken in parts, and is not required in vain", () => {
  const { process } = globalThis as unknown as {
    process: { getBuiltinModule(name: string): unknown };
  };
  const original = process.getBuiltinModule;
  const written: number[] = [];
  try {
    process.getBuiltinModule = () => ({
      writeSync(file: number, bytes: Uint8Array) {
        assertEquals(file, 1);
        written.push(...bytes.subarray(0, 10));
        return Math.min(10, bytes.length);
      },
    });
    new AuditLogger({ sinks: [consoleSink({ required: true })] }).report(EVENT);
    process.getBuiltinModule = () => undefined;
    assertThrows(() => consoleSink({ required: true }), TypeError, "'required'");
    // A function of the caller throws by itself.
    assertEquals(consoleSink({ required: true, write() {} }).required, true);
  } finally {
    process.getBuiltinModule = original;
  }
  const text = new TextDecoder().decode(new Uint8Array(written));
  assertEquals(text.indexOf("\n"), text.length - 1);
  assertEquals(JSON.parse(text).principal, ATTACK);
});

Deno.test("functionSink() takes what else a sink may do", async () => {
  const called: string[] = [];
  const sink = functionSink("queue", () => {}, {
    ready: () => void called.push("ready"),
    flush: () => Promise.resolve(void called.push("flush")),
    close: () => void called.push("close"),
  });
  const audit = new AuditLogger({ sinks: [sink], clock: new VirtualClock() });
  await audit.ready();
  await audit.close();
  assertEquals(called, ["ready", "flush", "close"]);
  assertEquals(Object.keys(functionSink("x", () => {})).includes("flush"), false);
  const full = functionSink("full", () => {}, {
    ready: () => Promise.reject(new Error("full")),
  });
  await assertRejects(async () => await new AuditLogger({ sinks: [full] }).ready());
});

Deno.test("consoleSink() and functionSink() refuse options that cannot be meant", () => {
  assertThrows(() => consoleSink({ format: "xml" as never }), TypeError);
  assertThrows(() => consoleSink({ write: 1 as never }), TypeError);
  assertThrows(() => consoleSink({ required: 1 as never }), TypeError);
  assertThrows(() => functionSink("", () => {}), TypeError);
  assertThrows(() => functionSink("x", 1 as never), TypeError);
  assertThrows(() => functionSink("x", () => {}, { required: 1 as never }), TypeError);
  assertThrows(() => functionSink("x", () => {}, { plainIdentifiers: 0 as never }), TypeError);
  for (const name of ["ready", "flush", "close"]) {
    assertThrows(() => functionSink("x", () => {}, { [name]: true as never }), TypeError, name);
  }
});

Deno.test("functionSink() is required unless told otherwise", () => {
  assertEquals(functionSink("x", () => {}).required, true);
  const { name, required, plainIdentifiers } = functionSink("y", () => {}, {
    required: false,
    plainIdentifiers: true,
  });
  assertEquals([name, required, plainIdentifiers], ["y", false, true]);
  assertEquals(consoleSink().required, false);
});
