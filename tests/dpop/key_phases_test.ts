import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import fc from "fast-check";
import {
  compareKeys,
  dueAtMs,
  dueChange,
  forcedChange,
  type KeyChange,
  type KeyTiming,
  phaseOf,
  revokedChange,
  signingKey,
} from "../../src/dpop/_key_phases.ts";
import type { KeyPhase, StoredKey } from "../../src/dpop/key_store.ts";
import { overlaps } from "./_rotation_fakes.ts";

const TIMING: KeyTiming = { rotateMs: 1000, overlapMs: 2000, announceMs: 200, slackMs: 50 };

let made = 0;

function apply({ keys, created }: KeyChange): readonly StoredKey[] {
  const more = created === undefined ? [] : [{ jkt: `key ${++made}`, ...created } as StoredKey];
  return [...keys, ...more].sort(compareKeys);
}

function key(jkt: string, signsFromMs: number, retiresAtMs: number): StoredKey {
  return { jkt, createdAtMs: 0, signsFromMs, retiresAtMs, deletesAtMs: 9000 } as StoredKey;
}

Deno.test("signingKey() and phaseOf() say at each moment what a key is", () => {
  const keys = [key("a", 0, 1000), key("b", 1000, 2000)];
  const table: readonly [number, string | undefined, KeyPhase, KeyPhase][] = [
    [-1, "b", "retired", "signing"],
    [0, "a", "signing", "announced"],
    [999, "a", "signing", "announced"],
    [1000, "b", "retired", "signing"],
    [1999, "b", "retired", "signing"],
    [2000, undefined, "retired", "retired"],
  ];
  for (const [nowMs, jkt, ...phases] of table) {
    assertEquals(signingKey(keys, nowMs)?.jkt, jkt, `${nowMs}`);
    assertEquals(keys.map((one) => phaseOf(one, keys, nowMs)), phases, `${nowMs}`);
  }
});

Deno.test("signingKey() lets an announced key begin early rather than none sign", () => {
  assertEquals(signingKey([key("a", 0, 500), key("b", 1000, 2000)], 700)?.jkt, "b");
});

Deno.test("dueChange() makes the next key in time, and nothing before", () => {
  const keys = [key("a", 0, 1000)];
  assertEquals(dueAtMs(keys, TIMING), 750);
  assertEquals(dueChange(keys, 749, TIMING), undefined);
  assertEquals(dueChange(keys, 750, TIMING)?.created, {
    createdAtMs: 750,
    signsFromMs: 1000,
    retiresAtMs: 2000,
    deletesAtMs: 4000,
  });
  assertEquals(dueChange(keys, 5000, TIMING)?.created?.signsFromMs, 5000);
});

Deno.test("dueChange() brings a key back that a clock far ahead has made", () => {
  const [far] = dueChange([key("a", 90_000, 91_000)], 0, TIMING)?.keys ?? [];
  assertEquals([far?.signsFromMs, far?.retiresAtMs], [0, 1000]);
});

Deno.test("a set has one key that signs and stays small, whatever clock and operator do", () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ jumpMs: fc.integer({ min: 0, max: 400 }) }) },
    { weight: 2, arbitrary: fc.record({ jumpMs: fc.integer({ min: -9000, max: 9000 }) }) },
    { weight: 1, arbitrary: fc.constant({ force: true }) },
    { weight: 1, arbitrary: fc.record({ revoke: fc.nat(5) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let nowMs = 0;
      let keys: readonly StoredKey[] = [];
      let [creations, forced] = [0, 0];
      let passedMs = 0;
      const over = new Set<string>();
      for (const one of steps) {
        if ("jumpMs" in one) {
          nowMs += one.jumpMs;
          passedMs += Math.abs(one.jumpMs);
        } else if (keys.length > 0) {
          forced++;
          const jkt = "revoke" in one ? keys[one.revoke % keys.length]?.jkt ?? "" : undefined;
          if (jkt !== undefined) over.add(jkt);
          keys = apply(
            jkt === undefined
              ? forcedChange(keys, nowMs, TIMING)
              : revokedChange(keys, jkt, nowMs, TIMING),
          );
        }
        for (const { jkt, deletesAtMs } of keys) if (nowMs >= deletesAtMs) over.add(jkt);
        keys = keys.filter(({ jkt }) => !over.has(jkt));
        const change = dueChange(keys, nowMs, TIMING);
        if (change?.created !== undefined) creations++;
        if (change !== undefined) keys = apply(change);
        assertEquals(dueChange(keys, nowMs, TIMING), undefined, "done at once");
        assertEquals(overlaps(keys), 0);
        const signing = keys.filter((each) => phaseOf(each, keys, nowMs) === "signing");
        assertEquals(signing.length, 1);
        for (const { jkt, retiresAtMs } of signing) {
          assert(!over.has(jkt));
          assertLessOrEqual(retiresAtMs - nowMs, 2 * TIMING.rotateMs + 250);
        }
        assertLessOrEqual(
          keys.filter((each) => phaseOf(each, keys, nowMs) === "announced").length,
          1,
        );
      }
      assertLessOrEqual(creations, 1 + forced + Math.ceil(passedMs / 750));
    }),
    { seed: 9449, numRuns: 400 },
  );
});
