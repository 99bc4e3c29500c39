import { assert, assertEquals, assertFalse, assertLess, assertMatch } from "@std/assert";
import fc from "fast-check";
import { AuditLogger } from "../../src/events/audit_logger.ts";
import type { AuditEventInput } from "../../src/events/audit_event.ts";
import { memorySink } from "../../src/events/memory_sink.ts";
import { SecretShapes } from "../../src/events/_redact.ts";
import { SecretNames } from "../../src/events/_secret_names.ts";

const JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";
const JWE = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aXYtaXY.Y2lwaGVy.dGFn";
const PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIabc\n-----END EC PRIVATE KEY-----";
const GITHUB = `ghp_${"a1B2".repeat(9)}`;
const shapes = new SecretShapes(["cardNumber"]);

Deno.test("redact() replaces secrets by their shape, and keeps what is around them", () => {
  const cases: [string, string][] = [
    [JWT, "[redacted]"],
    [`got ${JWT}, twice ${JWT}`, "got [redacted], twice [redacted]"],
    [JWE, "[redacted]"],
    [`${JWT}~WyJzYWx0Il0~${JWT}`, "[redacted]"],
    ["Bearer abc123", "Bearer [redacted]"],
    ["bearer  a.b-c_d~e+f/g==", "bearer  [redacted]"],
    ["Bearer%20abc123 sent", "Bearer%20[redacted] sent"],
    [`DPoP ${JWT}`, "DPoP [redacted]"],
    ["Basic YWxpY2U6c2VjcmV0", "Basic [redacted]"],
    ["Authorization: Bearer abc\r\nHost: x", "Authorization: Bearer [redacted]\r\nHost: x"],
    ['Authorization: Digest username="a", response="b"', "Authorization: [redacted]"],
    ["Proxy-Authorization: Negotiate YII", "Proxy-Authorization: [redacted]"],
    ["Cookie: sid=abc; theme=dark\nHost: x", "Cookie: [redacted]\nHost: x"],
    ["Set-Cookie: sid=abc; HttpOnly", "Set-Cookie: [redacted]"],
    ["https://bob:hunter2@example.com/a", "https://bob:[redacted]@example.com/a"],
    ["redis://:p@ss@cache:6379/0", "redis://:[redacted]@cache:6379/0"],
    ["/cb?code=abc&state=xyz&page=2", "/cb?code=[redacted]&state=[redacted]&page=2"],
    ["/cb#access_token=abc&expires_in=3600", "/cb#access_token=[redacted]&expires_in=3600"],
    ["next=%2Fcb%3Ftoken%3Dabc", "next=%2Fcb%3Ftoken%3D[redacted]"],
    ["/x?X-Amz-Signature=abc&v=1", "/x?X-Amz-Signature=[redacted]&v=1"],
    [`${PEM}\nafter`, "[redacted]\nafter"],
    ["-----BEGIN PRIVATE KEY-----\nMIIabc", "[redacted]"],
    ["-----BEGIN PGP PRIVATE KEY BLOCK-----\nabc", "[redacted]"],
    [GITHUB, "ghp_[redacted]"],
    ["github_pat_11AAAAAAA0_bbbbbbbb", "github_pat_[redacted]"],
    ["xoxb-123456789012-AbCdEf", "xoxb-[redacted]"],
    ["sk_live_51HAbCdEfGhIj", "sk_live_[redacted]"],
    ["AKIAIOSFODNN7EXAMPLE", "AKIA[redacted]"],
    [`key AIza${"Sy1".repeat(11)}`, "key AIza[redacted]"],
    ["glpat-AbCdEf1234567890", "glpat-[redacted]"],
    [`npm_${"aB3".repeat(12)}`, "npm_[redacted]"],
    ["password=hunter2", "password=[redacted]"],
    ['password = "it\'s, secret"', 'password = "[redacted]"'],
    ["db_password: hunter2 host: x", "db_password: [redacted] host: x"],
    ['{"client_secret":"a\\"b","user":"bob"}', '{"client_secret":"[redacted]","user":"bob"}'],
    ["password='abc\\", "password='[redacted]"],
    ['{"kty":"OKP","d":"abc","x":"def"}', '{"kty":"OKP","d":"[redacted]","x":"def"}'],
    ["session=abc", "session=[redacted]"],
    ["card_number=4111", "card_number=[redacted]"],
    ["Card Number: 4111", "Card Number: [redacted]"],
    ["PIN: 1234", "PIN: [redacted]"],
    ["user[password]=x&a=b", "user[password]=[redacted]&a=b"],
    ["user%5Bpassword%5D%3Dx", "user%5Bpassword%5D%3D[redacted]"],
    ['{"password" => "x"}', '{"password" => "[redacted]"}'],
    ["pass=x db_pass=y", "pass=[redacted] db_pass=[redacted]"],
    ["mysql --password x --host y", "mysql --password [redacted] --host y"],
    ["--db-password 'x y' -v", "--db-password [redacted] -v"],
    ["<password>x y</password>", "<password>[redacted]</password>"],
    ["<ns:Token>x</ns:Token>", "<ns:Token>[redacted]</ns:Token>"],
    ["%22password%22%3A%22x%22", "%22password%22%3A[redacted]"],
    ["AccountName=a;AccountKey=x==", "AccountName=a;AccountKey=[redacted]"],
    ["/cb?q=1&key='x y'&page=2", "/cb?q=1&key=[redacted]&page=2"],
    ["postgres://u:p/w@h/db?a=b", "postgres://u:[redacted]@h/db?a=b"],
    ["https://u:p@h/a@b", "https://u:[redacted]@h/a@b"],
    ["Cookie: a=1\r\n b=2\r\nHost: x", "Cookie: [redacted]\r\nHost: x"],
    ["ewogICJhbGciOiAiSFMyNTYifQ.eyJzdWIiOiJhIn0.c2ln", "[redacted]"],
  ];
  for (const [text, expected] of cases) {
    assertEquals(shapes.redact(text, false), expected);
    // What was redacted has nothing left to redact.
    assertEquals(shapes.redact(expected, false), expected);
  }
});

