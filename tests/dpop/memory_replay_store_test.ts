import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { SecurityError } from "../../src/errors.ts";
import { MemoryReplayStore } from "../../src/dpop/memory_replay_store.ts";
import type { ReplayAddOptions } from "../../src/dpop/replay_store.ts";
import { randomReplayKey, testReplayContract } from "./_replay_contract.ts";

testReplayContract("MemoryReplayStore", () => ({ store: new MemoryReplayStore() }));

const START = 1_700_000_000;
const LIFETIME = 360;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** Distinct keys of the usual form, made in no time. */
function keyOf(number: number): string {
  let text = "AAAAAAAAAAAAAAAA";
  for (let shift = 24; shift >= 0; shift -= 6) text += ALPHABET[number >> shift & 63];
  return `${text}A`;
}

/** What became of an add: its answer, or the code of its refusal. */
async function outcome(
  store: MemoryReplayStore,
  key: string,
  expiresAtSeconds: number,
  options: ReplayAddOptions,
): Promise<boolean | string> {
  try {
    return await store.add(key, expiresAtSeconds, options);
  } catch (error) {
    assertInstanceOf(error, SecurityError);
    return error.code ?? "";
  }
}

Deno.test("add() takes any string as a key", async () => {
  const store = new MemoryReplayStore({ now: () => START * 1000 });
  const keys = [
    ...["", " ", "a", "A", "é", "e\u0301", "\0", "\0\0", "__proto__", "x".repeat(100_000)],
    // Encodings of the same bytes, were the stray bits dropped or the padding taken.
    ...["A".repeat(22), "A".repeat(21) + "B", "A".repeat(21) + "Q", "A".repeat(22) + "=="],
    ...["A".repeat(21), "A".repeat(23), "A".repeat(43), "A".repeat(44), "A".repeat(21) + "="],
    ...["+".repeat(22), "-".repeat(22), "/".repeat(22), "_".repeat(22), "é".repeat(22)],
    // The same bytes once encoded as UTF-8.
    ...["\ud800", "\ud801", "\ufffd", "\udc00\ud800"],
  ];
  for (const key of keys) {
    assertEquals(await store.add(key, START + LIFETIME), true, key.slice(0, 30));
  }
  for (const key of keys) {
    assertEquals(await store.add(key, START + LIFETIME), false, key.slice(0, 30));
  }
  assertEquals(store.size, keys.length);
});

Deno.test("add() takes the time of its own clock when it is told none", async () => {
  let seconds = START;
  const store = new MemoryReplayStore({ capacity: 1, now: () => seconds * 1000 });
  assertEquals(await store.add("a", START + 10), true);
  seconds += 10;
  await assertRejects(() => store.add("b", START + 20), SecurityError);
  seconds += 0.001;
  assertEquals(await store.add("b", START + 20), true);
});

for (const capacity of [1, 2, 3, 7, 64, 1000]) {
  Deno.test(`add() refuses what exceeds a capacity of ${capacity} exactly, and forgets nothing`, async () => {
    const store = new MemoryReplayStore({ capacity });
    const at = { nowSeconds: START };
    for (let n = 0; n < capacity; n++) {
      assertEquals(await store.add(keyOf(n), START + 1 + n, at), true);
    }
    assertEquals([store.size, store.capacity], [capacity, capacity]);
    for (let n = capacity; n < capacity * 3; n++) {
      assertEquals(await outcome(store, keyOf(n), START + LIFETIME, at), "replay-store-full");
    }
    for (let n = 0; n < capacity; n++) {
      assertEquals(await store.add(keyOf(n), START + 1 + n, at), false);
    }
  });

  Deno.test(`add() finds as much room as expired, with a capacity of ${capacity}`, async () => {
    const store = new MemoryReplayStore({ capacity });
    for (let n = 0; n < capacity; n++) {
      await store.add(keyOf(n), START + 1 + n, { nowSeconds: START });
    }
    for (let n = 0; n < capacity; n++) {
      // One second later, one entry more has expired.
      const at = { nowSeconds: START + 2 + n };
      const expires = START + capacity + LIFETIME;
      assertEquals(await outcome(store, keyOf(capacity + 2 * n), expires, at), true);
      assertEquals(
        await outcome(store, keyOf(capacity + 2 * n + 1), expires, at),
        "replay-store-full",
      );
      assertEquals(store.size, capacity);
    }
  });
}

