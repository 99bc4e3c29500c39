/** What counts as the path of a request: the one that every reader of it sees, or none. */
import { assert, assertEquals } from "@std/assert";
import { createDpopVerifier } from "../../src/dpop/dpop_verifier.ts";
import { makeKey, now, signProof } from "./_proofs.ts";
import { guardFor, makeRequest, refused, TOKEN } from "./_verifiers.ts";

const key = await makeKey("Ed25519");
const ORIGIN = "https://api.example.com";

/** A request whose URL is what a server makes of Host and target, which `new Request()` would repair. */
async function requestTo(url: unknown, signedPath: string, host?: string): Promise<Request> {
  const { headers } = await makeRequest({ key, claims: { htu: ORIGIN + signedPath } });
  if (host !== undefined) headers.set("host", host);
  return { url, method: "GET", headers } as Request;
}

const guard = () => guardFor(key.jkt, { algs: ["Ed25519"] });

/** The URL, and the path of the proof that it would fit in one reading. */
const AMBIGUOUS: readonly (readonly [name: string, url: string, signedPath: string])[] = [
  ["a Host that begins a query", "http://h?/admin/dump", "/"],
  ["a Host that begins a fragment", "http://h#/admin/dump", "/"],
  ["a Host with a path and a query", "http://h/notes?/admin/dump", "/notes"],
  ["a Host with backslashes and a query", "http://h\\admin\\dump?/", "/"],
  ["a Host with backslashes", "http://h\\tenants\\2/notes", "/notes"],
  ["a Host with a user", "http://admin@h/notes", "/notes"],
  ["a Host with a space", "http://h h/notes", "/notes"],
  ["a Host with a tab", "http://h\t/notes", "/notes"],
  ["an empty Host", "http:///notes", "/notes"],
  ["no path", "http://h", "/"],
  ["dot segments", "http://h/admin/../notes", "/notes"],
  ["dot segments in a path alone", "/admin/../notes?x", "/notes"],
  ["escaped dot segments", "http://h/admin/%2e%2E/notes", "/notes"],
  ["half escaped dot segments", "http://h/admin/.%2e/notes", "/notes"],
  ["a single dot", "http://h/./notes", "/notes"],
  ["an escaped single dot", "http://h/%2E/notes", "/notes"],
  ["two dots at the end", "http://h/notes/1/..", "/notes/"],
  ["two dots before a query", "http://h/notes/1/..?x", "/notes/"],
  ["a dot before a fragment", "http://h/notes/.#x", "/notes/"],
  ["backslashes", "http://h/admin\\..\\notes", "/admin\\..\\notes"],
  ["a tab, which URL() drops", "http://h/no\ttes", "/no\ttes"],
  ["a line break, which URL() drops", "http://h/.\n./notes", "/.\n./notes"],
];

for (const [name, url, signedPath] of AMBIGUOUS) {
  // A Host with a slash leaves a URL that looks like any other: its header says so.
  const host = name === "a Host with a path and a query" ? "h/notes?" : undefined;
  Deno.test(`verifyRequest() refuses a URL with ${name}`, async () => {
    const result = await guard().verifyRequest(await requestTo(url, signedPath, host));
    const { response } = refused(result, "invalid_request", "request-url-ambiguous", 400);
    assertEquals(
      response.headers.get("www-authenticate"),
      'DPoP error="invalid_request", error_description="The request is malformed", algs="Ed25519"',
    );
  });
}

Deno.test("verifyRequest() refuses what is no URL of a request", async () => {
  for (const url of ["", "*", "notes", "h/notes", "ftp://h/notes", "http:/notes", "http:notes"]) {
    const result = await guard().verifyRequest(await requestTo(url, "/notes"));
    refused(result, "invalid_request", "request-url-ambiguous", 400);
  }
  for (const url of [undefined, null, 1, {}]) {
    const result = await guard().verifyRequest(await requestTo(url, "/notes"));
    refused(result, "temporarily_unavailable", "url-unresolved", 503);
  }
});

