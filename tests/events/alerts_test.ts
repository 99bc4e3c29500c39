import { assert, assertEquals, assertLess, assertLessOrEqual, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { Alert, AlertRule } from "../../src/events/alert.ts";
import { type Alerts, type AlertsOptions, createAlerts } from "../../src/events/alerts.ts";
import type { AuditEvent, AuditEventInput, AuditSource } from "../../src/events/audit_event.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";

let seq = 0;

function eventOf(input: Partial<AuditEvent> = {}): AuditEvent {
  return {
    kind: "app.login",
    outcome: "failure",
    id: `e${++seq}`,
    seq,
    time: "2026-01-01T00:00:00.000Z",
    recordedAt: "2026-01-01T00:00:00.000Z",
    severity: "warning",
    correlationId: "c1",
    details: {},
    ...input,
  };
}

function peer(address: string): AuditSource {
  return { address, confidence: "peer" };
}

/** Alerts of one rule, and what it has fired. */
function watch(
  rule: Partial<AlertRule> = {},
  options: Partial<AlertsOptions> = {},
): { alerts: Alerts; fired: Alert[]; clock: VirtualClock; write: (event: AuditEvent) => void } {
  const clock = new VirtualClock();
  const fired: Alert[] = [];
  const alerts = createAlerts({
    clock,
    maxInFlight: 10_000,
    rules: [{
      name: "rule",
      when: { outcome: "failure" },
      threshold: 5,
      withinSeconds: 60,
      by: "principal",
      then: [(alert) => {
        fired.push(alert);
      }],
      ...rule,
    }],
    ...options,
  });
  return { alerts, fired, clock, write: (event) => void alerts.sink.write(event) };
}

function targets(fired: readonly Alert[]): unknown[] {
  return fired.map(({ blockable, target }) => [blockable, target]);
}

Deno.test("alerts.sink is not required, and gets identifiers as they are", () => {
  const { name, required, plainIdentifiers } = watch().alerts.sink;
  assertEquals([name, required, plainIdentifiers], ["alerts", false, true]);
});

Deno.test("alerts fire at the threshold, once in a cool-down", async () => {
  const { alerts, fired, clock, write } = watch({ by: "global" });
  const burst = async (count: number) => {
    for (let at = 0; at < count; at++) write(eventOf());
    await alerts.flush();
    return fired.length;
  };
  assertEquals(await burst(4), 0);
  assertEquals(await burst(1), 1);
  assertEquals(await burst(100), 1);
  clock.advance(59_999);
  assertEquals(await burst(100), 1);
  clock.advance(1);
  assertEquals(await burst(1), 2);
  assertEquals(fired[0]!.count, 5);
  assertEquals(fired[0]!.firstTime, "2023-11-14T22:13:20.000Z");
  assert(Object.isFrozen(fired[0]));
});

/** What is commonly used: windows that begin at fixed times. */
function fixedWindows(threshold: number, windowMs: number): (nowMs: number) => boolean {
  let window = -1;
  let count = 0;
  return (nowMs) => {
    if (Math.floor(nowMs / windowMs) !== window) {
      window = Math.floor(nowMs / windowMs);
      count = 0;
    }
    return ++count === threshold;
  };
}

Deno.test("alerts fire when the events lie on both sides of the edge of a fixed window", async () => {
  const bare = fixedWindows(5, 60_000);
  let bareFired = false;
  const { alerts, fired, clock, write } = watch({ by: "global" });
  clock.advance(59_000);
  for (let at = 0; at < 5; at++) {
    bareFired ||= bare(clock.monotonicMs());
    write(eventOf());
    clock.advance(500);
  }
  await alerts.flush();
  assertEquals([bareFired, fired.length], [false, 1]);
});

Deno.test("alerts fire whenever as many events as the threshold lie within the time, whatever it is", () => {
  const property = fc.property(
    fc.constantFrom(1, 2, 5, 32, 33, 50, 100),
    fc.array(fc.integer({ min: 0, max: 4000 }), { minLength: 1, maxLength: 400 }),
    (threshold, gaps) => {
      const { alerts, clock, write } = watch({ by: "global", threshold, coolDownSeconds: 0 });
      let times: number[] = [];
      for (const gapMs of gaps) {
        clock.advance(gapMs);
        const nowMs = clock.monotonicMs();
        times.push(nowMs);
        const before = alerts.stats().fired;
        write(eventOf());
        const hasFired = alerts.stats().fired > before;
        const inWindow = times.filter((time) => nowMs - time <= 60_000).length;
        const inLonger = times.filter((time) => nowMs - time <= 60_000 * (1 + 1 / 30)).length;
        if (inWindow >= threshold) assert(hasFired, `${inWindow} of ${threshold}`);
        if (hasFired) assertLessOrEqual(threshold, threshold <= 32 ? inWindow : inLonger);
        if (hasFired) times = [];
      }
    },
  );
  fc.assert(property, { seed: 6, numRuns: 100 });
});

Deno.test("alerts do not change their mind when the clock on the wall jumps", async () => {
  const { alerts, fired, clock, write } = watch({ by: "global" });
  for (const wallMs of [0, 4e12, 1e12, 0, 1]) {
    clock.setWall(wallMs);
    write(eventOf());
  }
  await alerts.flush();
  assertEquals(fired.length, 1);
});

Deno.test("alerts never let an attacker lock out a victim by failing in its name", async () => {
  const { alerts, fired, write } = watch();
  // The control: a rule that blocks whoever the last event names.
  const bareBlocked = new Set<string>();
  let bareCount = 0;
  const attacker = peer("203.0.113.9");
  for (let at = 0; at < 4; at++) {
    write(eventOf({ principal: "victim", source: attacker }));
    bareCount++;
  }
  // The victim's own typing error is the fifth event; then it logs in, and does something that is denied.
  const mistake = eventOf({ principal: "victim", source: peer("192.0.2.7") });
  write(mistake);
  if (++bareCount === 5) bareBlocked.add(mistake.principal!);
  assert(bareBlocked.has("victim"));
  await alerts.flush();
  assertEquals(targets(fired), [[null, null]]);
  write(
    eventOf({ principal: "victim", principalConfidence: "verified", source: peer("192.0.2.7") }),
  );
  write(eventOf({ principal: "victim", source: attacker }));
  await alerts.flush();
  assertEquals(targets(fired), [
    [null, null],
    ["principal+source", { principal: "victim", source: "203.0.113.9" }],
  ]);
});

Deno.test("alerts notice failures in one name from many sources, and block nothing for it", async () => {
  const { alerts, fired, write } = watch();
  for (let at = 0; at < 10; at++) {
    write(eventOf({ principal: "victim", source: peer(`203.0.113.${at}`) }));
  }
  await alerts.flush();
  assertEquals(targets(fired), [[null, null]]);
  assertEquals(fired[0]!.key, "principal:claimed:victim");
});

Deno.test("alerts never let an attacker block an address that it only claims", async () => {
  for (const by of ["principal", "source", "principal+source"] as const) {
    for (const principalConfidence of ["verified", "claimed"] as const) {
      const { alerts, fired, write } = watch({ by });
      const source = { address: "192.0.2.7", confidence: "claimed" } as const;
      for (let at = 0; at < 5; at++) {
        write(eventOf({ principal: "p", principalConfidence, source }));
      }
      // A verified principal did it itself, wherever it says to be.
      const isItself = by === "principal" && principalConfidence === "verified";
      await alerts.flush();
      assertEquals(
        targets(fired),
        [isItself ? ["principal", { principal: "p" }] : [null, null]],
        `${by} ${principalConfidence}`,
      );
    }
  }
});

Deno.test("alerts count what is claimed apart from what is verified", () => {
  const source = peer("192.0.2.7");
  const claimed = { ...source, confidence: "claimed" } as const;
  const pairs: [by: AlertRule["by"], a: Partial<AuditEvent>, b: Partial<AuditEvent>][] = [
    ["principal", { principalConfidence: "claimed" }, { principalConfidence: "verified" }],
    ["source", { source }, { source: claimed }],
    ["principal+source", { source }, { source: claimed }],
    [
      "principal+source",
      { source, principalConfidence: "claimed" },
      { source, principalConfidence: "verified" },
    ],
  ];
  for (const [by, a, b] of pairs) {
    const { alerts, write } = watch({ by });
    for (let at = 0; at < 4; at++) {
      write(eventOf({ principal: "p", ...a }));
      write(eventOf({ principal: "p", ...b }));
    }
    assertEquals(alerts.stats().fired, 0);
    write(eventOf({ principal: "p", ...b }));
    assertEquals(alerts.stats().fired, 1);
  }
});

Deno.test("alerts say what may be blocked", async () => {
  const source = peer("192.0.2.7");
  const principal = "alice";
  const verified = { principal, principalConfidence: "verified", source } as const;
  const cases: [by: AlertRule["by"], event: Partial<AuditEvent>, expected: unknown[]][] = [
    ["principal", verified, ["principal", { principal }]],
    ["principal", { principal, principalConfidence: "verified" }, ["principal", { principal }]],
    ["principal", { principal, source }, ["principal+source", { principal, source: "192.0.2.7" }]],
    ["principal", { principal }, [null, null]],
    // Nobody has the name that a logger has hashed.
    ["principal", { ...verified, hashKeyId: "k1" }, [null, null]],
    ["principal+source", { ...verified, hashKeyId: "k1" }, [null, null]],
    ["principal+source", verified, ["principal+source", { principal, source: "192.0.2.7" }]],
    ["source", { source }, ["source", { source: "192.0.2.7" }]],
    ["source", { source: { ...source, confidence: "forwarded" } }, [
      "source",
      { source: "192.0.2.7" },
    ]],
    ["source", { source: peer("::ffff:192.0.2.7") }, ["source", { source: "192.0.2.7" }]],
    // All clients of a Unix socket have the same.
    ["source", { source: peer("/run/app.sock") }, [null, null]],
    ["code", { ...verified, code: "replayed" }, [null, null]],
    ["global", verified, [null, null]],
    [() => "key", verified, [null, null]],
  ];
  for (const [by, event, expected] of cases) {
    const { alerts, fired, write } = watch({ by, threshold: 1 });
    write(eventOf(event));
    await alerts.flush();
    assertEquals(targets(fired), [expected], JSON.stringify([by, event]));
  }
});

Deno.test("alerts count an IPv6 host by its /64, and IPv4 in either form as one", () => {
  const { alerts, write } = watch({ by: "source" });
  for (let at = 0; at < 5; at++) write(eventOf({ source: peer(`2001:db8::${at}`) }));
  assertEquals(alerts.stats().fired, 1);
  for (let at = 0; at < 4; at++) write(eventOf({ source: peer("192.0.2.7") }));
  write(eventOf({ source: peer("::ffff:192.0.2.7") }));
  assertEquals(alerts.stats().fired, 2);
});

Deno.test("alerts count by pairs that no names can forge", () => {
  const { alerts, write } = watch({ by: "principal+source", threshold: 2 });
  write(eventOf({ principal: "b", source: peer("sock:a") }));
  write(eventOf({ principal: "a:b", source: peer("sock") }));
  write(eventOf({ principal: `${"x".repeat(5000)}1`, source: peer("sock") }));
  write(eventOf({ principal: `${"x".repeat(5000)}2`, source: peer("sock") }));
  assertEquals(alerts.stats().fired, 0);
});

Deno.test("alerts count what the condition says", () => {
  const event = { kind: "dpop.verify", outcome: "denied", code: "replayed" } as const;
  const cases: [when: AlertRule["when"], event: Partial<AuditEvent>, isCounted: boolean][] = [
    [{}, event, true],
    [{ kind: "dpop.verify" }, event, true],
    [{ kind: "dpop.*" }, event, true],
    [{ kind: ["file.read", "dpop.*"] }, event, true],
    [{ kind: "dpop" }, event, false],
    [{ kind: "dp.*" }, event, false],
    [{ outcome: "denied" }, event, true],
    [{ outcome: ["failure", "error"] }, event, false],
    [{ code: "replayed" }, event, true],
    [{ code: "replayed" }, { ...event, code: "other" }, false],
    [{ code: "replayed" }, { kind: "dpop.verify", outcome: "denied" }, false],
    [{ severity: "warning" }, event, true],
    [{ severity: ["error", "critical"] }, event, false],
    [{ kind: "dpop.*", outcome: "denied", severity: "error" }, event, false],
    [(event) => event.code === "replayed", event, true],
    [(() => 1) as unknown as () => boolean, event, false],
    [{}, { kind: "alert.fired" }, false],
    [{}, { kind: "audit.gap" }, false],
    [() => true, { kind: "alert.fired" }, false],
    [{ kind: "audit.gap" }, { kind: "audit.gap" }, true],
    [{ kind: "alert.*" }, { kind: "alert.fired" }, true],
    [{ kind: "alert.*" }, { kind: "alert.fired", details: { rule: "rule" } }, false],
  ];
  for (const [when, input, isCounted] of cases) {
    const { alerts, write } = watch({ when, by: "global", threshold: 1 });
    write(eventOf(input));
    assertEquals([when, input, alerts.stats().fired], [when, input, isCounted ? 1 : 0]);
  }
});

Deno.test("alerts do not count events that lack what is counted by", () => {
  for (const by of ["principal", "source", "principal+source", "code", () => undefined] as const) {
    const { alerts, write } = watch({ by, threshold: 1 });
    write(eventOf());
    assertEquals(alerts.stats().fired, 0);
  }
});

Deno.test("alerts count an error in a function of a rule, and go on with the others", async () => {
  const fired: string[] = [];
  const rule = (name: string, more: Partial<AlertRule>): AlertRule => ({
    name,
    when: {},
    threshold: 1,
    withinSeconds: 60,
    by: "global",
    then: [() => void fired.push(name)],
    ...more,
  });
  const fail = (): never => {
    throw new Error("no");
  };
  await using alerts = createAlerts({
    clock: new VirtualClock(),
    rules: [rule("when", { when: fail }), rule("by", { by: fail }), rule("good", {})],
  });
  alerts.sink.write(eventOf());
  await alerts.flush();
  assertEquals([fired, alerts.stats().ruleErrors], [["good"], 2]);
});

/** Takes reports as a logger does, and passes them to the alerts that report to it. */
function loop(): { reports: AuditEventInput[]; report: (e: AuditEventInput) => void; to?: Alerts } {
  const logger: ReturnType<typeof loop> = {
    reports: [],
    report(input) {
      logger.reports.push(input);
      if (logger.reports.length > 1000) throw new Error("it goes on for ever");
      void logger.to?.sink.write(eventOf(input as Partial<AuditEvent>));
    },
  };
  return logger;
}

Deno.test("alerts report what they did, and what failed, without the key", async () => {
  const logger = loop();
  const { alerts, write } = watch({
    name: "failed logins",
    then: [() => Promise.reject(new Error("secret"))],
    threshold: 1,
  }, { reporter: logger });
  write(eventOf({ principal: "alice", source: peer("192.0.2.7"), id: "e", correlationId: "c7" }));
  await alerts.flush();
  const facts = {
    operation: "failed logins",
    principal: "alice",
    principalConfidence: "claimed",
    source: peer("192.0.2.7"),
    correlationId: "c7",
    details: {
      rule: "failed logins",
      by: "principal",
      count: 1,
      firstTime: "2023-11-14T22:13:20.000Z",
      blockable: "principal+source",
      eventId: "e",
    },
  } as const;
  assertEquals(logger.reports, [
    { kind: "alert.fired", outcome: "success", severity: "warning", ...facts },
    { kind: "alert.failed", outcome: "error", reason: "An action failed", ...facts },
  ]);
});

Deno.test("alerts do not go on by themselves when an action reports to the logger that they watch", async () => {
  const logger = loop();
  // The control: an action that reports what its rule counts, with nothing in between.
  const bare = loop();
  const bareSink = { write: () => bare.report({ kind: "app.block", outcome: "denied" }) };
  bare.to = { sink: bareSink } as unknown as Alerts;
  assertThrows(() => bareSink.write(), Error, "it goes on for ever");

  let calls = 0;
  const report = async () => {
    calls++;
    logger.report({ kind: "app.block", outcome: "denied", principal: `p${calls}` });
    await Promise.resolve();
    logger.report({ kind: "app.block", outcome: "denied", principal: `later${calls}` });
  };
  const rule = { threshold: 1, withinSeconds: 60, by: "principal", then: [report] } as const;
  await using alerts = createAlerts({
    clock: new VirtualClock(),
    reporter: logger,
    rules: [
      { ...rule, name: "a", when: { outcome: ["denied", "failure"] } },
      { ...rule, name: "b", when: { kind: ["alert.*", "app.*"] } },
    ],
  });
  logger.to = alerts;
  alerts.sink.write(eventOf({ principal: "p" }));
  await alerts.flush();
  // Each rule may lead to the other, but neither to itself.
  assertLess(calls, 20);
  assert(alerts.stats().ownEvents > 0);
  assertEquals(alerts.stats().inFlight, 0);
});

Deno.test("alerts do not wait for an action for longer than it may take", async () => {
  const logger = loop();
  const reasons: unknown[] = [];
  let end = () => {};
  const { alerts, clock, write } = watch({
    by: "global",
    threshold: 1,
    then: [
      (_alert, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => {
            reasons.push(signal.reason);
            reject(signal.reason);
          });
        }),
      () => new Promise((resolve) => end = resolve),
    ],
  }, { reporter: logger, actionTimeoutMs: 2000 });
  write(eventOf());
  await Promise.resolve();
  assertEquals(alerts.stats().inFlight, 3);
  const flushed = alerts.flush();
  clock.advance(2000);
  await flushed;
  const { failedActions, timedOutActions, inFlight, orphans } = alerts.stats();
  assertEquals([failedActions, timedOutActions, inFlight, orphans], [2, 2, 0, 1]);
  assertEquals(logger.reports.map(({ kind }) => kind), [
    "alert.fired",
    "alert.failed",
    "alert.failed",
  ]);
  assertEquals(reasons.length, 1);
  end();
  await alerts.flush();
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals([alerts.stats().orphans, clock.timers], [0, 0]);
});

