/**
 * What every replay store has to do, whatever it keeps its entries in.
 *
 * The clock is the real one, because a store on another machine counts in real time; nothing here waits.
 */

import { assert, assertEquals } from "@std/assert";
import { encodeBase64Url } from "../../src/_internal/base64url.ts";
import type { ReplayAddOptions, ReplayStore } from "../../src/dpop/replay_store.ts";

/** A store under test, opened for one test. */
export interface OpenedReplayStore {
  /** The store. */
  readonly store: ReplayStore;
  /** Releases what the store needed. */
  close?(): void | Promise<void>;
}

/** Options of {@linkcode testReplayContract}. */
export interface ReplayContractOptions {
  /** Whether the store is out of reach here. */
  readonly ignore?: boolean;
}

const LIFETIME_SECONDS = 360;

/** 128 random bits in the form that a verifier uses. */
export function randomReplayKey(): string {
  return encodeBase64Url(crypto.getRandomValues(new Uint8Array(16)));
}

/** The time of this machine. */
function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

/** Adds one key several times at once; answers how often it was new. A refusal counts as no. */
async function acceptedOf(
  store: ReplayStore,
  copies: number,
  key: string,
  expiresAtSeconds: number,
  options?: ReplayAddOptions,
): Promise<number> {
  const results = await Promise.allSettled(
    Array.from(
      { length: copies },
      async () => await store.add(key, expiresAtSeconds, options),
    ),
  );
  return results.filter((result) => result.status === "fulfilled" && result.value).length;
}

/**
 * Registers the tests.
 *
 * @param name Name of the store, with which the names of the tests begin.
 * @param open Opens an empty store, or a view of a shared one: keys are random.
 * @param options Whether to ignore the tests.
 */
export function testReplayContract(
  name: string,
  open: () => OpenedReplayStore | Promise<OpenedReplayStore>,
  options: ReplayContractOptions = {},
): void {
  function test(what: string, body: (store: ReplayStore) => Promise<void>): void {
    Deno.test({
      name: `${name}.add() ${what}`,
      ignore: options.ignore ?? false,
      async fn() {
        const opened = await open();
        try {
          await body(opened.store);
        } finally {
          await opened.close?.();
        }
      },
    });
  }

  test("answers true for a new key and false for every copy", async (store) => {
    const key = randomReplayKey();
    const expires = nowSeconds() + LIFETIME_SECONDS;
    assertEquals(await store.add(key, expires), true);
    for (let copy = 0; copy < 3; copy++) assertEquals(await store.add(key, expires), false);
  });

  test("accepts exactly one of 50 copies at once", async (store) => {
    for (let round = 0; round < 5; round++) {
      const expires = nowSeconds() + LIFETIME_SECONDS;
      assertEquals(await acceptedOf(store, 50, randomReplayKey(), expires), 1);
    }
  });

  test("tells 200 keys apart, added at once", async (store) => {
    const keys = Array.from({ length: 200 }, randomReplayKey);
    const expires = nowSeconds() + LIFETIME_SECONDS;
    const first = await Promise.all(keys.map(async (key) => await store.add(key, expires)));
    assert(first.every((accepted) => accepted));
    const second = await Promise.all(keys.map(async (key) => await store.add(key, expires)));
    assert(second.every((accepted) => !accepted));
  });

  test("tells keys apart that differ in one character, in case or in one bit", async (store) => {
    const middle = randomReplayKey().slice(1, -1);
    const keys = ["A", "a", "B", "-", "_"].flatMap((first) =>
      ["A", "Q", "g", "w"].map((last) => first + middle + last)
    );
    const expires = nowSeconds() + LIFETIME_SECONDS;
    for (const key of keys) assertEquals(await store.add(key, expires), true);
    for (const key of keys) assertEquals(await store.add(key, expires), false);
  });

  test("answers false for a copy with another expiry, time or thumbprint", async (store) => {
    const key = randomReplayKey();
    const now = nowSeconds();
    const expires = now + LIFETIME_SECONDS;
    assertEquals(await store.add(key, expires, { nowSeconds: now, jkt: "a".repeat(43) }), true);
    const copies: [number, ReplayAddOptions | undefined][] = [
      [expires + 30, { nowSeconds: now }],
      [expires - 30, { nowSeconds: now }],
      [expires, { nowSeconds: now - 30 }],
      [expires, { nowSeconds: now + 30 }],
      [expires, { nowSeconds: now, jkt: "b".repeat(43) }],
      [expires, { nowSeconds: now + 0.25 }],
      [expires, undefined],
    ];
    for (const [at, given] of copies) assertEquals(await store.add(key, at, given), false);
  });

  test("takes a fractional expiry, and remembers it as any other", async (store) => {
    const expires = nowSeconds() + LIFETIME_SECONDS + 0.5;
    assertEquals(await acceptedOf(store, 3, randomReplayKey(), expires), 1);
  });

  test("remembers until the expiry itself, which is in the lifetime", async (store) => {
    // A proof of the greatest age that is accepted, where nothing is allowed for skew.
    const now = nowSeconds();
    const key = randomReplayKey();
    assertEquals(await store.add(key, now, { nowSeconds: now }), true);
    assertEquals(await store.add(key, now, { nowSeconds: now }), false);
  });

  test("never accepts twice what had expired before it was added", async (store) => {
    const key = randomReplayKey();
    const now = nowSeconds();
    const accepted = await acceptedOf(store, 5, key, now - 10, { nowSeconds: now });
    assert(accepted <= 1);
    // The clock goes back to where the proof is young: a copy must not be worth more than it was.
    const again = await acceptedOf(store, 5, key, now - 10, { nowSeconds: now - 100 });
    assert(accepted + again <= 1, `accepted ${accepted + again} times`);
  });

  for (const expires of [NaN, Infinity, -Infinity]) {
    test(`rejects with a RangeError when the expiry is ${expires}`, async (store) => {
      let error: unknown;
      try {
        await store.add(randomReplayKey(), expires);
      } catch (thrown) {
        error = thrown;
      }
      assert(error instanceof RangeError, `${error}`);
    });
  }

  test("rejects with a RangeError when the time is not a number", async (store) => {
    let error: unknown;
    try {
      await store.add(randomReplayKey(), nowSeconds() + LIFETIME_SECONDS, { nowSeconds: NaN });
    } catch (thrown) {
      error = thrown;
    }
    assert(error instanceof RangeError, `${error}`);
  });

  test("accepts at most once when the signal aborted beforehand", async (store) => {
    const key = randomReplayKey();
    const expires = nowSeconds() + LIFETIME_SECONDS;
    const signal = AbortSignal.abort();
    const aborted = await acceptedOf(store, 3, key, expires, { signal });
    const later = await acceptedOf(store, 3, key, expires);
    assert(aborted + later <= 1, `accepted ${aborted + later} times`);
  });
}
