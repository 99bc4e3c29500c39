import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  clientAddress,
  type ClientAddressOptions,
  createClientAddress,
} from "../../src/runtime/client_address.ts";

const PROXY = peer("10.0.0.2");
const TRUSTED = { trustedProxies: ["10.0.0.0/8", "2001:db8:aaaa::/48"] };

function peer(hostname: string) {
  return { remoteAddr: { transport: "tcp", hostname, port: 4711 } };
}

function request(...lines: readonly (readonly [string, string])[]): Request {
  const headers = new Headers();
  for (const [name, value] of lines) headers.append(name, value);
  return new Request("http://localhost/", { headers });
}

function xff(...values: readonly string[]): Request {
  return request(...values.map((value) => ["x-forwarded-for", value] as const));
}

function forwarded(...values: readonly string[]): Request {
  return request(...values.map((value) => ["forwarded", value] as const));
}

/** Splits at commas that are not in quotes, as a list is commonly read. */
function splitFromLeft(header: string): string[] {
  const elements = [""];
  let inQuotes = false;
  for (let at = 0; at < header.length; at++) {
    if (header[at] === "\\" && inQuotes) at++;
    else if (header[at] === '"') inQuotes = !inQuotes;
    if (header[at] === "," && !inQuotes) elements.push("");
    else elements.push((elements.pop() ?? "") + header[at]);
  }
  return elements.map((element) => element.trim());
}

Deno.test("clientAddress() ignores headers of a client that is no trusted proxy", () => {
  const forged = request(["x-forwarded-for", "1.1.1.1"], ["forwarded", "for=1.1.1.1"]);
  // The control: what is commonly written, which any client changes with every request.
  assertEquals(forged.headers.get("x-forwarded-for")?.split(",")[0], "1.1.1.1");
  for (const header of ["x-forwarded-for", "forwarded"] as const) {
    for (
      const trustedProxies of [[], ["10.0.0.0/8"], ["unix"], ["198.51.100.8", "198.51.100.10"]]
    ) {
      assertEquals(clientAddress(forged, peer("198.51.100.9"), { trustedProxies, header }), {
        address: "198.51.100.9",
        port: 4711,
        confidence: "peer",
      });
    }
  }
});

Deno.test("clientAddress() takes what the proxy added, not what the client put before it", () => {
  const forged = xff("1.1.1.1, 203.0.113.7");
  // The control: the left end is the client's own word.
  assertEquals(forged.headers.get("x-forwarded-for")?.split(", ")[0], "1.1.1.1");
  assertEquals(clientAddress(forged, PROXY, TRUSTED), {
    address: "203.0.113.7",
    confidence: "forwarded",
  });
});

Deno.test("clientAddress() walks X-Forwarded-For from the right", () => {
  const table: readonly (readonly [string[], string])[] = [
    [["203.0.113.7"], "203.0.113.7"],
    [["203.0.113.7, 10.1.1.1, 10.1.1.2"], "203.0.113.7"],
    [["203.0.113.7,\t10.1.1.1 ,10.1.1.2 "], "203.0.113.7"],
    // Every line counts, in order.
    [["1.1.1.1", "203.0.113.7"], "203.0.113.7"],
    [["1.1.1.1", "203.0.113.7", "10.1.1.1"], "203.0.113.7"],
    // Nothing but proxies: the first of them began it.
    [["10.1.1.1, 10.1.1.2"], "10.1.1.1"],
    // What names no address ends the walk at the last proxy.
    [["1.1.1.1, unknown, 10.1.1.2"], "10.1.1.2"],
    [["1.1.1.1, 010.1.1.1, 10.1.1.2"], "10.1.1.2"],
    [["1.1.1.1, , 10.1.1.2"], "10.1.1.2"],
    [["1.1.1.1, 10.1.1.2,"], "10.0.0.2"],
    [["1.1.1.1, nonsense"], "10.0.0.2"],
    [["203.0.113.7, "], "10.0.0.2"],
    [[""], "10.0.0.2"],
    [[], "10.0.0.2"],
    [['"203.0.113.7"'], "10.0.0.2"],
    // IPv6, in one form.
    [["2001:DB8:0::7"], "2001:db8::7"],
    [["[2001:db8::7]"], "2001:db8::7"],
    [["203.0.113.7, 2001:db8:aaaa::1"], "203.0.113.7"],
    [["::ffff:203.0.113.7, ::ffff:10.1.1.1"], "203.0.113.7"],
    [["fe80::1%eth0"], "10.0.0.2"],
  ];
  for (const [values, expected] of table) {
    const source = clientAddress(xff(...values), PROXY, TRUSTED);
    assertEquals(source.address, expected, JSON.stringify(values));
    assertEquals(source.confidence, expected === "10.0.0.2" ? "peer" : "forwarded");
  }
});

