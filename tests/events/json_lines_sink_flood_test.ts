import { assertEquals, assertInstanceOf, assertLess } from "@std/assert";
import { makeFileSink } from "../../src/events/_file_sink.ts";
import { systemFileOps } from "../../src/events/_log_file_ops.ts";
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
    principalConfidence: "verified",
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
      // Where a thousand wait for their record, it is written before the end of the window.
      const floods = durability === "buffered" ? 1 : 10;
      assertEquals(counts(path), { "audit.start": 1, login: 130, "audit.coalesced": floods });
      assertEquals(sink.stats().coalesced, 9_900);
      const all = recordsOf(path).filter(({ kind }) => kind === "audit.coalesced");
      const { outcome, severity, principal, code, details } = all[0]!;
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
      const sum = all.reduce((sum, { details }) => sum + (details.count as number), 0);
      assertEquals(sum, 9_900);
      const [first, last] = [details.first, all.at(-1)!.details.last] as [string, string];
      assertEquals(Date.parse(last) - Date.parse(first), 99);
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

Deno.test("Coalescer counts no more keys than it may when 200,000 come", () => {
  const clock = new VirtualClock();
  let recorded = 0;
  const coalescer = new Coalescer(
    { perWindow: 1, windowMs: 1_000, maxKeys: 10_000 },
    clock,
    false,
    () => recorded++,
  );
  let passed = 0;
  for (let number = 0; number < 200_000; number++) {
    if (coalescer.take(flood({ principal: `p${number}` })) === undefined) passed++;
  }
  assertEquals(passed, 200_000);
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

Deno.test("jsonLinesSink() tells on what a flood was, and how bad the worst of it", () =>
  withSink({ coalesce: { perWindow: 2 } }, async (sink, _, path) => {
    const writes = ["public/1", "public/2"].map((resource) => sink.write(flood({ resource })));
    for (let number = 0; number < 20; number++) {
      writes.push(sink.write(flood({ resource: `tenants/${number % 18}` })));
    }
    writes.push(sink.write(flood({ resource: "x".repeat(5_000), severity: "critical" })));
    await sink.flush();
    await Promise.all(writes);
    const { details, severity } = recordsOf(path).at(-1)!;
    assertEquals(severity, "critical");
    assertEquals(details.resources, Array.from({ length: 16 }, (_, at) => `tenants/${at}`));
    assertEquals([details.count, details.otherResources], [21, 3]);
    assertEquals((details.ids as string[]).length, 16);
    assertEquals(details.otherIds, 5);
  }));

Deno.test("jsonLinesSink() cuts long resources in the record of a flood", () =>
  withSink({ coalesce: { perWindow: 1 } }, async (sink, _, path) => {
    const resource = `${"x".repeat(1_023)}\u{1f600}`;
    const writes = [1, 2].map(() => sink.write(flood({ resource })));
    await sink.flush();
    await Promise.all(writes);
    assertEquals(recordsOf(path).at(-1)!.details.resources, [`${"x".repeat(1_023)}\ufffd`]);
  }));

Deno.test("jsonLinesSink() merges refusals of one address whatever principals are made up", () =>
  withSink({ durability: "buffered" }, async (sink, _, path) => {
    for (let number = 0; number < 5_000; number++) {
      sink.write(flood({ principal: `user${number}`, principalConfidence: "claimed" }));
    }
    await sink.flush();
    assertEquals(counts(path), { "audit.start": 1, login: 100, "audit.coalesced": 1 });
    const { principal, details } = recordsOf(path).at(-1)!;
    assertEquals(principal, undefined);
    assertEquals((details.principals as string[])[0], "user100");
    assertEquals(details.otherPrincipals, 4_900 - 16);
  }));

Deno.test("jsonLinesSink() merges refusals of one verified principal whatever places it makes up", () =>
  withSink({ durability: "buffered" }, async (sink, _, path) => {
    for (let number = 0; number < 1_000; number++) {
      const source = { address: `192.0.2.${number}`, confidence: "claimed" as const };
      sink.write(flood({ source }));
    }
    await sink.flush();
    assertEquals(counts(path), { "audit.start": 1, login: 100, "audit.coalesced": 1 });
  }));

Deno.test("jsonLinesSink() merges nothing of which nobody knows from whom it comes", () =>
  withSink({ durability: "buffered" }, async (sink, _, path) => {
    for (let number = 0; number < 500; number++) {
      sink.write(
        flood({ principal: undefined, principalConfidence: undefined, source: undefined }),
      );
    }
    await sink.flush();
    assertEquals(counts(path), { "audit.start": 1, login: 500 });
  }));

Deno.test("Coalescer keeps no more writers waiting than it may", () => {
  const clock = new VirtualClock();
  const limits = { perWindow: 1, windowMs: 1_000, maxKeys: 10, maxWaiting: 10 };
  const waits: PromiseWithResolvers<void>[] = [];
  let recorded = 0;
  const coalescer = new Coalescer(limits, clock, true, (_, count, wait) => {
    recorded += count;
    waits.push(wait!);
  });
  let merged = 0;
  for (let number = 0; number < 1_000; number++) {
    if (coalescer.take(flood()) instanceof Promise) merged++;
  }
  // Those who wait for a file that does not keep up are bounded, too.
  assertEquals([merged, recorded, waits.length], [100, 90, 9]);
  coalescer.end();
  assertEquals([recorded, waits.length, clock.timers], [100, 10, 0]);
  for (const wait of waits) wait.resolve();
});

Deno.test("jsonLinesSink() bounds the records of floods while the disk is full, and counts the rest", () =>
  withFolder(async (folder) => {
    const [ops, clock, path] = [systemFileOps(), new VirtualClock(), `${folder}/audit.jsonl`];
    let isFull = false;
    const write: typeof ops.write = (...args) => {
      if (isFull) throw new Error("ENOSPC: no space left on device");
      return ops.write(...args);
    };
    const queue = { maxRecords: 100, maxWaiting: 10 };
    const coalesce = { perWindow: 1 };
    const sink = makeFileSink(
      { path, clock, durability: "buffered", queue, coalesce },
      { ...ops, write },
    );
    isFull = true;
    for (let second = 0; second < 10; second++) {
      for (let client = 0; client < 50; client++) {
        const source = { address: `192.0.2.${client}`, confidence: "peer" as const };
        for (let number = 0; number < 3; number++) {
          const settled = sink.write(flood({ source }));
          if (settled instanceof Promise) settled.catch(() => {});
        }
      }
      clock.advance(1_000);
      assertLess(sink.stats().queued, 111);
    }
    const { lost } = sink.stats();
    isFull = false;
    clock.advance(1_000);
    await sink.close();
    const records = recordsOf(path);
    const gap = records.find(({ details }) => details.cause === "queue-full")!;
    assertEquals(gap.details.count, lost);
    const told = records.reduce((sum, { kind, details }) => {
      if (kind === "login") return sum + 1;
      return kind === "audit.coalesced" ? sum + (details.count as number) : sum;
    }, 0);
    assertEquals(told + lost, 1_500);
    assertEquals(clock.timers, 0);
  }));
