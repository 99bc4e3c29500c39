import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { BlockTable } from "../../src/runtime/_block_table.ts";
import { NetworkTable } from "../../src/runtime/_network_table.ts";
import { formatIp, maskIp, parseCidr, parseIp } from "../../src/_internal/ip.ts";

Deno.test("NetworkTable finds what a comparison of all networks finds", () => {
  const ips = fc.oneof(
    fc.tuple(fc.constantFrom(10, 11), fc.constantFrom(0, 1, 128, 255), fc.nat(3), fc.nat(255))
      .map((bytes) => bytes.join(".")),
    fc.tuple(fc.constantFrom("2001:db8", "2001:db9"), fc.nat(3), fc.nat(3))
      .map(([start, a, b]) => `${start}:${a}::${b}`),
  );
  const networks = fc.array(fc.tuple(ips, fc.double({ min: 0, max: 1, noNaN: true })), {
    maxLength: 30,
  });
  fc.assert(
    fc.property(networks, fc.array(ips, { maxLength: 20 }), (list, queries) => {
      const table = new NetworkTable<string>();
      const all = new Set<string>();
      list.forEach(([text, part], at) => {
        const ip = parseIp(text)!;
        const prefixLength = Math.floor(part * ip.bytes.length * 8);
        const bytes = maskIp(ip.bytes, prefixLength);
        const name = `${formatIp(bytes)}/${prefixLength}`;
        const network = parseCidr(name)!;
        if (at % 5 === 4) {
          assertEquals(table.delete(network), all.delete(name));
        } else {
          table.set(network, name);
          all.add(name);
        }
      });
      assertEquals(table.size, all.size);
      for (const text of queries) {
        const ip = parseIp(text)!;
        const expected = [...all].filter((name) => {
          const { version, bytes, prefixLength } = parseCidr(name)!;
          return version === ip.version &&
            formatIp(maskIp(ip.bytes, prefixLength)) === formatIp(bytes);
        }).sort((a, b) => Number(b.split("/")[1]) - Number(a.split("/")[1]));
        assertEquals(table.containing(ip), expected);
        assertEquals(table.has(ip), expected.length > 0);
      }
    }),
    { seed: 24, numRuns: 500 },
  );
});

Deno.test("BlockTable always knows which block ends first", () => {
  const steps = fc.array(fc.tuple(fc.nat(2), fc.nat(15), fc.nat(1000)), { maxLength: 80 });
  fc.assert(
    fc.property(steps, (list) => {
      const table = new BlockTable();
      const all = new Map<string, number>();
      for (const [kind, name, untilMs] of list) {
        const id = `k:${name}`;
        const entry = table.get(id);
        if (entry === undefined) {
          table.add({
            id,
            target: { key: id },
            network: undefined,
            reason: "",
            level: 0,
            untilMs,
            at: 0,
          });
          all.set(id, untilMs);
        } else if (kind === 0) {
          table.remove(entry);
          all.delete(id);
        } else if (untilMs > entry.untilMs) {
          table.prolong(entry, untilMs);
          all.set(id, untilMs);
        }
        const least = all.size === 0 ? undefined : Math.min(...all.values());
        assertEquals([table.size, table.first?.untilMs], [all.size, least]);
      }
    }),
    { seed: 25, numRuns: 1000 },
  );
});