Deno.test("redact() leaves alone what only sounds like a secret", () => {
  const texts = [
    "notes/a.md",
    "DPoP proof is missing",
    "the DPoP nonce expired",
    "Basic auth is off",
    "a bearer token is required",
    "token: expired",
    "authorization was refused",
    "compass: north, spin: 12, mapping: a=b",
    "npm_config_registry",
    "task-force-of-twelve-people",
    "code=ENOENT errno=2",
    "https://example.com:8443/a?page=2&sort=name",
    "https://example.com:8443/a@b",
    "redis://cache:6379, mail to a@b",
    "--password-file /run/p --tokenizer fast",
    "bypass=on compass=north <passage>x</passage>",
    "pass: 12, fail: 0",
    "mailto:bob@example.com",
    "2026-01-02T03:04:05.678Z",
    "eyJ",
    "3f0c1f0e-8a55-4c39-9a5e-2f1f6f4f5b11",
  ];
  for (const text of texts) assertEquals(shapes.redact(text, false), text);
});

Deno.test("redact() takes a secret whose end was cut off for one", () => {
  const cases: [string, string][] = [
    [JWT.slice(0, 15), "[redacted]"],
    [GITHUB.slice(0, 10), "ghp_[redacted]"],
    [PEM.slice(0, 40), "[redacted]"],
    ["Bearer a", "Bearer [redacted]"],
    ["https://bob:hun", "https://bob:[redacted]"],
  ];
  for (const [text, expected] of cases) assertEquals(shapes.redact(text, true), expected);
});

