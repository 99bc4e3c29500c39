import { assert, assertEquals, assertLessOrEqual, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { AlertRule } from "../../src/events/alert.ts";
import { createAlerts } from "../../src/events/alerts.ts";
import type { AuditEvent } from "../../src/events/audit_event.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";
import { eventOf, peer, targets, watch } from "./_watched_alerts.ts";

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

Deno.test("alerts notice an attack from many sources, though one of them made an alert before", async () => {
  const { alerts, fired, write } = watch();
  const fail = (address: string, times: number) => {
    for (let at = 0; at < times; at++) {
      write(eventOf({ principal: "victim", source: peer(address) }));
    }
  };
  // What goes on from a source that an alert has told of makes no other alert.
  fail("203.0.113.9", 50);
  for (let at = 0; at < 1000; at++) fail(`10.1.${at >> 8}.${at & 255}`, 4);
  await alerts.flush();
  assertEquals(fired.map(({ blockable, count }) => [blockable, count]), [
    ["principal+source", 5],
    [null, 5],
  ]);
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
    // Whoever does not say that it was verified, does not know.
    ["principal", { principal, outcome: "denied" }, [null, null]],
    ["principal", { principal, source, outcome: "denied" }, [
      "principal+source",
      { principal, source: "192.0.2.7" },
    ]],
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
    // The network that limits count by, and one that more than one host has.
    ["source", { source: peer("2001:db8::/64") }, ["source", { source: "2001:db8::" }]],
    ["source", { source: peer("192.0.2.0/24") }, [null, null]],
    // All clients of a Unix socket have the same.
    ["source", { source: peer("/run/app.sock") }, [null, null]],
    ["code", { ...verified, code: "replayed" }, [null, null]],
    ["global", verified, [null, null]],
    [() => "key", verified, [null, null]],
  ];
  for (const [by, event, expected] of cases) {
    const { alerts, fired, write } = watch({ by, threshold: 1, when: {} });
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
    [{ maxAlertsPerMinute: 0 }, RangeError],
    [{ maxAlertsPerMinute: NaN }, RangeError],
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
