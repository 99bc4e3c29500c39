import {
  assert,
  assertEquals,
  assertFalse,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { escapeJson, toJsonLine } from "../../src/events/_json_line.ts";
import type { AuditEvent, AuditEventInput } from "../../src/events/audit_event.ts";
import { auditEventSchema } from "../../src/events/audit_event_schema.ts";
import { AuditLogger, type AuditLoggerOptions } from "../../src/events/audit_logger.ts";
import { memorySink } from "../../src/events/memory_sink.ts";

/** What acts on a terminal, ends a line, or hides: nothing of it may stand raw in a line. */
// deno-lint-ignore no-control-regex -- they are what it looks for.
const ACTS = /[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;
const isEvent = new Ajv2020({ strict: true }).compile(auditEventSchema);

function recorder(options: Partial<AuditLoggerOptions> = {}) {
  const sink = memorySink({ capacity: 1 });
  const audit = new AuditLogger({ sinks: [sink], ...options });
  const last = () => sink.events[0];
  const record = (fields: Partial<AuditEventInput>): AuditEvent => {
    const answer = audit.report({ kind: "file.read", outcome: "success", ...fields });
    assertEquals(answer, undefined);
    const event = last();
    assert(event !== undefined);
    return event;
  };
  const detail = (value: unknown) => record({ details: { value } }).details.value;
  return { audit, last, record, detail };
}

function throws(): never {
  throw new Error("hostile");
}

const hostileProxy = new Proxy({}, {
  get: throws,
  has: throws,
  ownKeys: throws,
  getPrototypeOf: throws,
  getOwnPropertyDescriptor: throws,
});
const revoked = Proxy.revocable([], {});
revoked.revoke();

Deno.test("a line holds what was reported and nothing that acts: line ends, quotes, ANSI, bidi", () => {
  const attacks: [name: string, text: string][] = [
    ["CR/LF", "bob\nINFO login ok for admin"],
    ["CR", "bob\rINFO"],
    ["forged field", 'x","role":"admin'],
    ["ANSI and OSC", "\x1b[2J\x1b]0;pwn\x07"],
    ["C1", "\x9b2J\x85"],
    ["DEL", "a\x7f"],
    ["bidi", "\u202eexe.md\u2066\u2067\u2068\u2069"],
    ["zero width", "ad\u200bmin\ufeff"],
    ["separators", "a\u2028b\u2029c"],
    ["NUL", "a\0b"],
  ];
  const { record } = recorder();
  const rawByControl: string[] = [];
  for (const [name, text] of attacks) {
    // Control: the same by JSON.stringify.
    if (ACTS.test(JSON.stringify({ principal: text }))) rawByControl.push(name);
    const event = record({
      principal: text,
      resource: text,
      reason: text,
      operation: text,
      code: text,
      details: { [text]: text, nested: [text] },
      source: { address: text, confidence: "claimed" },
    });
    const line = toJsonLine(event);
    assertFalse(ACTS.test(line), name);
    assertEquals(line.split(/\r\n|[\n\r\u2028\u2029\x85]/).length, 1, name);
    const read: AuditEvent = JSON.parse(line);
    assertEquals(read, event, name);
    assertEquals([read.principal, read.details[text]], [text, text], name);
    assertEquals("role" in read, false, name);
  }
  assertEquals(rawByControl, ["C1", "DEL", "bidi", "zero width", "separators"]);
});

Deno.test("report() makes a stand-in of what JSON cannot say", () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  const sparse: unknown[] = [];
  sparse[2] = 1;
  const cases: [unknown, unknown][] = [
    [12n, "[BigInt 12]"],
    [-(10n ** 30n), "[BigInt -1000000000000000000000000000000]"],
    [10n ** 100_000n, "[BigInt]"],
    [NaN, "[NaN]"],
    [-Infinity, "[-Infinity]"],
    [-0, 0],
    [Symbol("s"), "[symbol s]"],
    [Symbol(), "[symbol ]"],
    [throws, "[function throws]"],
    [cycle, { self: "[circular]" }],
    [new Date(0), "1970-01-01T00:00:00.000Z"],
    [new Date(NaN), "[invalid date]"],
    [new Map<unknown, unknown>([["a", 1], [2, "b"], [{}, 3]]), { a: 1, 2: "b", "[object 3]": 3 }],
    [new Set([1, "a"]), [1, "a"]],
    [new Uint8Array(3), "[Uint8Array 3]"],
    [new DataView(new ArrayBuffer(8)), "[DataView 8]"],
    [new ArrayBuffer(5), "[ArrayBuffer 5]"],
    [Promise.resolve(), "[Promise]"],
    [/x/g, "[RegExp]"],
    [new URL("https://example.com/a"), "https://example.com/a"],
    [new URLSearchParams("a=1&b=2"), { a: "1", b: "2" }],
    [new Headers({ accept: "text/html" }), { accept: "text/html" }],
    [Object("boxed"), "boxed"],
    [Object(7n), "[BigInt 7]"],
    [sparse, [null, null, 1]],
    [[undefined, null], [null, null]],
    [Object.create(null, { a: { value: 1, enumerable: true } }), { a: 1 }],
    [
      new (class User {
        name = "alice";
        #secret = 1;
        get(): number {
          return this.#secret;
        }
      })(),
      {
        name: "alice",
      },
    ],
    [new TypeError("no"), { name: "TypeError", message: "no" }],
    [Object.assign(new Error("no"), { code: "ENOENT", stack: "at /home/alice" }), {
      name: "Error",
      message: "no",
      code: "ENOENT",
    }],
    [{ toJSON: throws, a: 1 }, { toJSON: "[function throws]", a: 1 }],
    [{ a: 1, toJSON: () => "a lie" }, { a: 1, toJSON: "[function toJSON]" }],
    [Object.defineProperty({}, "a", { get: throws, enumerable: true }), { a: "[unreadable]" }],
    [hostileProxy, "[unreadable]"],
    [revoked.proxy, "[unreadable]"],
    [Object.create(Map.prototype), "[unreadable]"],
    [Object.defineProperty(new Error(), "message", { get: throws }), {
      name: "Error",
      message: "[unreadable]",
    }],
    ["a\ud800b", "a\ufffdb"],
    [{ "\udc00": 1 }, { "\ufffd": 1 }],
    [JSON.parse('{"__proto__":{"isAdmin":true}}'), { "[__proto__]": { isAdmin: true } }],
    [JSON.parse('{"__proto__":1,"[__proto__]":2}'), { "[__proto__]": 1, "[__proto__]'2": 2 }],
  ];
  const { detail } = recorder();
  for (const [value, expected] of cases) assertEquals(detail(value), expected);
  assertThrows(() => JSON.stringify({ value: 12n }));
  assertThrows(() => JSON.stringify(cycle));
});

Deno.test("report() takes details of any form", () => {
  const { record } = recorder();
  const cases: [unknown, unknown][] = [
    [undefined, {}],
    [{}, {}],
    [{ a: undefined }, {}],
    [null, { value: null }],
    ["text", { value: "text" }],
    [[1, 2], { value: [1, 2] }],
    [new Date(0), { value: "1970-01-01T00:00:00.000Z" }],
    [new Map([["a", 1]]), { a: 1 }],
    [new Error("no"), { name: "Error", message: "no" }],
    [hostileProxy, { value: "[unreadable]" }],
  ];
  for (const [details, expected] of cases) {
    assertEquals(record({ details: details as never }).details, expected as never);
  }
});

Deno.test("report() survives a report that cannot be read", () => {
  const { audit, last } = recorder();
  audit.report(hostileProxy as AuditEventInput);
  assertEquals([last()?.kind, last()?.outcome, last()?.principal], [
    "invalid",
    "error",
    "[unreadable]",
  ]);
  assert(isEvent(last()));
  const partly = {
    kind: "login",
    outcome: "denied",
    get principal(): string {
      return throws();
    },
  };
  audit.report(partly as AuditEventInput);
  assertEquals([last()?.kind, last()?.outcome, last()?.principal], [
    "login",
    "denied",
    "[unreadable]",
  ]);
  audit.report({ kind: "login", outcome: "denied", source: hostileProxy as never });
  assertEquals(last()?.source, { address: "[unreadable]", confidence: "claimed" });
});

Deno.test("report() cuts texts, and says how much is missing", () => {
  const { record } = recorder({ maxStringLength: 64 });
  const { reason, details } = record({ reason: "r".repeat(1064), details: { a: "x".repeat(65) } });
  assertEquals(reason, `${"r".repeat(64)}…[+1000]`);
  assertEquals(details.a, `${"x".repeat(64)}…[+1]`);
  assertEquals(record({ reason: "r".repeat(64) }).reason, "r".repeat(64));
  // Between the halves of a character.
  assertEquals(record({ reason: "r".repeat(63) + "😀" }).reason, `${"r".repeat(63)}\ufffd…[+1]`);
  // What redaction makes longer is cut, too.
  const grown = record({ reason: "pwd=x&".repeat(10) }).reason ?? "";
  assertLessOrEqual(grown.length, 64 + "…[+9999]".length);
});

Deno.test("report() bounds members, depth and bytes, and says what is missing", () => {
  const { record } = recorder({ maxMembers: 3, maxDepth: 3 });
  const many = Object.fromEntries(Array.from({ length: 10 }, (_, at) => [`m${at}`, at]));
  assertEquals(record({ details: many }).details, { m0: 0, m1: 1, m2: 2, "…": "[+7]" });
  assertEquals(record({ details: { list: new Array(1e6).fill(0) } }).details, {
    list: [0, 0, 0, "…[+999997]"],
  });
  assertEquals(record({ details: { list: new Set([1, 2, 3, 4]) } }).details, {
    list: [1, 2, 3, "…[+1]"],
  });
  const map = new Map(Array.from({ length: 1e5 }, (_, at) => [`m${at}`, at]));
  assertEquals(record({ details: { map } }).details, {
    map: { m0: 0, m1: 1, m2: 2, "…": "[+99997]" },
  });
  assertEquals(record({ details: { a: { b: { c: 1, d: {} } } } }).details, {
    a: { b: { c: 1, d: "[too deep]" } },
  });

  let nested: unknown = 1;
  for (let depth = 0; depth < 100_000; depth++) nested = [nested];
  assertMatch(JSON.stringify(record({ details: { nested } }).details), /too deep/);

  const wide = recorder({ maxMembers: 10_000 });
  const { details } = wide.record({
    details: { a: "x", list: new Array(5000).fill("0123456789"), b: "never reached" },
  });
  const { list } = details as { list: string[] };
  assertMatch(list.at(-1) ?? "", /^…\[\+\d+\]$/);
  assertLessOrEqual(JSON.stringify(details).length, 16_384);
  assertEquals(details["…"] ?? details.b, "[+1]");
});

Deno.test("report() does not walk what grows by sharing", () => {
  let node: unknown = "leaf";
  for (let level = 0; level < 30; level++) node = new Array(30).fill(node);
  const before = performance.now();
  const { detail } = recorder({ maxDepth: 32, maxMembers: 10_000 });
  detail(node);
  // Control: 30^30 leaves end for nobody; a bounded walk takes milliseconds.
  assertLess(performance.now() - before, 5000);
});

Deno.test("report() keeps nothing of a huge text but what it recorded", async () => {
  const program = `
    import { AuditLogger } from "./src/events/audit_logger.ts";
    import { memorySink } from "./src/events/memory_sink.ts";
    const slices = Deno.args[0] === "slices" ? [] : undefined;
    const sink = memorySink();
    const audit = new AuditLogger({ sinks: [sink] });
    const decoder = new TextDecoder();
    for (let at = 0; at < 20; at++) {
      const text = decoder.decode(new Uint8Array(4_000_000).fill(97));
      if (slices) slices.push(text.slice(0, 2048));
      else audit.report({ kind: "x", outcome: "success", reason: text, details: { text } });
    }
    gc();
    const kept = Deno.memoryUsage().heapUsed;
    if ((slices ?? sink.events).length !== 20) throw new Error();
    console.log(kept);`;
  const directory = await Deno.makeTempDir();
  try {
    const root = new URL("../../", import.meta.url);
    const file = `${directory}/memory.ts`;
    await Deno.writeTextFile(file, program.replaceAll("./src/", new URL("src/", root).href));
    const heapUsed = async (how: string) => {
      const { success, stdout } = await new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--no-check",
          "--v8-flags=--expose-gc",
          `--config=${configPath(root)}`,
          file,
          how,
        ],
        stdin: "null",
        stderr: "inherit",
      }).output();
      assert(success);
      return Number(new TextDecoder().decode(stdout));
    };
    // Control: slices keep the whole texts, 80 MB.
    assertLess(60_000_000, await heapUsed("slices"));
    assertLess(await heapUsed("events"), 30_000_000);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

function configPath(root: URL): string {
  return decodeURIComponent(new URL("deno.json", root).pathname);
}

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.constantFrom(
    "\ud800",
    "\x1b[2J",
    "__proto__",
    "constructor",
    "password",
    "a".repeat(5000),
    "\u0001".repeat(3000),
    "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln",
  ),
);
const anything = fc.anything({
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withTypedArray: true,
  withSparseArray: true,
  withNullPrototype: true,
  withObjectString: true,
  key: text,
  values: [text, fc.double(), fc.boolean(), fc.constant(null), fc.constant(undefined)],
});