Deno.test("redact() takes linear time, whatever the text", () => {
  const pieces = [
    "eyJ",
    "eyJ.",
    "a",
    "A1",
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----",
    "bearer ",
    "bearer  =",
    "://",
    "://a:",
    ":",
    "://a:b",
    "cookie",
    "cookie:\n",
    "token",
    "token ",
    "token\\",
    'token="',
    'token="\\',
    'password=\\"',
    "?code=",
    "&code=a",
    "%3f",
    "ghp_",
    "xoxb-A1",
    '"kty"',
    '"d" :',
    "'d':'",
    "api_",
    " ",
    "\n",
    "\\",
    '"',
  ];
  const text = (piece: string, length: number) =>
    piece.repeat(Math.ceil(length / piece.length)).slice(0, length);
  // Control: an expression that looks again at what it took needs longer for a tenth of it.
  const before = performance.now();
  /:\/\/[^]*:[^]*@/.test(text("://a:", 3000));
  assertLess(100, performance.now() - before);

  for (const piece of pieces) {
    for (const other of ["", ...pieces]) {
      const long = text(piece, 16_384) + text(other || piece, 16_384);
      // The shortest of some, as the machine may be busy.
      let shortest = Infinity;
      for (let run = 0; run < 10 && shortest >= 100; run++) {
        const start = performance.now();
        shapes.redact(long, true);
        shortest = Math.min(shortest, performance.now() - start);
      }
      assertLess(shortest, 100, `${piece} ${other}`);
    }
  }
});

Deno.test("redact() leaves no JWT, bearer value or marked token in any text around them", () => {
  const around = fc.oneof(
    fc.string({ maxLength: 20 }),
    fc.constantFrom(" ", "\n", '"', "'", "=", ":", "(", "[", "{", ", ", "; ", "/", "?a=", "&b="),
  );
  const secret = fc.constantFrom(JWT, JWE, `Bearer ${GITHUB}`, "Basic QWxhZGRpbjpvcGVu", PEM);
  fc.assert(
    fc.property(fc.array(fc.tuple(around, secret), { maxLength: 4 }), around, (parts, end) => {
      const text = parts.map(([before, value]) => `${before} ${value}`).join(" ") + ` ${end}`;
      const redacted = shapes.redact(text, false);
      for (const needle of [JWT, JWE, GITHUB, "QWxhZGRpbjpvcGVu", "MHcCAQEEIabc"]) {
        assertFalse(redacted.includes(needle), text);
      }
    }),
    { numRuns: 2000, seed: 7 },
  );
});

Deno.test("SecretNames knows names in any spelling", () => {
  const names = new SecretNames(["cardNumber"]);
  const secret = [
    ..."authorization Authorization PROXY_AUTHORIZATION proxy-authorization cookie Set-Cookie setCookie"
      .split(" "),
    ..."password passwd pwd PassWord user_password dbPassword passwordHash passphrase secret".split(
      " ",
    ),
    ..."client_secret clientSecret token access_token refreshToken id-token csrfToken api_key"
      .split(" "),
    ..."apikey X-API-Key private_key stripeSecretKey dpop session sessionid session_id".split(" "),
    ..."credential credentials assertion code_verifier otp pin card_number CARDNUMBER".split(" "),
    ..."tokens refreshTokens clientSecrets sessionIds newPwd dbPass db_pass privateKeyPem".split(
      " ",
    ),
    ..."secretValue tokenValue authorizationHeader masterKey hmacKey userPasswordHash".split(" "),
    "ｐａｓｓｗｏｒｄ",
    "access token",
  ];
  for (const name of secret) assert(names.has(name), name);
  const open =
    "principal resource bytes code key keys kid jkt tokenType thumbprint spinner user bypass compass passes"
      .split(" ");
  for (const name of open) assertFalse(names.has(name), name);
});

function recorded(event: Partial<AuditEventInput>) {
  const sink = memorySink();
  const audit = new AuditLogger({ sinks: [sink], redact: ["cardNumber"] });
  audit.report({ kind: "http.request", outcome: "denied", ...event });
  return { event: sink.events[0], redacted: audit.stats().redacted };
}