Deno.test("clientAddress() reads ports", () => {
  const table: readonly (readonly [string, number | undefined, boolean])[] = [
    ["203.0.113.7:443", 443, true],
    ["[2001:db8::7]:65535", 65535, true],
    ["203.0.113.7:65536", 4711, false],
    ["203.0.113.7:", 4711, false],
    ["203.0.113.7:+4", 4711, false],
    ["[2001:db8::7]443", 4711, false],
    ["[203.0.113.7]:443", 4711, false],
    ["[2001:db8::7", 4711, false],
    ["2001:db8::7]:443", 4711, false],
  ];
  for (const [entry, port, isRead] of table) {
    for (const header of ["x-forwarded-for", "forwarded"] as const) {
      const value = header === "forwarded" ? `for="${entry}"` : entry;
      const source = clientAddress(request([header, value]), PROXY, { ...TRUSTED, header });
      assertEquals([source.port, source.confidence === "forwarded"], [port, isRead], entry);
    }
  }
});

Deno.test("clientAddress() reads Forwarded strictly", () => {
  const table: readonly (readonly [string[], string])[] = [
    [["for=203.0.113.7"], "203.0.113.7"],
    [["For=203.0.113.7;Proto=https;by=10.0.0.2;host=example.com"], "203.0.113.7"],
    [['proto=https;for="203.0.113.7:80"'], "203.0.113.7"],
    [['for="[2001:db8::7]:4711"'], "2001:db8::7"],
    [['for="[2001:db8::7]:_secret"'], "2001:db8::7"],
    [["for=203.0.113.7, for=10.1.1.1"], "203.0.113.7"],
    [["for=1.1.1.1", "for=203.0.113.7, for=10.1.1.1"], "203.0.113.7"],
    [['for="2\\03.0.113.7"'], "203.0.113.7"],
    [['for=203.0.113.7;host="a,b\\",for=1.1.1.1,\\\\"'], "203.0.113.7"],
    [["for=1.1.1.1, for=unknown, for=10.1.1.1"], "10.1.1.1"],
    [["for=1.1.1.1, for=_hidden, for=10.1.1.1"], "10.1.1.1"],
    [["for=1.1.1.1, proto=https, for=10.1.1.1"], "10.1.1.1"],
    [["for=1.1.1.1;for=203.0.113.7"], "10.0.0.2"],
    [["for=1.1.1.1;FOR=203.0.113.7"], "10.0.0.2"],
    [["for=[2001:db8::7]"], "10.0.0.2"],
    [['for="2001:db8::7"'], "10.0.0.2"],
    [["for=2001:db8::7"], "10.0.0.2"],
    [["for=203.0.113.7:80"], "10.0.0.2"],
    [["for = 203.0.113.7"], "10.0.0.2"],
    [["for=203.0.113.7 ;proto=https"], "10.0.0.2"],
    // RFC 7239 lets pairs be left out between semicolons.
    [["for=203.0.113.7;"], "203.0.113.7"],
    [[";for=203.0.113.7;;proto=https"], "203.0.113.7"],
    [[";;"], "10.0.0.2"],
    [['for="203.0.113.7'], "10.0.0.2"],
    [['for="203.0.113.7"x'], "10.0.0.2"],
    [["203.0.113.7"], "10.0.0.2"],
    [[""], "10.0.0.2"],
  ];
  for (const [values, expected] of table) {
    const source = clientAddress(forwarded(...values), PROXY, { ...TRUSTED, header: "forwarded" });
    assertEquals(source.address, expected, JSON.stringify(values));
  }
});

Deno.test("clientAddress() is not spoiled by half a quoted string of the client's", () => {
  const spoiled = [
    'for="',
    'for="1.1.1.1',
    '"',
    'for=1.1.1.1;host="x\\',
    'x"y',
    "\\",
    "for=1.1.1.1;",
  ];
  let shifted = 0;
  for (const own of spoiled) {
    const header = `${own}, for=203.0.113.7;proto=https;host="a,b", for=10.1.1.1`;
    // The control: read from the left, an open quote swallows what the proxy has added.
    if (!splitFromLeft(header).includes('for=203.0.113.7;proto=https;host="a,b"')) shifted++;
    const source = clientAddress(forwarded(header), PROXY, { ...TRUSTED, header: "forwarded" });
    assertEquals(source, { address: "203.0.113.7", confidence: "forwarded" }, own);
  }
  assert(shifted >= 3);
});

Deno.test("clientAddress() never mixes the two headers", () => {
  const both = request(["x-forwarded-for", "1.1.1.1"], ["forwarded", "for=203.0.113.7"]);
  assertEquals(clientAddress(both, PROXY, TRUSTED).address, "1.1.1.1");
  assertEquals(
    clientAddress(both, PROXY, { ...TRUSTED, header: "forwarded" }).address,
    "203.0.113.7",
  );
  const other = request(["x-forwarded-for", "1.1.1.1"]);
  assertEquals(clientAddress(other, PROXY, { ...TRUSTED, header: "forwarded" }).confidence, "peer");
});