/** Wraps a value into an object that fails at some of what is asked of it. */
function saboteur(value: unknown, traps: readonly (keyof ProxyHandler<object>)[]): object {
  const target = typeof value === "object" && value !== null ? value : { value };
  return new Proxy(target, Object.fromEntries(traps.map((trap) => [trap, throws])));
}

/** Makers of values, as the library that calls them looks at values itself. */
const hostile: fc.Arbitrary<() => unknown> = fc.oneof(
  anything.map((value) => () => value),
  fc.tuple(
    anything,
    fc.subarray(["get", "ownKeys", "getPrototypeOf", "getOwnPropertyDescriptor", "has"] as const),
  ).map(([value, traps]) => () => saboteur(value, traps)),
  anything.map((value) => () => Object.defineProperty({ value }, "bad", getter)),
  anything.map((value) => () => {
    const cycle: unknown[] = [value];
    cycle.push({ cycle });
    return cycle;
  }),
  fc.integer({ min: -1, max: 1e9 }).map((length) => () =>
    new Proxy([], { get: (_, name) => name === "length" ? length : name })
  ),
  anything.map((value) => () => ({ toJSON: () => value })),
  fc.constantFrom(
    () => throws,
    () => Symbol("x"),
    () => 10n ** 50n,
    () => revoked.proxy,
    () => hostileProxy,
    () => new Error("x"),
  ),
);
const getter = { get: throws, enumerable: true };