Deno.test("add() finds room at once when everything expired during a pause", async () => {
  const capacity = 20_000;
  const store = new MemoryReplayStore({ capacity });
  for (let n = 0; n < capacity; n++) {
    await store.add(keyOf(n), START + LIFETIME, { nowSeconds: START });
  }
  const later = START + LIFETIME + 1;
  for (let n = 0; n < capacity; n++) {
    assertEquals(
      await store.add(keyOf(capacity + n), later + LIFETIME, { nowSeconds: later }),
      true,
    );
  }
  assertEquals(store.size, capacity);
});

Deno.test("add() keeps a proof through a flood; control: a store that evicts accepts it again", async () => {
  const capacity = 100;
  const victim = randomReplayKey();

  const evicting = new Map<string, number>();
  function addEvicting(key: string): boolean {
    if (evicting.has(key)) return false;
    if (evicting.size === capacity) {
      for (const oldest of evicting.keys()) {
        evicting.delete(oldest);
        break;
      }
    }
    evicting.set(key, START + LIFETIME);
    return true;
  }
  assertEquals(addEvicting(victim), true);
  for (let n = 0; n < capacity; n++) addEvicting(keyOf(n));
  assertEquals(addEvicting(victim), true);

  const store = new MemoryReplayStore({ capacity });
  const at = { nowSeconds: START };
  assertEquals(await store.add(victim, START + LIFETIME, at), true);
  for (let n = 0; n < capacity * 5; n++) await outcome(store, keyOf(n), START + LIFETIME, at);
  assertEquals(await store.add(victim, START + LIFETIME, at), false);
});

Deno.test("add() accepts nothing twice when the clock jumps forward and back; control: without watermark", async () => {
  const key = randomReplayKey();
  const expires = START + LIFETIME;

  const plain = new Map<string, number>();
  function addPlain(name: string, expiry: number, now: number): boolean {
    for (const [held, until] of plain) if (until < now) plain.delete(held);
    if (plain.has(name)) return false;
    plain.set(name, expiry);
    return true;
  }
  assertEquals(addPlain(key, expires, START), true);
  addPlain("other", START + 5000 + LIFETIME, START + 5000);
  assertEquals(addPlain(key, expires, START), true);

  const store = new MemoryReplayStore();
  assertEquals(await store.add(key, expires, { nowSeconds: START }), true);
  await store.add("other", START + 5000 + LIFETIME, { nowSeconds: START + 5000 });
  assertEquals(await store.add(key, expires, { nowSeconds: START }), false);
  // New proofs of before the jump are refused too, until the clock has caught up.
  assertEquals(await store.add("new", START + LIFETIME, { nowSeconds: START }), false);
  assertEquals(await store.add("new", START + LIFETIME + 1, { nowSeconds: START + 1 }), true);
});

Deno.test("add() accepts each of 3,000,000 proofs once, a capacity of 120,000 turning over", async () => {
  const perSecond = 330;
  const store = new MemoryReplayStore({ capacity: 120_000 });
  const refused: number[] = [];
  let replayed = 0;
  for (let n = 0; n < 3_000_000; n++) {
    const second = START + Math.floor(n / perSecond);
    const at = { nowSeconds: second };
    if (!await store.add(keyOf(n), second + LIFETIME, at)) refused.push(n);
    // Every 64th is tried again at once, and the oldest that is still young enough.
    if (n % 64 !== 0) continue;
    if (await store.add(keyOf(n), second + LIFETIME, at)) replayed++;
    const old = Math.max(0, n - perSecond * LIFETIME);
    if (await store.add(keyOf(old), START + Math.floor(old / perSecond) + LIFETIME, at)) replayed++;
  }
  assertEquals([refused.length, replayed], [0, 0]);
  assert(store.size <= perSecond * (LIFETIME + 1), `${store.size} entries`);
});