Deno.test("verifyRequest() takes every URL that has one path only", async () => {
  const cases: readonly (readonly [url: string, signedPath: string])[] = [
    ["http://h/notes", "/notes"],
    ["HTTPS://H:8000/notes", "/notes"],
    ["http://[::1]:8000/notes", "/notes"],
    ["/notes", "/notes"],
    ["http://h/", "/"],
    ["http://h/notes?from=/../x\\y", "/notes"],
    ["http://h/notes#/../x", "/notes"],
    ["http://h//notes", "//notes"],
    ["http://h/.well-known/a..b/...", "/.well-known/a..b/..."],
    ["http://h/a%2F..%2Fb/%2e%2ex", "/a%2f..%2fb/..x"],
    ["http://h/notes|é", "/notes|é"],
    // Normalization is for the claim: this one is the client's, and nobody routes by it.
    ["http://h/notes", "/admin/../%6eotes"],
  ];
  for (const [url, signedPath] of cases) {
    const result = await guard().verifyRequest(await requestTo(url, signedPath));
    assert(result.ok, `${url}: ${result.ok || result.error.reason}`);
  }
});

Deno.test("verifyRequest() refuses a Host that is no authority, and takes any other", async () => {
  for (const host of ["h/notes", "h/", "h?", "h#", "h\\x", "u@h", "h h", "a, b", "h\t1"]) {
    const result = await guard().verifyRequest(await requestTo("http://h/notes", "/notes", host));
    refused(result, "invalid_request", "request-url-ambiguous", 400);
  }
  for (const host of ["", "h", "h:8000", "[::1]:8000", "xn--bcher-kva.example", "127.0.0.1"]) {
    const request = await requestTo("http://h/notes", "/notes", host);
    assert((await guard().verifyRequest(request)).ok, host);
  }
});

Deno.test("verifyRequest() refuses an ambiguous path also where resolveUrl() tells the URL", async () => {
  const answers = ["/admin/../notes", "/admin/%2e%2e/notes", "/.", "/admin\\..\\notes", "/n\totes"];
  for (const path of answers) {
    const options = { origin: undefined, resolveUrl: () => ORIGIN + path };
    const result = await guardFor(key.jkt, options as never).verifyRequest(
      await requestTo("http://h/verify", "/notes"),
    );
    refused(result, "invalid_request", "request-url-ambiguous", 400);
  }
  // It parses what the router does not, and so calls every one of these /notes.
  const resolveUrl = ({ url }: Request) => ORIGIN + new URL(url).pathname;
  const parsing = guardFor(key.jkt, { origin: undefined, resolveUrl } as never);
  for (const url of ["http://h/admin/../notes", "http://h/admin\\..\\notes", "http://h/no\ttes"]) {
    const result = await parsing.verifyRequest(await requestTo(url, "/notes"));
    refused(result, "invalid_request", "request-url-ambiguous", 400);
  }
  assert((await parsing.verifyRequest(await requestTo("http://h/notes", "/notes"))).ok);
  // No path is the path "/" (RFC 3986, section 6.2.3).
  const bare = guardFor(key.jkt, { origin: undefined, resolveUrl: () => ORIGIN } as never);
  assert((await bare.verifyRequest(await requestTo("http://h/", "/"))).ok);
});

Deno.test("verifyRequest() of an authorization server refuses an ambiguous URL", async () => {
  const grants = createDpopVerifier({ role: "authorization-server", origin: ORIGIN, now });
  const dpop = await signProof({ key, accessToken: TOKEN, claims: { htm: "POST" } });
  const headers = new Headers({ dpop });
  const request = { url: "http://h/x/../notes", method: "POST", headers } as Request;
  const result = await grants.verifyRequest(request);
  const { response } = refused(result, "invalid_request", "request-url-ambiguous", 400);
  assertEquals((await response.json()).error, "invalid_request");
});
