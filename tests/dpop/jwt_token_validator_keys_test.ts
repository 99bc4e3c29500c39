/** Where createJwtTokenValidator() has its keys from. */
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { DpopError } from "../../src/dpop/dpop_error.ts";
import type { JwtTokenValidatorOptions } from "../../src/dpop/jwt_token_validator.ts";
import { makeKey } from "./_proofs.ts";
import { keySet, signToken, validatorOf } from "./_tokens.ts";

const key = await makeKey("ES256");
const stranger = await makeKey("ES256");
const JWKS = keySet(key);
const URL_OF_KEYS = new URL("https://as.example.com/jwks");

const validator = (options?: Partial<JwtTokenValidatorOptions>) => validatorOf(key, options);

async function isAccepted(
  token: string,
  options: Partial<JwtTokenValidatorOptions> = {},
): Promise<boolean> {
  return await validator(options)(token) !== null;
}

Deno.test("createJwtTokenValidator() tries the keys that a token without 'kid' may have", async () => {
  const others = await Promise.all([1, 2, 3, 4].map(() => makeKey("ES256")));
  const token = await signToken(key, {}, { kid: undefined });
  assert(await isAccepted(token, { jwks: keySet(...others.slice(0, 3), key) }));
  assertEquals(await isAccepted(token, { jwks: keySet(...others, key) }), false);
  assertEquals(await isAccepted(token, { jwks: keySet(...others.slice(0, 3)) }), false);
});

Deno.test("createJwtTokenValidator() asks a function for the key", async () => {
  const token = await signToken(key);
  const kids: unknown[] = [];
  const jwks: JwtTokenValidatorOptions["jwks"] = ({ kid }) => {
    kids.push(kid);
    return key.publicKey;
  };
  assert(await isAccepted(token, { jwks }));
  assertEquals(kids, ["k1"]);
  assert(await isAccepted(token, { jwks: () => Promise.resolve({ ...key.jwk }) }));
  assertEquals(await isAccepted(token, { jwks: () => stranger.publicKey }), false);
  assertEquals(await isAccepted(token, { jwks: () => undefined }), false);
  // What a client writes into the header decides nothing but which key is looked for.
  const other = await makeKey("Ed25519");
  assertEquals(await isAccepted(token, { jwks: () => other.publicKey }), false);
});

Deno.test("createJwtTokenValidator() says that it cannot tell when the function fails", async () => {
  const token = await signToken(key);
  const failures: ReadonlyArray<JwtTokenValidatorOptions["jwks"]> = [
    () => Promise.reject(new Error("no database")),
    () => key.privateKey,
    () => "key" as unknown as CryptoKey,
    () => new Uint8Array(32) as unknown as CryptoKey,
  ];
  for (const jwks of failures) {
    const error = await assertRejects(async () => await validator({ jwks })(token), DpopError);
    assertEquals([error.code, error.reason], [
      "temporarily_unavailable",
      "token-validator-unavailable",
    ]);
  }
});

Deno.test("createJwtTokenValidator() does not wait for a function longer than it is told", async () => {
  const validate = validator({ timeoutMs: 5, jwks: () => new Promise(() => {}) });
  const error = await assertRejects(async () => await validate(await signToken(key)), DpopError);
  assertEquals((error.cause as DOMException).name, "TimeoutError");
});

Deno.test("createJwtTokenValidator() stops waiting when the request is abandoned", async () => {
  const controller = new AbortController();
  const validate = validator({
    jwks: () => {
      controller.abort(new Error("gone"));
      return new Promise(() => {});
    },
    timeoutMs: 100,
  });
  const token = await signToken(key);
  const { signal } = controller;
  await assertRejects(async () => await validate(token, { signal }), Error, "gone");
  await assertRejects(async () => await validate(token, { signal }), Error, "gone");
});

Deno.test("createJwtTokenValidator() fetches keys once, and again for one that it does not know", async () => {
  let published = JWKS;
  const requests: [string, RequestInit][] = [];
  const fetch = (url: string, init: RequestInit) => {
    requests.push([url, init]);
    return Promise.resolve(Response.json(published));
  };
  const validate = validator({ jwks: URL_OF_KEYS, fetch, cooldownSeconds: 0 });
  const old = await signToken(key);
  await Promise.all([validate(old), validate(old), validate(old)]);
  assertEquals(requests.length, 1);
  assertEquals([requests[0]?.[0], requests[0]?.[1].redirect], [URL_OF_KEYS.href, "manual"]);
  published = keySet(key, stranger);
  assert(await validate(await signToken(stranger, {}, { kid: "k2" })) !== null);
  assertEquals(requests.length, 2);
});

Deno.test("createJwtTokenValidator() does not let made-up keys cause more than one fetch in a while", async () => {
  let fetches = 0;
  const fetch = () => {
    fetches++;
    return Promise.resolve(Response.json(JWKS));
  };
  const guarded = validator({ jwks: URL_OF_KEYS, fetch });
  const open = validator({ jwks: URL_OF_KEYS, fetch, cooldownSeconds: 0 });
  const counts: number[] = [];
  for (const validate of [guarded, open]) {
    fetches = 0;
    for (let at = 0; at < 10; at++) {
      assertEquals(await validate(await signToken(stranger, {}, { kid: `made-up-${at}` })), null);
    }
    counts.push(fetches);
  }
  // The second is the control: what happens without the pause.
  assertEquals(counts, [1, 11]);
});

