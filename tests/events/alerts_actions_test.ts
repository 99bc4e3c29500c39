import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import { type Alerts, createAlerts } from "../../src/events/alerts.ts";
import type { AuditEvent, AuditEventInput } from "../../src/events/audit_event.ts";
import { VirtualClock } from "../../src/runtime/virtual_clock.ts";
import { eventOf, peer, watch } from "./_watched_alerts.ts";

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

/** Lets go on what waits for promises. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

Deno.test("alerts wait while there are too many actions, and then are made without another event", async () => {
  const ends: (() => void)[] = [];
  const told: string[] = [];
  const { alerts, write } = watch({
    threshold: 1,
    by: (event) => event.id,
    then: [({ event }) => {
      told.push(event.id);
      return new Promise((resolve) => void ends.push(resolve));
    }],
  }, { maxInFlight: 3 });
  const stats = () => {
    const { fired, inFlight, pending, deferred } = alerts.stats();
    return { fired, inFlight, pending, deferred };
  };
  const events = Array.from({ length: 10 }, () => eventOf());
  events.forEach(write);
  // Three run, three wait, and the others need another event.
  assertEquals(stats(), { fired: 6, inFlight: 3, pending: 3, deferred: 4 });
  await turn();
  ends.splice(0).forEach((end) => end());
  await turn();
  assertEquals(told, events.slice(0, 6).map(({ id }) => id));
  assertEquals(stats(), { fired: 6, inFlight: 3, pending: 0, deferred: 4 });
  write(events[9]!);
  ends.splice(0).forEach((end) => end());
  await turn();
  assertEquals(told.at(-1), events[9]!.id);
  ends.splice(0).forEach((end) => end());
  await alerts.close();
  assertEquals(stats(), { fired: 7, inFlight: 0, pending: 0, deferred: 4 });
});

Deno.test("alerts of one rule are made while the actions of another are slow", async () => {
  const critical: number[] = [];
  const clock = new VirtualClock();
  await using alerts = createAlerts({
    clock,
    rules: [{
      name: "noisy",
      when: { kind: "app.login" },
      threshold: 1,
      withinSeconds: 60,
      by: "source",
      maxAlertsPerMinute: 1000,
      then: [
        (_alert, { signal }) =>
          new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
      ],
    }, {
      name: "critical",
      when: { kind: "file.escape" },
      threshold: 1,
      withinSeconds: 60,
      by: "global",
      then: [({ count }) => void critical.push(count)],
    }],
  });
  for (let at = 0; at < 1000; at++) {
    alerts.sink.write(eventOf({ source: peer(`10.0.${at >> 8}.${at & 255}`) }));
  }
  alerts.sink.write(eventOf({ kind: "file.escape", outcome: "denied" }));
  await turn();
  assertEquals(critical, [1]);
  assertEquals([alerts.stats().inFlight, alerts.stats().pending], [64, 64]);
  // As many again begin when the time of these is over.
  const closed = alerts.close();
  clock.advance(5000);
  await turn();
  clock.advance(5000);
  await closed;
});

Deno.test("alerts go on with other actions when one never settles, and tell that they skip it", async () => {
  const logger = loop();
  const ends: (() => void)[] = [];
  let others = 0;
  const { alerts, clock, write } = watch({
    threshold: 1,
    by: (event) => event.id,
    then: [() => new Promise((resolve) => void ends.push(resolve)), () => void others++],
  }, { maxInFlight: 4, actionTimeoutMs: 10, reporter: logger });
  for (let at = 0; at < 50; at++) {
    write(eventOf());
    await turn();
    clock.advance(10);
    await turn();
  }
  assertEquals([ends.length, others], [4, 50]);
  const { orphans, failedActions, timedOutActions, skippedActions, deferred } = alerts.stats();
  assertEquals([orphans, failedActions, timedOutActions, skippedActions, deferred], [
    4,
    50,
    4,
    46,
    0,
  ]);
  assertEquals(
    logger.reports.filter(({ reason }) => reason?.startsWith("An action was skipped")).length,
    46,
  );
  // Once one of them is done, it is called again.
  ends[0]!();
  await turn();
  write(eventOf());
  await turn();
  assertEquals(ends.length, 5);
  ends.forEach((end) => end());
  await alerts.close();
  assertEquals([alerts.stats().orphans, clock.timers], [0, 0]);
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
    await turn();
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