Deno.test("alerts wait for the next event when there are too many actions at once", async () => {
  const ends: (() => void)[] = [];
  const { alerts, write } = watch({
    threshold: 1,
    by: (event) => event.id,
    then: [() => new Promise((resolve) => void ends.push(resolve))],
  }, { maxInFlight: 3 });
  const event = eventOf();
  for (let at = 0; at < 10; at++) write(eventOf());
  write(event);
  assertEquals([alerts.stats().fired, alerts.stats().deferred], [3, 8]);
  await new Promise((resolve) => setTimeout(resolve));
  for (const end of ends) end();
  await alerts.flush();
  write(event);
  assertEquals(alerts.stats().fired, 4);
  await new Promise((resolve) => setTimeout(resolve));
  for (const end of ends) end();
  await alerts.close();
});

Deno.test("alerts survive a reporter that throws, rejects or is slow", async () => {
  for (
    const report of [() => Promise.reject(new Error("no")), () => {
      throw new Error("no");
    }, () => new Promise<void>(() => {})]
  ) {
    const { alerts, fired, clock, write } = watch({ by: "global", threshold: 1 }, {
      reporter: { report },
    });
    write(eventOf());
    const closed = alerts.close();
    await new Promise((resolve) => setTimeout(resolve));
    clock.advance(5000);
    await closed;
    assertEquals([fired.length, alerts.stats().failedReports], [1, 1]);
  }
});

