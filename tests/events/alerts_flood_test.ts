import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import type { AuditEvent, AuditEventInput } from "../../src/events/audit_event.ts";
import { eventOf, peer, targets, watch } from "./_watched_alerts.ts";

function denied(principal: string): AuditEvent {
  return eventOf({ outcome: "denied", principal, principalConfidence: "verified" });
}

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
    when: { outcome: "denied" },
    withinSeconds: 3600,
  }, { capacity: 1000 });
  const count = 1_000_000;
  const every = 50_000;
  for (let at = 0; at < 5 * every; at++) {
    bareNote(`flood-${at}`);
    if (at % every === 0) bareNote("offender");
  }
  assertEquals(bareFired, 0);
  const event = denied("");
  const note = (principal: string) => write({ ...event, principal });
  const ofOffender: number[] = [];
  for (let at = 0; at < count; at++) {
    note(`flood-${at}`);
    if (at % every === every / 2) {
      note("offender");
      ofOffender.push(alerts.stats().fired);
    }
    if (at % 1000 === 0) clock.advance(1);
  }
  await alerts.flush();
  assertEquals(targets(fired), [["principal", { principal: "offender" }]]);
  // A few more events than the threshold, since those before anybody took notice are not counted.
  assertLessOrEqual(ofOffender.indexOf(1) + 1, 12);
  const [rule] = alerts.stats().rules;
  assertEquals(rule!.tracked, 1000);
  assert(rule!.evicted > 0 && rule!.uncounted > 0);
});

Deno.test("alerts do not let a flood of newcomers drive out who has over half the threshold", async () => {
  const { alerts, fired, write } = watch({ by: "principal", when: {} }, { capacity: 100 });
  const note = (principal: string) => write(denied(principal));
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
  const note = (principal: string) => write(denied(principal));
  for (let at = 0; at < 100; at++) {
    for (let times = 0; times < 4; times++) note(`filler-${at}`);
  }
  for (let times = 0; times < 12; times++) note("offender");
  await alerts.flush();
  assertEquals(targets(fired), [["principal", { principal: "offender" }]]);
});

Deno.test("alerts give the place of whoever's window is over to the next one", () => {
  const { alerts, clock, write } = watch({ by: "principal", when: {} }, { capacity: 10 });
  const note = (principal: string) => write(denied(principal));
  for (let at = 0; at < 10; at++) {
    for (let times = 0; times < 4; times++) note(`old-${at}`);
  }
  clock.advance(60_001);
  for (let times = 0; times < 5; times++) note("offender");
  const { fired, rules } = alerts.stats();
  assertEquals([fired, rules[0]!.evicted, rules[0]!.uncounted], [1, 0, 0]);
});

Deno.test("alerts are silent about whom there is no room for, too, until the cool-down is over", async () => {
  const rule = { by: "source", threshold: 1, withinSeconds: 3600 } as const;
  const { alerts, fired, clock, write } = watch(rule, { capacity: 1000 });
  const flood = async () => {
    const before = fired.length;
    for (let at = 0; at < 2000; at++) {
      write(eventOf({ source: peer(`10.${at >> 8}.0.${at & 255}`) }));
    }
    await alerts.flush();
    return fired.length - before;
  };
  assertEquals(await flood(), 2000);
  // Had it no cool-down, each round would make a thousand.
  for (let round = 0; round < 5; round++) assertLessOrEqual(await flood(), 5);
  clock.advance(3_600_000);
  assertGreaterOrEqual(await flood(), 1995);
});

Deno.test("alerts go on to be silent about whoever loses its place, and finds another", async () => {
  const { alerts, fired, write } = watch({ by: "principal", when: {} }, { capacity: 1 });
  const note = (principal: string, times: number) => {
    for (let at = 0; at < times; at++) write(denied(principal));
  };
  note("a", 5);
  note("b", 50);
  note("a", 100);
  await alerts.flush();
  assertEquals(fired.map(({ principal }) => principal), ["a", "b"]);
});

Deno.test("alerts do not flood anybody who is told when one source invents a name for each attempt", async () => {
  const { alerts, fired, clock, write } = watch({ maxAlertsPerMinute: 100 }, {
    reporter: { report: (event) => void reports.push(event) },
  });
  const reports: AuditEventInput[] = [];
  const attempts = (name: string) => {
    for (let at = 0; at < 5; at++) {
      write(eventOf({ principal: name, source: peer("203.0.113.9") }));
    }
  };
  // The control: without a limit there is one for each name.
  const bare = watch();
  for (let at = 0; at < 5000; at++) {
    attempts(`name-${at}`);
    for (let times = 0; times < 5; times++) {
      bare.write(eventOf({ principal: `name-${at}`, source: peer("203.0.113.9") }));
    }
  }
  assertEquals(bare.alerts.stats().fired, 5000);
  await bare.alerts.flush();
  await alerts.flush();
  assertEquals([fired.length, alerts.stats().rules[0]!.suppressed], [100, 4900]);
  const failed = reports.filter(({ kind }) => kind === "alert.failed");
  assertEquals(failed.map(({ reason }) => reason), [
    "So many alerts in a minute that further ones were left out",
  ]);
  // What was left out was not forgotten: its next event makes the alert.
  clock.advance(60_000);
  write(eventOf({ principal: "name-4999", source: peer("203.0.113.9") }));
  await alerts.flush();
  assertEquals([fired.length, fired.at(-1)!.principal], [101, "name-4999"]);
});