Deno.test("clientAddress() bounds the proxies in a row, and what it looks at", () => {
  const chain = (length: number) =>
    xff(["203.0.113.7", ...Array.from({ length }, (_, at) => `10.2.0.${at}`)].join(", "));
  assertEquals(clientAddress(chain(7), PROXY, TRUSTED).address, "203.0.113.7");
  assertEquals(clientAddress(chain(8), PROXY, TRUSTED).address, "10.2.0.0");
  assertEquals(clientAddress(chain(9), PROXY, TRUSTED).address, "10.2.0.1");
  assertEquals(clientAddress(chain(9), PROXY, { ...TRUSTED, maxHops: 64 }).address, "203.0.113.7");

  const flood = "1.1.1.1, ".repeat(100_000) + "203.0.113.7";
  const long = "x".repeat(500_000);
  const sources = [
    clientAddress(xff(flood), PROXY, TRUSTED),
    clientAddress(xff(long, "203.0.113.7"), PROXY, TRUSTED),
    clientAddress(forwarded(`for="${long}`, "for=203.0.113.7"), PROXY, {
      ...TRUSTED,
      header: "forwarded",
    }),
  ];
  for (const { address } of sources) assertEquals(address, "203.0.113.7");
  assertEquals(clientAddress(xff(long), PROXY, TRUSTED).confidence, "peer");
});

Deno.test("clientAddress() trusts a Unix socket only when it is told to", () => {
  const info = { remoteAddr: { transport: "unix", path: "/run/app.sock" } };
  const source = xff("203.0.113.7");
  assertEquals(clientAddress(source, info), { address: "/run/app.sock", confidence: "peer" });
  assertEquals(clientAddress(source, info, TRUSTED).confidence, "peer");
  assertEquals(clientAddress(source, info, { trustedProxies: ["unix"] }), {
    address: "203.0.113.7",
    confidence: "forwarded",
  });
  // A name is no address, and no socket either.
  assertEquals(clientAddress(source, peer("unix"), { trustedProxies: ["unix"] }).address, "unix");
});

Deno.test("clientAddress() takes an IPv4-mapped peer for the IPv4 proxy that it is", () => {
  assertEquals(
    clientAddress(xff("203.0.113.7"), peer("::ffff:10.0.0.2"), TRUSTED).address,
    "203.0.113.7",
  );
  assertEquals(clientAddress(xff(), peer("::ffff:10.0.0.2"), TRUSTED).address, "10.0.0.2");
  assertEquals(clientAddress(xff(), peer("fe80::1%2"), TRUSTED).address, "fe80::1");
});

Deno.test("createClientAddress() reads its options once", () => {
  const trustedProxies = ["10.0.0.0/8"];
  const address = createClientAddress({ trustedProxies });
  trustedProxies.push("0.0.0.0/0");
  assertEquals(address(xff("203.0.113.7"), peer("198.51.100.9")).address, "198.51.100.9");
});

Deno.test("createClientAddress() refuses wrong options", () => {
  const table: readonly (readonly [unknown, typeof TypeError | typeof RangeError])[] = [
    [{ trustedProxies: ["10.0.0.1/8"] }, TypeError],
    [{ trustedProxies: ["localhost"] }, TypeError],
    [{ trustedProxies: [" 10.0.0.1"] }, TypeError],
    [{ trustedProxies: [7] }, TypeError],
    [{ trustedProxies: "10.0.0.0/8" }, TypeError],
    [{ header: "X-Forwarded-For" }, TypeError],
    [{ header: "x-real-ip" }, TypeError],
    [{ maxHops: "8" }, TypeError],
    ...[0, 65, NaN, Infinity, 1.5, -1].map((maxHops) => [{ maxHops }, RangeError] as const),
  ];
  for (const [options, error] of table) {
    assertThrows(() => createClientAddress(options as ClientAddressOptions), error);
  }
});

Deno.test("clientAddress() never takes a client's word for more than the proxy's, whatever it sends", () => {
  const own = fc.array(
    fc.constantFrom(
      "1.1.1.1",
      "for=1.1.1.1",
      '"',
      "\\",
      ",",
      ";",
      "=",
      " ",
      "for=",
      "[",
      "]",
      "10.1.1.1",
      "x",
    ),
    { maxLength: 12 },
  ).map((parts) => parts.join(""));
  fc.assert(
    fc.property(own, (text) => {
      assertEquals(clientAddress(xff(text, "203.0.113.7"), PROXY, TRUSTED).address, "203.0.113.7");
      const source = clientAddress(forwarded(text, "for=203.0.113.7, for=10.1.1.1"), PROXY, {
        ...TRUSTED,
        header: "forwarded",
      });
      assertEquals(source.address, "203.0.113.7");
    }),
    { seed: 13, numRuns: 3000 },
  );
});

Deno.test("clientAddress() works on a real connection", async () => {
  const address = createClientAddress({ trustedProxies: ["127.0.0.1"] });
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    (request, info) => Response.json(address(request, info)),
  );
  const url = `http://127.0.0.1:${server.addr.port}/`;
  const direct = await (await fetch(url)).json();
  assertEquals([direct.address, direct.confidence], ["127.0.0.1", "peer"]);
  const headers = { "x-forwarded-for": "203.0.113.7" };
  assertEquals(await (await fetch(url, { headers })).json(), {
    address: "203.0.113.7",
    confidence: "forwarded",
  });
  await server.shutdown();
});
