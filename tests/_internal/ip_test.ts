import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { isIP } from "node:net";
import { formatIp, maskIp, parseCidr, parseIp } from "../../src/_internal/ip.ts";

const FOLDED = /^::ffff:/;

function hex(bytes: Uint8Array | undefined): string | undefined {
  return bytes && Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

Deno.test("parseIp() reads the plain forms", () => {
  const table: readonly (readonly [string, 4 | 6, string])[] = [
    ["0.0.0.0", 4, "00000000"],
    ["255.255.255.255", 4, "ffffffff"],
    ["192.0.2.1", 4, "c0000201"],
    ["::ffff:192.0.2.1", 4, "c0000201"],
    ["::FFFF:c000:201", 4, "c0000201"],
    ["0:0:0:0:0:ffff:192.0.2.1", 4, "c0000201"],
    ["::", 6, "00".repeat(16)],
    ["::1", 6, "00".repeat(15) + "01"],
    ["1::", 6, "0001" + "00".repeat(14)],
    ["2001:db8::8:800:200C:417A", 6, "20010db80000000000080800200c417a"],
    ["1:2:3:4:5:6:7:8", 6, "00010002000300040005000600070008"],
    ["1:2:3:4:5:6:7::", 6, "00010002000300040005000600070000"],
    ["::2:3:4:5:6:7:8", 6, "00000002000300040005000600070008"],
    ["64:ff9b::192.0.2.33", 6, "0064ff9b0000000000000000c0000221"],
    ["::192.0.2.1", 6, "000000000000000000000000c0000201"],
    ["1:2:3:4:5:6:1.2.3.4", 6, "00010002000300040005000601020304"],
  ];
  for (const [text, version, bytes] of table) {
    const ip = parseIp(text);
    assertEquals([ip?.version, hex(ip?.bytes)], [version, bytes], text);
  }
});

Deno.test("parseIp() refuses what other programs read in their own way", () => {
  const table = [
    ...["", " ", "1", "1.1", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3.4", "1..2.3"],
    ...["010.1.1.1", "00.0.0.0", "1.2.3.04", "0x7f.0.0.1", "256.1.1.1", "1.2.3.1000", "2130706433"],
    ...["1.2.3.4 ", " 1.2.3.4", "1.2.3.4\n", "+1.2.3.4", "1.2.3.-4", "1.2.3.4/32", "1.2.3.4:80"],
    ...["\u0661.2.3.4", "１.2.3.4", "1\u30022.3.4", "localhost", "unknown"],
    ...["[::1]", "::1]", ":", ":::", "::1::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9"],
    ...["1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8", ":1::", "1:", "::1:"],
    ...[
      "12345::",
      "::g",
      "::1%eth0",
      "fe80::1%",
      "::1.2.3",
      "::1.2.3.4.5",
      "::01.2.3.4",
      "1.2.3.4::",
    ],
    ...["1:2:3:4:5:6:7:1.2.3.4", "::1.2.3.4:5", "::ffff:1.2.3.256", "::" + "0".repeat(60)],
  ];
  for (const text of table) assertEquals(parseIp(text), undefined, JSON.stringify(text));
});

Deno.test("parseIp() drops a zone only when it is asked to", () => {
  assertEquals(parseIp("fe80::1%eth0"), undefined);
  assertEquals(
    hex(parseIp("fe80::1%eth0", { allowZone: true })?.bytes),
    "fe80" + "0".repeat(27) + "1",
  );
  for (const text of ["fe80::1%", "fe80::1%a b", "1.2.3.4%eth0", "fe80::1%a%b", "%eth0"]) {
    assertEquals(parseIp(text, { allowZone: true }), undefined, text);
  }
});

const characters = fc.constantFrom(..."0123456789abcdefABCDEF:::::......g %/[]".split(""));
const group = fc.oneof(
  fc.integer({ min: 0, max: 0x1ffff }).map((value) => value.toString(16)),
  fc.constantFrom("", "0", "00", "0000", "ffff", "1.2.3.4", "01.2.3.4", "255.256.1.1"),
);
const texts = fc.oneof(
  fc.array(characters, { maxLength: 24 }).map((parts) => parts.join("")),
  fc.array(fc.integer({ min: -1, max: 300 }), { minLength: 3, maxLength: 5 }).map((parts) =>
    parts.join(".")
  ),
  fc.array(group, { maxLength: 10 }).map((parts) => parts.join(":")),
  fc.ipV4(),
  fc.ipV6(),
);

Deno.test("parseIp() agrees with node:net", () => {
  let addresses = 0;
  fc.assert(
    fc.property(texts, (text) => {
      if (text.includes("%")) return;
      const expected = isIP(text);
      const ip = parseIp(text);
      addresses += ip === undefined ? 0 : 1;
      const version = ip?.version === 4 && text.includes(":") ? 6 : ip?.version ?? 0;
      assertEquals(version, expected, JSON.stringify(text));
    }),
    { seed: 6, numRuns: 20_000 },
  );
  assert(addresses > 4000, `${addresses}`);
});

Deno.test("formatIp() writes what URL writes, and parseIp() reads it back", () => {
  const bytes = fc.array(fc.oneof(fc.constant(0), fc.nat(255)), { minLength: 16, maxLength: 16 });
  fc.assert(
    fc.property(bytes, fc.boolean(), (list, isShort) => {
      const ip = Uint8Array.from(isShort ? list.slice(0, 4) : list);
      const text = formatIp(ip);
      if (!isShort && !FOLDED.test(text)) {
        const plain = list.map((byte) => byte.toString(16).padStart(2, "0")).join("");
        const { hostname } = new URL(`http://[${plain.match(/.{4}/g)!.join(":")}]`);
        assertEquals(`[${text}]`, hostname);
      }
      assertEquals(hex(parseIp(text)?.bytes), hex(ip));
    }),
    { seed: 7, numRuns: 3000 },
  );
});

Deno.test("formatIp() follows RFC 5952", () => {
  const table: readonly (readonly [string, string])[] = [
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:0DB8:0000:0000:0000:0000:0002:0001", "2001:db8::2:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["1:0:0:0:0:0:0:0", "1::"],
    ["0:1:0:0:0:1:0:0", "0:1::1:0:0"],
  ];
  for (const [text, expected] of table) assertEquals(formatIp(parseIp(text)!.bytes), expected);
  const mapped = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4]);
  assertEquals(formatIp(mapped), "::ffff:1.2.3.4");
});