Deno.test("add() refuses a key at its quota, and no other", async () => {
  const store = new MemoryReplayStore({ capacity: 100, maxPerKey: 5 });
  const at = { nowSeconds: START };
  const greedy = { ...at, jkt: randomReplayKey() + "A".repeat(21) };
  for (let n = 0; n < 5; n++) {
    assertEquals(await store.add(keyOf(n), START + LIFETIME, greedy), true);
    assertEquals(await store.add(keyOf(n), START + LIFETIME, greedy), false);
  }
  for (let n = 5; n < 20; n++) {
    assertEquals(await outcome(store, keyOf(n), START + LIFETIME, greedy), "replay-quota-exceeded");
  }
  assertEquals(await store.add(keyOf(0), START + LIFETIME, greedy), false);
  // Of five others, one might share the counter by chance, but hardly two.
  const others = await Promise.all(Array.from(
    { length: 5 },
    (_, n) =>
      outcome(store, keyOf(100 + n), START + LIFETIME, {
        ...at,
        jkt: randomReplayKey() + "A".repeat(21),
      }),
  ));
  assert(others.filter((answer) => answer === true).length >= 4);
  for (let n = 200; n < 220; n++) {
    assertEquals(await store.add(keyOf(n), START + LIFETIME, at), true);
  }
});

Deno.test("add() gives a key at its quota as much room as it had expired", async () => {
  const store = new MemoryReplayStore({ capacity: 10_000, maxPerKey: 3 });
  const jkt = "A".repeat(43);
  // Older entries of others, more than a call drops as a matter of course.
  for (let n = 0; n < 1000; n++) await store.add(keyOf(n), START + 1, { nowSeconds: START });
  for (let n = 0; n < 3; n++) {
    await store.add(`own ${n}`, START + 10 + n, { nowSeconds: START, jkt });
  }
  const expires = START + LIFETIME;
  for (let n = 0; n < 3; n++) {
    const at = { nowSeconds: START + 11 + n, jkt };
    assertEquals(await outcome(store, `next ${n}`, expires, at), true);
    assertEquals(await outcome(store, `more ${n}`, expires, at), "replay-quota-exceeded");
    assertEquals(await outcome(store, `next ${n}`, expires, at), false);
  }
});

Deno.test("add() finds its place again after it made room for a key at its quota", async () => {
  // What is dropped closes up the table: a place found before would lie behind a gap, out of reach.
  for (let round = 0; round < 30; round++) {
    const store = new MemoryReplayStore({ capacity: 64, maxPerKey: 1 });
    const jkt = "A".repeat(43);
    for (let n = 0; n < 50; n++) await store.add(keyOf(n), START + 1, { nowSeconds: START });
    await store.add("own", START + 2, { nowSeconds: START, jkt });
    for (let n = 50; n < 63; n++) {
      await store.add(keyOf(n), START + LIFETIME, { nowSeconds: START });
    }
    const at = { nowSeconds: START + 3, jkt };
    assertEquals(await store.add("next", START + LIFETIME, at), true);
    assertEquals(await store.add("next", START + LIFETIME, at), false);
    for (let n = 50; n < 63; n++) {
      assertEquals(await store.add(keyOf(n), START + LIFETIME, { nowSeconds: START + 3 }), false);
    }
  }
});