const FIELDS = [
  "kind",
  "outcome",
  "timeMs",
  "severity",
  "principal",
  "principalConfidence",
  "resource",
  "operation",
  "code",
  "reason",
  "durationMs",
  "source",
  "correlationId",
  "traceparent",
  "clientCorrelationId",
  "details",
];
function objectOf(makers: Readonly<Record<string, () => unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(makers).map(([name, make]) => [name, make()]));
}

const texts = text.map((value) => () => value);
const reports = fc.oneof(
  hostile,
  fc.dictionary(fc.constantFrom(...FIELDS), fc.oneof(texts, hostile))
    .map((makers) => () => objectOf(makers)),
  fc.tuple(
    fc.dictionary(text, hostile),
    fc.record({ address: hostile, port: hostile, confidence: hostile }),
  ).map(([details, source]) => () => ({
    kind: "file.read",
    outcome: "success",
    details: objectOf(details),
    source: objectOf(source),
  })),
);

function assertFrozen(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  assert(Object.isFrozen(value));
  Object.values(value).forEach(assertFrozen);
}

Deno.test("report() never throws, and always records a valid, frozen, bounded event in plain JSON", () => {
  const { audit, last } = recorder({
    maxStringLength: 256,
    maxDetailsBytes: 4096,
    hashIdentifiers: { key: new Uint8Array(16), keyId: "k", fields: ["source"] },
  });
  const bytes = (value: unknown) =>
    new TextEncoder().encode(escapeJson(JSON.stringify(value))).length;
  let seq = 0;
  fc.assert(
    fc.property(reports, (make) => {
      assertEquals(audit.report(make() as AuditEventInput), undefined);
      const event = last();
      assert(isEvent(event), JSON.stringify(isEvent.errors));
      assertEquals(event?.seq, ++seq);
      assertFrozen(event);
      const line = toJsonLine(event as AuditEvent);
      assertFalse(ACTS.test(line));
      assert(line.isWellFormed());
      assertEquals(JSON.parse(line), event);
      assertEquals(JSON.parse(JSON.stringify(event)), event);
      assertLessOrEqual(bytes(event?.details), 4096);
      for (const name of ["principal", "resource", "reason"] as const) {
        assertLessOrEqual((event?.[name] ?? "").length, 256 + 24);
      }
    }),
    { numRuns: 3000, seed: 20_260 },
  );
  assertEquals(audit.stats().lost, 0);
});

Deno.test("auditEventSchema refuses what is no event", () => {
  const { record } = recorder();
  const event = record({ principal: "alice", source: { address: "::1", confidence: "peer" } });
  assert(isEvent(event));
  const zeros = `${"A".repeat(43)}=`;
  assert(isEvent({ ...event, writer: "w", prev: zeros, hash: zeros }));
  const wrong = [
    { outcome: "ok" },
    { seq: 0 },
    { seq: 1.5 },
    { time: "2026-01-01" },
    { kind: "a b" },
    { details: [] },
    { principalConfidence: undefined },
    { source: { address: "::1" } },
    { source: { address: "::1", confidence: "peer", port: 65_536 } },
    { traceparent: `00-${"0".repeat(32)}-${"0".repeat(16)}-00` },
    { hash: zeros },
    { extra: 1 },
  ];
  for (const change of wrong) {
    const changed = JSON.parse(JSON.stringify({ ...event, ...change }));
    assertFalse(isEvent(changed), JSON.stringify(change));
  }
  for (const name of auditEventSchema.required) {
    const { [name]: _, ...rest } = event;
    assertFalse(isEvent(rest), name);
  }
  assertNotEquals(isEvent.errors, null);
});