Deno.test("alerts.flush() does not wait for itself within an action", async () => {
  const { alerts, write } = watch({
    by: "global",
    threshold: 1,
    then: [async () => {
      await Promise.resolve();
      await alerts.flush();
    }],
  });
  write(eventOf());
  await alerts.flush();
  assertEquals(alerts.stats().failedActions, 0);
});

Deno.test("alerts.close() takes no more events, and forgets everybody", async () => {
  const { alerts, write, clock } = watch({ by: "principal" });
  write(eventOf({ principal: "a" }));
  assertEquals(alerts.stats().rules[0]!.tracked, 1);
  await alerts.close();
  for (let at = 0; at < 10; at++) write(eventOf({ principal: "a" }));
  const { fired, rules } = alerts.stats();
  assertEquals([fired, rules[0]!.tracked, clock.timers], [0, 0, 0]);
});

Deno.test("alerts find the true offender among a million others, in a memory of fixed size", async () => {
  // The control: the same room, and the one who was quiet for longest gives way.
  const bare = new Map<string, number>();
  let bareFired = 0;
  const bareNote = (key: string) => {
    const count = (bare.get(key) ?? 0) + 1;
    bare.delete(key);
    bare.set(key, count);
    if (count === 5) bareFired++;
    if (bare.size > 1000) bare.delete(bare.keys().next().value!);
  };
  const { alerts, fired, clock, write } = watch({
    by: "principal",
    when: { kind: "app.denied" },
    withinSeconds: 3600,
  }, { capacity: 1000 });
  const note = (principal: string) => {
    bareNote(principal);
    write(eventOf({ kind: "app.denied", outcome: "denied", principal }));
  };
  const ofOffender: number[] = [];
  for (let at = 0; at < 1_000_000; at++) {
    note(`flood-${at}`);
    if (at % 50_000 === 25_000) {
      note("offender");
      ofOffender.push(alerts.stats().fired);
    }
    if (at % 1000 === 0) clock.advance(1);
  }
  await alerts.flush();
  assertEquals(bareFired, 0);
  assertEquals(targets(fired), [["principal", { principal: "offender" }]]);
  // A few more events than the threshold, since those before anybody took notice are not counted.
  assertLessOrEqual(ofOffender.indexOf(1) + 1, 12);
  const [rule] = alerts.stats().rules;
  assertEquals(rule!.tracked, 1000);
  assert(rule!.evicted > 0 && rule!.uncounted > 0);
});