Deno.test("add() counts a fraction of a second as the next whole one", async () => {
  const store = new MemoryReplayStore();
  assertEquals(await store.add("a", START + 10.25, { nowSeconds: START }), true);
  // Whatever is added drops what has expired.
  await store.add("b", START + LIFETIME, { nowSeconds: START + 10.75 });
  assertEquals(store.size, 2);
  assertEquals(await store.add("a", START + 10.25, { nowSeconds: START + 10.1 }), false);
  await store.add("c", START + LIFETIME, { nowSeconds: START + 11.25 });
  assertEquals(store.size, 2);
});

Deno.test("add() gives one key a quarter of the capacity by default, and at least 1,000", async () => {
  for (
    const [capacity, quota] of [[1, 1], [1000, 1000], [1001, 1000], [4000, 1000], [
      4005,
      1002,
    ]] as const
  ) {
    const store = new MemoryReplayStore({ capacity });
    let accepted = 0;
    const at = { nowSeconds: START, jkt: "A".repeat(43) };
    let answer: boolean | string = true;
    for (; answer === true; accepted++) {
      answer = await outcome(store, keyOf(accepted), START + LIFETIME, at);
    }
    assertEquals(accepted - 1, quota);
    // Where a key may fill it alone, that is what it is told.
    assertEquals(answer, quota === capacity ? "replay-store-full" : "replay-quota-exceeded");
  }
});

Deno.test("add() says of a refusal no more than the limit", async () => {
  const store = new MemoryReplayStore({ capacity: 2, maxPerKey: 1 });
  const at = { nowSeconds: START };
  await store.add("a", START + 9, { ...at, jkt: "j" });
  const quota = await assertRejects(
    () => store.add("secret", START + 9, { ...at, jkt: "j" }),
    SecurityError,
  );
  assertEquals([quota.code, quota.details], ["replay-quota-exceeded", { maxPerKey: 1 }]);
  await store.add("b", START + 9, at);
  const full = await assertRejects(() => store.add("secret", START + 9, at), SecurityError);
  assertEquals([full.code, full.details], ["replay-store-full", { capacity: 2 }]);
  for (const { message } of [quota, full]) assert(!/secret|[0-9]/.test(message), message);
});

Deno.test("add() answers as a Map with exact expiries does, while the clock goes forward", async () => {
  const step = fc.record({
    pass: fc.constantFrom(0, 0, 0, 0.5, 1, 2, 30),
    key: fc.nat(9),
    ahead: fc.integer({ min: -3, max: 12 }),
    owned: fc.boolean(),
  });
  const sizes = fc.record({
    capacity: fc.integer({ min: 1, max: 8 }),
    share: fc.integer({ min: 1, max: 8 }),
  });
  await fc.assert(
    fc.asyncProperty(
      sizes,
      fc.array(step, { maxLength: 100 }),
      async ({ capacity, share }, steps) => {
        const maxPerKey = Math.min(capacity, share);
        const store = new MemoryReplayStore({ capacity, maxPerKey });
        const model = new Map<string, { expiry: number; owned: boolean }>();
        let now = START;
        for (const { pass, key, ahead, owned } of steps) {
          now += pass;
          const expiry = Math.ceil(now) + ahead;
          for (const [name, entry] of model) if (entry.expiry < now) model.delete(name);
          const own = [...model.values()].filter((entry) => entry.owned).length;
          let expected: boolean | string = true;
          if (expiry < now || model.has(`${key}`)) expected = false;
          else if (model.size >= capacity) expected = "replay-store-full";
          else if (owned && own >= maxPerKey) expected = "replay-quota-exceeded";
          if (expected === true) model.set(`${key}`, { expiry, owned });
          const options = owned ? { nowSeconds: now, jkt: "j" } : { nowSeconds: now };
          assertEquals(await outcome(store, `${key}`, expiry, options), expected);
          assertEquals(store.size, model.size);
        }
      },
    ),
    { seed: 9449, numRuns: 500 },
  );
});