/** Both `jose` and what pauses it look at the clock of the machine. */
async function withClock(work: (advance: (seconds: number) => void) => Promise<void>) {
  const machine = Date.now;
  let aheadMs = 0;
  Date.now = () => machine() + aheadMs;
  try {
    await work((seconds) => aheadMs += seconds * 1000);
  } finally {
    Date.now = machine;
  }
}

const isUndecided = async (work: () => unknown) => {
  const error = await assertRejects(async () => await work(), DpopError);
  assertEquals(error.reason, "token-validator-unavailable");
};

Deno.test("createJwtTokenValidator() does not let made-up keys cause a fetch each while the server fails", async () => {
  await withClock(async (advance) => {
    const counts: number[] = [];
    for (const cooldownSeconds of [30, 0]) {
      let fetches = 0;
      let down = false;
      const validate = validator({
        jwks: URL_OF_KEYS,
        cooldownSeconds,
        fetch: () => {
          fetches++;
          return Promise.resolve(down ? new Response(null, { status: 500 }) : Response.json(JWKS));
        },
      });
      const good = await signToken(key);
      assert(await validate(good) !== null);
      down = true;
      for (let round = 0; round < 2; round++) {
        advance(31);
        for (let at = 0; at < 10; at++) {
          const forged = await signToken(stranger, {}, { kid: `made-up-${at}` });
          await isUndecided(() => validate(forged));
        }
      }
      // Whose key is known is let in all the time.
      assert(await validate(good) !== null);
      counts.push(fetches - 1);
    }
    // The second is the control: what happens without the pause.
    assertEquals(counts, [2, 20]);
  });
});

Deno.test("createJwtTokenValidator() asks a server of keys that failed again after a second, where it has none", async () => {
  await withClock(async (advance) => {
    const answers = [new Response(null, { status: 500 }), Response.json(JWKS)];
    let fetches = 0;
    const validate = validator({
      jwks: URL_OF_KEYS,
      fetch: () => Promise.resolve(answers[fetches++]!),
    });
    const token = await signToken(key);
    for (let at = 0; at < 5; at++) await isUndecided(() => validate(token));
    assertEquals(fetches, 1);
    advance(1);
    assert(await validate(token) !== null);
    assertEquals(fetches, 2);
  });
});

Deno.test("createJwtTokenValidator() outlives a clock that is set back after a failure", async () => {
  await withClock(async (advance) => {
    const answers = [new Response(null, { status: 500 }), Response.json(JWKS)];
    const validate = validator({
      jwks: URL_OF_KEYS,
      fetch: () => Promise.resolve(answers.shift()!),
    });
    await isUndecided(async () => await validate(await signToken(key)));
    advance(-3600);
    assert(await validate(await signToken(key)) !== null);
  });
});

const hangingServers: ReadonlyArray<[string, (onCancel: () => void) => Promise<Response>]> = [
  ["a fetch", () => new Promise(() => {})],
  ["a body", (onCancel) => Promise.resolve(new Response(new ReadableStream({ cancel: onCancel })))],
];
for (const [what, hang] of hangingServers) {
  Deno.test(`createJwtTokenValidator() outlives ${what} that takes no notice of its signal`, async () => {
    let fetches = 0;
    let cancelled = 0;
    const signals: AbortSignal[] = [];
    const validate = validator({
      jwks: URL_OF_KEYS,
      timeoutMs: 20,
      cooldownSeconds: 0,
      fetch: (_url, { signal }) => {
        if (signal) signals.push(signal);
        return fetches++ === 0 ? hang(() => cancelled++) : Promise.resolve(Response.json(JWKS));
      },
    });
    const token = await signToken(key);
    await isUndecided(() => validate(token));
    await new Promise((resolve) => setTimeout(resolve, 20));
    // Whoever waited for the first promise for ever would be refused for ever.
    assert(await validate(token) !== null);
    assertEquals(fetches, 2);
    assert(signals[0]?.aborted);
    assertEquals(cancelled, what === "a body" ? 1 : 0);
  });
}

const brokenServers: ReadonlyArray<[string, () => Promise<Response>]> = [
  ["is out of reach", () => Promise.reject(new TypeError("connection refused"))],
  ["fails", () => Promise.resolve(new Response("no", { status: 500 }))],
  ["redirects", () => Promise.resolve(Response.redirect("https://evil.example.com/jwks"))],
  ["sends no JSON", () => Promise.resolve(new Response("<html>"))],
  ["sends no key set", () => Promise.resolve(Response.json({ keys: 1 }))],
  ["sends too much", () => Promise.resolve(Response.json({ ...JWKS, x: "x".repeat(70_000) }))],
  ["does not answer", () => new Promise(() => {})],
];
for (const [what, fetch] of brokenServers) {
  Deno.test(`createJwtTokenValidator() says that it cannot tell when the server of keys ${what}`, async () => {
    const validate = validator({ jwks: URL_OF_KEYS, fetch, timeoutMs: 20 });
    const error = await assertRejects(async () => await validate(await signToken(key)), DpopError);
    assertEquals([error.code, error.reason, error.status], [
      "temporarily_unavailable",
      "token-validator-unavailable",
      503,
    ]);
    assertInstanceOf(error.cause, Error);
  });
}
