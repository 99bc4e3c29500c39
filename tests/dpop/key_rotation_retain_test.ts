import { assertEquals, assertGreaterOrEqual, assertInstanceOf, assertRejects } from "@std/assert";
import type { AuditEventInput } from "../../src/events/audit_event.ts";
import { DAY_MS, HOUR_MS, machine, rejectsWith, settle, START_MS } from "./_rotation_fakes.ts";

Deno.test("retain() keeps a key as long as a token is bound to it, for all machines", async () => {
  const a = await machine();
  const b = await machine({}, a.store, a.clock);
  const { jkt } = await a.rotation.current();
  // The step is 60 seconds.
  const untilMs = Math.ceil((START_MS + 2 * DAY_MS) / 60_000) * 60_000 - 10_000;
  await a.rotation.retain(jkt, untilMs / 1000);
  const writes = a.store.history.length;
  await a.rotation.retain(jkt, untilMs / 1000 + 1);
  await a.rotation.retain(jkt, 1);
  await a.rotation.retain(jkt, untilMs / 1000 + 5);
  assertEquals(a.store.history.length, writes, "rounded up, and never brought forward");
  // b has not looked since, and its copy says that the key is over.
  a.clock.jump(DAY_MS);
  assertEquals((await b.rotation.find(jkt))?.jkt, jkt);
  await b.rotation.current();
  await settle();
  assertEquals((await a.rotation.find(jkt))?.jkt, jkt);
  a.clock.jump(untilMs - a.clock.now());
  assertEquals((await a.rotation.find(jkt))?.jkt, jkt);
  a.clock.jump(10_000);
  assertEquals(await b.rotation.find(jkt), undefined);
  assertEquals(await a.rotation.find(jkt), undefined);
  await a.rotation.close();
  await b.rotation.close();
});

Deno.test("retain() refuses a key that is gone and a time that is out of reach", async () => {
  const { clock, rotation } = await machine({ maxRetainSeconds: 86_400 });
  await using _ = rotation;
  const { jkt } = await rotation.current();
  const mostSeconds = (START_MS + HOUR_MS + DAY_MS) / 1000;
  await rotation.retain(jkt, mostSeconds);
  for (const untilSeconds of [mostSeconds + 3600, Infinity, NaN]) {
    await assertRejects(() => rotation.retain(jkt, untilSeconds), RangeError, "untilSeconds");
  }
  await rejectsWith("key-not-found", rotation.retain("unknown", START_MS / 1000));
  clock.jump(3 * DAY_MS);
  await rejectsWith("key-not-found", rotation.retain(jkt, clock.now() / 1000 + 1));
});

Deno.test("retain() asks a store that hangs once, however many tokens there are", async () => {
  const { clock, store, rotation } = await machine({ storeTimeoutMs: 20 });
  await using _ = rotation;
  const { jkt } = await rotation.current();
  const before = store.loads;
  store.mode = "hangs";
  const tokens = Array.from({ length: 50 }, (_, at) => (START_MS + DAY_MS) / 1000 + at * 100);
  const all = tokens.map((untilSeconds) => rotation.retain(jkt, untilSeconds));
  const other = rotation.retain("unknown", START_MS / 1000);
  // It waits for the one that was asked before, not for one after the other.
  const rotated = rejectsWith("key-store-unavailable", rotation.rotate());
  for (const one of [...all, other]) await rejectsWith("key-store-unavailable", one);
  await rotated;
  assertEquals(store.loads - before, 2, "one for all tokens, one to rotate");
  await rejectsWith("key-store-unavailable", rotation.retain(jkt, tokens[0] ?? 0));
  assertEquals(store.loads - before, 2, "it is left alone for a while");
  assertEquals((await rotation.current()).jkt, jkt);
  store.mode = "works";
  clock.jump(5000);
  await rotation.retain(jkt, tokens[0] ?? 0);
  assertEquals(
    (await rotation.keys())[0]?.deletesAtMs,
    Math.ceil((START_MS + DAY_MS) / 60_000) * 60_000,
  );
});

Deno.test("retain() writes once for many tokens of one key, until the last of them ends", async () => {
  const { store, rotation } = await machine();
  await using _ = rotation;
  const { jkt } = await rotation.current();
  const [loads, writes] = [store.loads, store.history.length];
  const ends = Array.from({ length: 200 }, (_, at) => (START_MS + DAY_MS) / 1000 + at * 100);
  await Promise.all(ends.map((untilSeconds) => rotation.retain(jkt, untilSeconds)));
  assertEquals([store.loads - loads, store.history.length - writes], [2, 1]);
  assertGreaterOrEqual((await rotation.keys())[0]?.deletesAtMs ?? 0, (ends.at(-1) ?? 0) * 1000);
});

Deno.test("retain() tells once of a token that outlives its key, and keeps that as long as it may", async () => {
  const errors: unknown[] = [];
  const events: AuditEventInput[] = [];
  const { clock, rotation } = await machine({
    maxRetainSeconds: 86_400,
    onError: (error) => errors.push(error),
    audit: { report: (event) => void events.push(event) },
  });
  await using _ = rotation;
  const { jkt } = await rotation.current();
  for (let turn = 0; turn < 5; turn++) {
    const tooLong = (START_MS + 30 * DAY_MS) / 1000 + turn;
    await assertRejects(() => rotation.retain(jkt, tooLong), RangeError, "maxRetainSeconds");
  }
  assertEquals(errors.length, 1);
  assertInstanceOf(errors[0], RangeError);
  const told = events.filter(({ outcome }) => outcome === "error");
  assertEquals(told.map(({ operation, resource }) => [operation, resource]), [["retain", jkt]]);
  clock.jump(DAY_MS);
  assertEquals((await rotation.find(jkt))?.jkt, jkt);
  clock.jump(HOUR_MS + 60_000);
  assertEquals(await rotation.find(jkt), undefined);
});