Deno.test("parseCidr() reads networks, and addresses as networks of one", () => {
  const table: readonly (readonly [string, string | undefined])[] = [
    ["192.0.2.0/24", "192.0.2.0/24"],
    ["192.0.2.7", "192.0.2.7/32"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["::/0", "::/0"],
    ["2001:DB8::/32", "2001:db8::/32"],
    ["::1", "::1/128"],
    ["::ffff:192.0.2.0/120", "192.0.2.0/24"],
    ["::ffff:0:0/96", "0.0.0.0/0"],
    ["::ffff:0:0/95", undefined],
    ["192.0.2.7/24", undefined],
    ["2001:db8::1/32", undefined],
    ["192.0.2.0/33", undefined],
    ["::/129", undefined],
    ["192.0.2.0/", undefined],
    ["192.0.2.0/024", undefined],
    ["192.0.2.0/+24", undefined],
    ["192.0.2.0/24/24", undefined],
    ["192.0.2.0/2 4", undefined],
    ["192.0.2/24", undefined],
    ["/24", undefined],
    ["", undefined],
  ];
  for (const [text, expected] of table) {
    const network = parseCidr(text);
    assertEquals(network && `${formatIp(network.bytes)}/${network.prefixLength}`, expected, text);
  }
});

Deno.test("maskIp() clears the bits beyond the prefix, and leaves its input alone", () => {
  const bytes = new Uint8Array([255, 255, 255, 255]);
  for (let prefix = 0; prefix <= 32; prefix++) {
    const expected = prefix === 0 ? 0 : -1 << (32 - prefix) >>> 0;
    assertEquals(new DataView(maskIp(bytes, prefix).buffer).getUint32(0), expected);
  }
  assertEquals(hex(bytes), "ffffffff");
});