Deno.test("report() redacts details by name, wherever they are nested and however they are listed", () => {
  const details = {
    authorization: "opaque",
    "X-Api-Key": 12345,
    login: { user: "bob", password: "hunter2" },
    cardNumber: ["4111"],
    headers: [["cookie", "a=b"], ["host", "example.com"]],
    rawHeaders: ["Set-Cookie", "a=b", "Host", "example.com"],
    web: new Headers({ cookie: "a=b", host: "example.com" }),
    map: new Map([["token", "abc"]]),
    entry: { name: "session", value: "abc" },
    labels: [{ Name: "password", Value: "x" }, { KEY: "token", VALUE: 1 }, { Name: "a", Value: 1 }],
    counts: { tokens: 512, maxTokens: 4096, otps: [1] },
    lists: { tokens: ["abc"], refreshTokens: { a: 1 } },
    jwk: { kty: "RSA", n: "n", e: "e", d: "d", p: "p", q: "q", dp: "dp", dq: "dq", qi: "qi" },
    oct: { kty: "oct", k: "k" },
    point: { d: "not a key", k: 1 },
    flags: { token: true, password: null, secret: undefined },
    [GITHUB]: 1,
  };
  // Control: JSON.stringify writes all of it.
  assert(JSON.stringify(details).includes("hunter2"));
  const { event, redacted } = recorded({ details });
  assertEquals(event?.details, {
    authorization: "[redacted]",
    "X-Api-Key": "[redacted]",
    login: { user: "bob", password: "[redacted]" },
    cardNumber: "[redacted]",
    headers: [["cookie", "[redacted]"], ["host", "example.com"]],
    rawHeaders: ["Set-Cookie", "[redacted]", "Host", "example.com"],
    web: { cookie: "[redacted]", host: "example.com" },
    map: { token: "[redacted]" },
    entry: { name: "session", value: "[redacted]" },
    labels: [
      { Name: "password", Value: "[redacted]" },
      { KEY: "token", VALUE: "[redacted]" },
      { Name: "a", Value: 1 },
    ],
    counts: { tokens: 512, maxTokens: 4096, otps: "[redacted]" },
    lists: { tokens: "[redacted]", refreshTokens: "[redacted]" },
    jwk: {
      kty: "RSA",
      n: "n",
      e: "e",
      d: "[redacted]",
      p: "[redacted]",
      q: "[redacted]",
      dp: "[redacted]",
      dq: "[redacted]",
      qi: "[redacted]",
    },
    oct: { kty: "oct", k: "[redacted]" },
    point: { d: "not a key", k: 1 },
    flags: { token: true, password: null },
    "ghp_[redacted]": 1,
  });
  assertEquals(redacted, 22);
});

Deno.test("report() redacts by shape in every field that holds text", () => {
  const { event, redacted } = recorded({
    principal: JWT,
    resource: `/cb?code=abc`,
    operation: GITHUB,
    code: "AKIAIOSFODNN7EXAMPLE",
    reason: "Cookie: a=b",
    source: { address: JWT, confidence: "claimed" },
    correlationId: JWT,
    clientCorrelationId: "AKIAIOSFODNN7EXAMPLE",
    details: { list: [`Bearer ${GITHUB}`] },
  });
  assertFalse(JSON.stringify(event).includes("eyJ"));
  assertMatch(event?.principal ?? "", /^\[redacted [0-9a-f]{12}\]$/);
  assertMatch(event?.resource ?? "", /^\/cb\?code=\[redacted [0-9a-f]{12}\]$/);
  assertEquals(event?.operation, "ghp_[redacted]");
  assertEquals(event?.code, "AKIA[redacted]");
  assertEquals(event?.reason, "Cookie: [redacted]");
  assertEquals(event?.source?.address, event?.principal);
  assertEquals(event?.clientCorrelationId, undefined);
  assertEquals(event?.details, { list: ["Bearer [redacted]"] });
  assertEquals(redacted, 9);
});

Deno.test("report() leaves no secret that was cut in two", () => {
  const sink = memorySink();
  const audit = new AuditLogger({ sinks: [sink], maxStringLength: 100 });
  for (let at = 20; at < 100; at++) {
    audit.report({ kind: "x", outcome: "denied", reason: `${" ".repeat(at)}${JWT}${JWT}` });
  }
  for (const { reason = "" } of sink.events) assertFalse(reason.includes("eyJhb"), reason);
});
