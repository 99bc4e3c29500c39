import { assert, assertEquals, assertFalse, assertNotEquals } from "@std/assert";
import type { AuditEventInput, AuditReporter } from "../../src/events/audit_event.ts";
import { machine, rejectsWith, settle, START_MS, WatchedStore } from "./_rotation_fakes.ts";

Deno.test("createKeyRotation() reports each change, and makes none that cannot be recorded", async () => {
  const events: AuditEventInput[] = [];
  let isFull = false;
  const audit = {
    report: (event: AuditEventInput) => void events.push(event),
    ready() {
      if (isFull) throw new Error("disk full");
    },
  };
  const { store, rotation } = await machine({ audit });
  await using _ = rotation;
  const { jkt } = await rotation.current();
  await rotation.retain(jkt, START_MS / 1000 + 86_400);
  await rotation.rotate();
  await rotation.revoke(jkt);
  assertEquals(events.map(({ operation }) => operation), [
    "schedule",
    "retain",
    "rotate",
    "revoke",
  ]);
  assertEquals(new Set(events.map(({ kind }) => kind)), new Set(["dpop.keys"]));
  assertEquals(events[0]?.details?.created, [jkt]);
  assertEquals(events[3]?.details?.deleted, [jkt]);
  isFull = true;
  const writes = store.history.length;
  await rejectsWith("audit-unavailable", rotation.rotate());
  assertEquals(store.history.length, writes);
});

/** Records what it takes, and fails or hangs when told. */
class Recorder implements AuditReporter {
  mode: "works" | "fails" | "hangs" = "works";
  calls = 0;
  readonly events: AuditEventInput[] = [];

  report(event: AuditEventInput): void | Promise<void> {
    this.calls++;
    if (this.mode === "fails") throw new Error("disk full");
    if (this.mode === "hangs") return new Promise(() => {});
    this.events.push(event);
  }

  get operations(): readonly string[] {
    return this.events.map(({ operation, outcome }) => `${operation} ${outcome}`);
  }
}

Deno.test("createKeyRotation() reports a change again that could not be reported", async () => {
  const audit = new Recorder();
  const { clock, store, rotation } = await machine({ audit });
  await using _ = rotation;
  const first = await rotation.current();
  audit.mode = "fails";
  await rejectsWith("audit-unavailable", rotation.rotate());
  const second = await rotation.current();
  assertNotEquals(second.jkt, first.jkt, "it was made");
  const writes = store.history.length;
  await rejectsWith("audit-unavailable", rotation.rotate());
  await rejectsWith("audit-unavailable", rotation.revoke(first.jkt));
  assertEquals(store.history.length, writes, "and nothing more before it is recorded");
  await rejectsWith("key-not-found", first.sign(new Uint8Array(1)));
  audit.mode = "works";
  // By timer alone.
  await clock.pass(5000);
  assertEquals(audit.operations, ["schedule success", "rotate success", "schedule success"]);
  assertEquals(audit.events[1]?.details?.created, [second.jkt]);
  assertEquals(audit.events[2]?.details?.deleted, [first.jkt]);
  await rotation.rotate();
  assertEquals(audit.operations.at(-1), "rotate success");
});

Deno.test("createKeyRotation() reports that a change may have been made when the answer is late", async () => {
  const audit = new Recorder();
  const { store, rotation } = await machine({ audit, storeTimeoutMs: 20 });
  await using _ = rotation;
  const { jkt } = await rotation.current();
  const release = store.holdWrites();
  await rejectsWith("key-store-unavailable", rotation.revoke(jkt));
  release();
  await settle();
  assertFalse((await store.load()).keys.some((key) => key.jkt === jkt), "it was made");
  assertEquals(audit.operations, ["schedule success", "revoke error"]);
  assertEquals(audit.events[1]?.details?.deleted, [jkt]);
  assertEquals(audit.events[1]?.resource, jkt);
  assert(audit.events[1]?.reason?.includes("not known"));
});

Deno.test("createKeyRotation() waits for a reporter as long as for a store", async () => {
  for (const method of ["report", "ready"] as const) {
    const audit = new Recorder();
    const reporter: AuditReporter = method === "report"
      ? audit
      : { report: () => {}, ready: () => audit.report({ kind: "ready", outcome: "success" }) };
    const { rotation } = await machine({ audit: reporter, storeTimeoutMs: 20 });
    audit.mode = "hangs";
    await rejectsWith("audit-unavailable", rotation.rotate());
    await rejectsWith("audit-unavailable", rotation.revoke((await rotation.current()).jkt));
    await rotation.close();
  }
});

Deno.test("close() waits for no reporter and no store", async () => {
  for (const what of ["report", "replace"] as const) {
    const audit = new Recorder();
    const store = new WatchedStore();
    // Longer than the test may take.
    const { rotation } = await machine({ audit, storeTimeoutMs: 2 ** 31 - 1 }, store);
    if (what === "report") audit.mode = "hangs";
    const release = what === "replace" ? store.holdWrites() : () => {};
    const refused = rejectsWith("closed", rotation.rotate());
    await settle();
    await rotation.close();
    await refused;
    if (what === "replace") assertEquals(audit.operations.at(-1), "rotate error");
    release();
  }
});