Deno.test("alerts do not let a flood of newcomers drive out who has over half the threshold", async () => {
  const { alerts, fired, write } = watch({ by: "principal", when: {} }, { capacity: 100 });
  const note = (principal: string) => write(eventOf({ outcome: "denied", principal }));
  for (let at = 0; at < 3; at++) note("offender");
  for (let at = 0; at < 50_000; at++) note(`flood-${at}`);
  note("offender");
  for (let at = 50_000; at < 100_000; at++) note(`flood-${at}`);
  note("offender");
  await alerts.flush();
  assertEquals(targets(fired), [["principal", { principal: "offender" }]]);
});

Deno.test("alerts see a new offender though others fill the table with half the threshold each", async () => {
  const { alerts, fired, write } = watch({ by: "principal", when: {} }, { capacity: 100 });
  const note = (principal: string) => write(eventOf({ outcome: "denied", principal }));
  for (let at = 0; at < 100; at++) {
    for (let times = 0; times < 4; times++) note(`filler-${at}`);
  }
  for (let times = 0; times < 12; times++) note("offender");
  await alerts.flush();
  assertEquals(targets(fired), [["principal", { principal: "offender" }]]);
});

Deno.test("alerts give the place of whoever's window is over to the next one", () => {
  const { alerts, clock, write } = watch({ by: "principal", when: {} }, { capacity: 10 });
  const note = (principal: string) => write(eventOf({ outcome: "denied", principal }));
  for (let at = 0; at < 10; at++) {
    for (let times = 0; times < 4; times++) note(`old-${at}`);
  }
  clock.advance(60_001);
  for (let times = 0; times < 5; times++) note("offender");
  const { fired, rules } = alerts.stats();
  assertEquals([fired, rules[0]!.evicted, rules[0]!.uncounted], [1, 0, 0]);
});

