import { assertEquals, assertInstanceOf, assertLess } from "@std/assert";
import { Coalescer } from "../../src/events/_coalesce.ts";
import { jsonLinesSink, type JsonLinesSinkOptions } from "../../src/events/json_lines_sink.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";
import { event, recordsOf, withFolder } from "./_sink_events.ts";

type Options = Partial<JsonLinesSinkOptions>;

function withSink(
  options: Options,
  test: (
    sink: ReturnType<typeof jsonLinesSink>,
    clock: VirtualClock,
    path: string,
  ) => Promise<void>,
): Promise<void> {
  return withFolder(async (folder) => {
    const clock = new VirtualClock();
    const path = `${folder}/audit.jsonl`;
    const sink = jsonLinesSink({ path, clock, ...options });
    await test(sink, clock, path);
    await sink.close();
    assertEquals(clock.timers, 0);
  });
}

const flood = (more = {}) =>
  event({
    kind: "login",
    outcome: "failure",
    code: "invalid_token",
    principal: "mallory",
    source: { address: "192.0.2.1", confidence: "peer" },
    severity: "warning",
    ...more,
  });

/** Counts of records by kind. */
function counts(path: string): Record<string, number> {
  const counted: Record<string, number> = {};
  for (const { kind } of recordsOf(path)) counted[kind] = (counted[kind] ?? 0) + 1;
  return counted;
}

for (const durability of ["buffered", "write", "fsync"] as const) {
  Deno.test(`jsonLinesSink() merges a flood into one record, and nobody else, under ${durability}`, () =>
    withSink({ durability }, async (sink, clock, path) => {
      const writes: (void | Promise<void>)[] = [];
      for (let number = 0; number < 10_000; number++) {
        clock.advance(0.01);
        const time = new Date(clock.wallMs()).toISOString();
        writes.push(sink.write(flood({ time })));
        if (number % 1_000 === 0) {
          writes.push(sink.write(event({ principal: "bob", kind: "login" })));
        }
        if (number % 1_000 === 0) {
          writes.push(sink.write(flood({ principal: "carol" })));
        }
        if (number % 1_000 === 0) {
          writes.push(sink.write(flood({ source: { address: "192.0.2.2", confidence: "peer" } })));
        }
      }
      clock.advance(1_000);
      await Promise.all(writes);
      await sink.flush();
      assertEquals(counts(path), { "audit.start": 1, login: 100 + 30, "audit.coalesced": 1 });
      assertEquals(sink.stats().coalesced, 9_900);
      const merged = recordsOf(path).find(({ kind }) => kind === "audit.coalesced")!;
      const { outcome, severity, principal, code, details } = merged;
      assertEquals({ outcome, severity, principal, code }, {
        outcome: "failure",
        severity: "warning",
        principal: "mallory",
        code: "invalid_token",
      });
      assertEquals(details.of, {
        kind: "login",
        outcome: "failure",
        code: "invalid_token",
        principal: "mallory",
        address: "192.0.2.1",
      });
      assertEquals(details.count, 9_900);
      assertEquals(
        Date.parse(details.last as string) - Date.parse(details.first as string),
        99,
      );
    }));
}

Deno.test("jsonLinesSink() never merges what succeeded or broke", () =>
  withSink({}, async (sink, _, path) => {
    for (const outcome of ["success", "error"] as const) {
      await Promise.all(Array.from({ length: 300 }, () => sink.write(flood({ outcome }))));
    }
    await sink.flush();
    assertEquals(counts(path), { "audit.start": 1, login: 600 });
  }));

Deno.test("jsonLinesSink() settles what was merged when its record is written, not before", () =>
  withSink({ durability: "write" }, async (sink, clock, path) => {
    let settled = 0;
    for (let number = 0; number < 105; number++) {
      const write = sink.write(flood());
      assertInstanceOf(write, Promise);
      write.then(() => settled++);
    }
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    assertEquals(settled, 100);
    clock.advance(999);
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    assertEquals(settled, 100);
    clock.advance(1);
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    assertEquals(settled, 105);
    assertEquals(counts(path)["audit.coalesced"], 1);
    // A new window begins with records again.
    await sink.write(flood());
    assertEquals(counts(path).login, 101);
  }));

Deno.test("jsonLinesSink() writes every event of a flood when coalesce is false", () =>
  withSink({ coalesce: false }, async (sink, _, path) => {
    await Promise.all(Array.from({ length: 1_000 }, () => sink.write(flood())));
    assertEquals(counts(path), { "audit.start": 1, login: 1_000 });
  }));

Deno.test("jsonLinesSink() takes no two keys for one when principals hold what separates them", () =>
  withSink({ coalesce: { perWindow: 1 } }, async (sink, _, path) => {
    await Promise.all([
      sink.write(flood({ code: "a", principal: "b:1:c" })),
      sink.write(flood({ code: "a1:b", principal: ":1:c" })),
      sink.write(flood({ code: "a5:", principal: "b:1:c" })),
      sink.write(flood({ code: "", principal: "a5:b:1:c" })),
    ]);
    await sink.flush();
    assertEquals(counts(path), { "audit.start": 1, login: 4 });
  }));

Deno.test("jsonLinesSink() writes a flood that has not ended when it is closed", () =>
  withFolder(async (folder) => {
    const clock = new VirtualClock();
    const path = `${folder}/audit.jsonl`;
    const sink = jsonLinesSink({ path, clock, coalesce: { perWindow: 1 } });
    const writes = [1, 2, 3].map(() => sink.write(flood()));
    await sink.close();
    await Promise.all(writes);
    assertEquals(counts(path), { "audit.start": 1, login: 1, "audit.coalesced": 1 });
  }));

Deno.test("Coalescer counts no more keys than it may when a million come", () => {
  const clock = new VirtualClock();
  let recorded = 0;
  const coalescer = new Coalescer(
    { perWindow: 1, windowMs: 1_000, maxKeys: 10_000 },
    clock,
    false,
    () => recorded++,
  );
  let passed = 0;
  for (let number = 0; number < 1_000_000; number++) {
    if (coalescer.take(flood({ principal: `p${number}` })) === undefined) passed++;
  }
  assertEquals(passed, 1_000_000);
  assertEquals(coalescer.keys, 10_000);
  // Whoever is counted still is.
  assertEquals(coalescer.take(flood({ principal: "p0" })), true);
  clock.advance(1_000);
  assertEquals(recorded, 1);
  assertEquals(coalescer.keys, 0);
  assertEquals(clock.timers, 0);
});

Deno.test("Coalescer bounds the memory of keys when each is long", () => {
  const clock = new VirtualClock();
  const limits = { perWindow: 1, windowMs: 1_000, maxKeys: 1_000_000 };
  const coalescer = new Coalescer(limits, clock, false, () => {});
  const long = "x".repeat(10_000);
  for (let number = 0; number < 1_000; number++) {
    coalescer.take(flood({ principal: `${number}${long}` }));
  }
  assertLess(coalescer.keys, 420);
});
