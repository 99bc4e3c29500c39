import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { createDpopNonces, type StatelessDpopNonces } from "../../src/dpop/dpop_nonces.ts";
import { NOW } from "./_proofs.ts";

const secret = (seed: number): Uint8Array => Uint8Array.from({ length: 32 }, (_, at) => seed + at);

/** A service whose clock can be moved. */
function at(seconds: number, secrets = [secret(1)], stepSeconds = 60): StatelessDpopNonces {
  return createDpopNonces({ secrets, stepSeconds, now: () => seconds * 1000 });
}

/** The first second of a step of 60 seconds. */
const STEP = NOW - NOW % 60;

Deno.test("issue() gives the same 128 bits within a step and others in the next", () => {
  const nonce = at(STEP).issue();
  assertMatch(nonce, /^[A-Za-z0-9_-]{22}$/);
  assertEquals(at(STEP + 59).issue(), nonce);
  assertNotEquals(at(STEP + 60).issue(), nonce);
});

Deno.test("check() accepts a nonce from one step before it to the end of the step after it", () => {
  const nonce = at(STEP).issue();
  const cases: readonly (readonly [seconds: number, accepted: boolean])[] = [
    [-61, false],
    [-60, true],
    [-1, true],
    [0, true],
    [59, true],
    [60, true],
    [119, true],
    [120, false],
    [3600, false],
  ];
  for (const [seconds, accepted] of cases) {
    assertEquals(at(STEP + seconds).check(nonce), accepted, `${seconds} s later`);
  }
});

Deno.test("the nonce changes while nobody asks for one", () => {
  let seconds = STEP;
  const nonces = createDpopNonces({ secrets: [secret(1)], now: () => seconds * 1000 });
  const nonce = nonces.issue();
  seconds += 3600;
  assertFalse(nonces.check(nonce));
  assertNotEquals(nonces.issue(), nonce);
  seconds -= 3600; // a clock that was set back
  assertEquals(nonces.issue(), nonce);
  assert(nonces.check(nonce));
});

Deno.test("check() accepts nonces of every secret, issue() uses the first", () => {
  const [before, after] = [at(STEP, [secret(1)]), at(STEP, [secret(2), secret(1)])];
  assert(after.check(before.issue()));
  assertEquals(after.issue(), at(STEP, [secret(2)]).issue());
  assertFalse(before.check(after.issue()));
});

Deno.test("check() refuses nonces of another secret and of another length of step", () => {
  const nonce = at(STEP).issue();
  assertFalse(at(STEP, [secret(2)]).check(nonce));
  assertFalse(at(STEP, [secret(1)], 61).check(nonce));
});

Deno.test("check() refuses every string that was not issued", () => {
  const nonces = at(STEP);
  const nonce = nonces.issue();
  for (const wrong of ["", nonce.slice(1), `${nonce}=`, ` ${nonce}`, nonce.toLowerCase()]) {
    assertFalse(nonces.check(wrong), wrong);
  }
  fc.assert(fc.property(fc.string(), (text) => !nonces.check(text)), { seed: 9449 });
  fc.assert(
    fc.property(fc.nat(21), fc.constantFrom("A", "z", "-", "~", "é"), (index, letter) => {
      const changed = nonce.slice(0, index) + letter + nonce.slice(index + 1);
      return nonces.check(changed) === (changed === nonce);
    }),
    { seed: 9449 },
  );
  // Somebody without types: nothing but a string is a nonce.
  assertFalse(nonces.check([nonce] as unknown as string));
});

Deno.test("createDpopNonces() keeps a copy of the secrets", () => {
  const mine = secret(1);
  const nonces = createDpopNonces({ secrets: [mine], now: () => STEP * 1000 });
  mine.fill(0);
  assertEquals(nonces.issue(), at(STEP).issue());
});

Deno.test("createDpopNonces() throws on secrets that protect nothing", () => {
  const wrong: readonly unknown[] = [
    undefined,
    [],
    "secret",
    ["a".repeat(32)],
    [secret(1).subarray(1)],
    [secret(1), new Uint8Array(32)],
    [new Uint8Array(64)],
  ];
  for (const secrets of wrong) {
    assertThrows(
      () => createDpopNonces({ secrets: secrets as Uint8Array[] }),
      TypeError,
      "Cannot make nonces: ",
    );
  }
});

Deno.test("createDpopNonces() throws on a step that is none, and issue() on a clock that is none", () => {
  for (const stepSeconds of [0, -1, 0.5, NaN, Infinity]) {
    assertThrows(() => at(STEP, [secret(1)], stepSeconds), RangeError, "'stepSeconds'");
  }
  const now = 5 as unknown as () => number;
  assertThrows(() => createDpopNonces({ secrets: [secret(1)], now }), TypeError, "'now'");
  for (const time of [NaN, Infinity]) {
    const nonces = at(time);
    assertThrows(() => nonces.issue(), RangeError, "no time");
    assertThrows(() => nonces.check("AAAAAAAAAAAAAAAAAAAAAA"), RangeError, "no time");
  }
});