Deno.test("add() accepts no proof twice and refuses none without a cause, whatever the clock does", async () => {
  const step = fc.record({
    now: fc.integer({ min: START, max: START + 60 }),
    key: fc.nat(9),
    ahead: fc.integer({ min: -5, max: 20 }),
    copyOf: fc.option(fc.nat(100), { freq: 2 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 20 }),
      fc.array(step, { maxLength: 150 }),
      async (capacity, steps) => {
        const store = new MemoryReplayStore({ capacity });
        const sent: { key: string; expiry: number }[] = [];
        const accepted: { key: string; expiry: number }[] = [];
        let latest = 0;
        for (const { now, key, ahead, copyOf } of steps) {
          const proof = (copyOf === null ? undefined : sent[copyOf % Math.max(1, sent.length)]) ??
            { key: `${key}`, expiry: now + ahead };
          sent.push(proof);
          latest = Math.max(latest, now);
          const answer = await outcome(store, proof.key, proof.expiry, { nowSeconds: now });
          const earlier = accepted.filter((other) => other.key === proof.key);
          const gone = accepted.filter((other) => other.expiry < latest);
          if (answer === true) {
            // Not the same proof, and a twin of another expiry only once that one was over.
            assert(earlier.every((other) => other.expiry < Math.min(proof.expiry, latest)));
            accepted.push(proof);
          } else if (answer === false) {
            assert(
              earlier.length > 0 || proof.expiry < now ||
                gone.some((other) => proof.expiry <= other.expiry),
            );
          } else {
            assertEquals(answer, "replay-store-full");
            assert(accepted.filter((other) => other.expiry >= now).length >= capacity);
          }
        }
      },
    ),
    { seed: 9449, numRuns: 500 },
  );
});

const badOptions: [string, ConstructorParameters<typeof MemoryReplayStore>[0]][] = [
  ["'capacity' must be an integer from 1 to 67108864: current value is 0", { capacity: 0 }],
  ["current value is -1", { capacity: -1 }],
  ["current value is 1.5", { capacity: 1.5 }],
  ["current value is NaN", { capacity: NaN }],
  ["current value is Infinity", { capacity: Infinity }],
  ["current value is 67108865", { capacity: 2 ** 26 + 1 }],
  ["'maxPerKey' must be an integer from 1 to 10: current value is 0", {
    capacity: 10,
    maxPerKey: 0,
  }],
  ["current value is 11", { capacity: 10, maxPerKey: 11 }],
  ["current value is 2.5", { capacity: 10, maxPerKey: 2.5 }],
];

for (const [message, options] of badOptions) {
  Deno.test(`new MemoryReplayStore() throws when ${message}`, () => {
    assertThrows(() => new MemoryReplayStore(options), RangeError, message);
  });
}

Deno.test("new MemoryReplayStore() throws a TypeError when 'now' is no function", () => {
  const options = JSON.parse('{ "now": 5 }');
  assertThrows(() => new MemoryReplayStore(options), TypeError, "'now' must be a function");
});

Deno.test("add() throws a RangeError for a time that 32 bits of seconds do not hold", async () => {
  const store = new MemoryReplayStore();
  const at = { nowSeconds: START };
  for (const expires of [-1, 2 ** 32, START * 1000]) {
    await assertRejects(
      () => store.add("a", expires, at),
      RangeError,
      "'expiresAtSeconds' must be",
    );
  }
  for (const nowSeconds of [-1, 2 ** 32, START * 1000]) {
    await assertRejects(
      () => store.add("a", START, { nowSeconds }),
      RangeError,
      "'nowSeconds' must be",
    );
  }
  assertEquals(await store.add("a", 2 ** 32 - 1, at), true);
});

Deno.test("new MemoryReplayStore() needs no randomness, which workerd does not have at load", async () => {
  const original = crypto.getRandomValues;
  try {
    crypto.getRandomValues = () => {
      throw new Error("no randomness in the global scope");
    };
    const store = new MemoryReplayStore();
    assertEquals(store.size, 0);
    await assertRejects(() => store.add("a", START, { nowSeconds: START }), Error, "no randomness");
  } finally {
    crypto.getRandomValues = original;
  }
});