Deno.test("createAlerts() throws when a rule is wrong", () => {
  const cases: [rule: unknown, error: typeof TypeError | typeof RangeError][] = [
    [null, TypeError],
    [{ name: "" }, TypeError],
    [{ name: "x".repeat(101) }, TypeError],
    [{ when: undefined }, TypeError],
    [{ when: { outcomes: "failure" } }, TypeError],
    [{ when: { outcome: "failed" } }, TypeError],
    [{ when: { outcome: [] } }, TypeError],
    [{ when: { kind: "*" } }, TypeError],
    [{ when: { kind: "dpop*" } }, TypeError],
    [{ when: { kind: 1 } }, TypeError],
    [{ when: { severity: "fatal" } }, TypeError],
    [{ by: "address" }, TypeError],
    [{ then: () => {} }, TypeError],
    [{ then: ["block"] }, TypeError],
    [{ threshold: undefined }, TypeError],
    [{ threshold: 0 }, RangeError],
    [{ threshold: NaN }, RangeError],
    [{ withinSeconds: undefined }, TypeError],
    [{ withinSeconds: 0 }, RangeError],
    [{ withinSeconds: Infinity }, RangeError],
    [{ coolDownSeconds: -1 }, RangeError],
  ];
  for (const [rule, error] of cases) {
    const rules = rule === null ? [null as unknown as AlertRule] : undefined;
    const options = rules === undefined ? {} : { rules };
    assertThrows(() => watch(rule as Partial<AlertRule>, options), error, undefined);
  }
  const rule: AlertRule = {
    name: "twice",
    when: {},
    threshold: 1,
    withinSeconds: 1,
    by: "global",
    then: [],
  };
  assertThrows(() => createAlerts({ rules: [rule, rule] }), TypeError);
  assertThrows(() => createAlerts({ rules: [rule], capacity: 0 }), RangeError);
  assertThrows(() => createAlerts({ rules: [rule], actionTimeoutMs: 2 ** 31 }), RangeError);
  assertThrows(() => createAlerts({ rules: [rule], maxInFlight: NaN }), RangeError);
  assertThrows(
    () => createAlerts({ rules: [rule], reporter: {} as { report: () => void } }),
    TypeError,
  );
});
