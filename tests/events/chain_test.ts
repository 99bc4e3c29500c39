import { assertEquals, assertNotEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { createHash } from "node:crypto";
import { Chain, type ChainRecord, GENESIS, readRecord } from "../../src/events/_chain.ts";
import type { AuditEvent } from "../../src/events/audit_event.ts";
import { event, forge } from "./_audit_logs.ts";

Deno.test("Chain.seal() makes lines of which each has the hash of the one before", () => {
  const chain = new Chain("w1");
  let { seq, hash } = GENESIS;
  for (const resource of ["a", "b\u2028c", "\u202e"]) {
    const line = chain.seal(event({ resource }));
    const record = JSON.parse(line);
    assertEquals(record.seq, ++seq);
    assertEquals(record.prev, hash);
    assertEquals(record.writer, "w1");
    assertEquals(record.resource, resource);
    assertEquals(Object.keys(record).at(-1), "hash");
    const { hash: own, ...rest } = record;
    // The members come sorted, so that anybody can check it with no more than this.
    assertEquals(own, createHash("sha256").update(JSON.stringify(rest)).digest("base64"));
    assertEquals(chain.state, { seq, hash: own });
    hash = own;
  }
  assertEquals(GENESIS, { seq: 0, hash: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" });
});

Deno.test("Chain.seal() numbers itself, and goes on from a state", () => {
  const chain = new Chain("w1", { seq: 41, hash: GENESIS.hash });
  const given = Object.freeze({ ...event(), seq: 7 });
  assertEquals(readRecord(chain.seal(given))?.seq, 42);
  assertEquals(given.seq, 7);
});

Deno.test("Chain.seal() loses no member that it does not know", () => {
  const later = { ...event(), region: "eu", prev: "x" } as Omit<AuditEvent, "seq">;
  const line = new Chain("w1").seal(later);
  assertEquals(JSON.parse(line).region, "eu");
  assertEquals(readRecord(line)?.prev, GENESIS.hash);
});

Deno.test("Chain.seal() takes any member for what it is, whatever objects have of that name", () => {
  for (const name of ["constructor", "toString", "__proto__"]) {
    const given = Object.defineProperty({ ...event() }, name, {
      value: "x",
      enumerable: true,
    });
    const line = new Chain("w1").seal(given);
    assertStrictEquals(line.includes(`"${name}":"x"`), true, name);
    assertEquals(readRecord(line)?.seq, 1, name);
  }
});

Deno.test("Chain.seal() sorts what it did not expect to have members", () => {
  const given = { ...event(), principal: { z: 1, a: 2 } as unknown as string };
  assertEquals(readRecord(new Chain("w1").seal(given))?.seq, 1);
  const endless = { ...event(), durationMs: NaN };
  assertThrows(() => new Chain("w1").seal(endless), TypeError);
});

Deno.test("Chain.seal() leaves the chain as it was when an event is no JSON", () => {
  const chain = new Chain("w1");
  for (const details of [{ big: 1n }, { text: "\ud800" }, { not: NaN }]) {
    assertThrows(() => chain.seal(event({ details })), TypeError);
  }
  assertStrictEquals(chain.state, GENESIS);
});

Deno.test("Chain.seal() refuses details that are too deep for readRecord()", () => {
  const chain = new Chain("w1");
  const nested = (levels: number) => {
    let details: Record<string, unknown> = {};
    for (let level = 1; level < levels; level++) details = { d: details };
    return details;
  };
  assertEquals(readRecord(chain.seal(event({ details: nested(127) })))?.seq, 1);
  assertThrows(() => chain.seal(event({ details: nested(128) })), TypeError, "levels");
  assertEquals(chain.state.seq, 1);
});

const line = new Chain("w1").seal(event({ resource: "a\u200bb", details: { n: 1, z: "é" } }));

Deno.test("readRecord() reads what seal() makes", () => {
  const record = readRecord(line) as ChainRecord;
  assertEquals(record.seq, 1);
  assertEquals(record.prev, GENESIS.hash);
  assertEquals(record.kind, "file.read");
  assertEquals(record.writer, "w1");
  assertEquals(record.details, { n: 1, z: "é" });
});

const { hash } = JSON.parse(line) as { readonly hash: string };

/** Other spellings of the same value, or of almost the same. */
const spellings: Readonly<Record<string, string>> = {
  "a carriage return": `${line}\r`,
  "a line feed": `${line}\n`,
  "a byte order mark": `\ufeff${line}`,
  "a space in front": ` ${line}`,
  "a space within": line.replace(",", ", "),
  "nothing": "",
  "a brace less": line.slice(0, -1),
  "an unescaped zero-width space": line.replace("\\u200b", "\u200b"),
  "an escape in capitals": line.replace("\\u200b", "\\u200B"),
  "an escaped letter": line.replace("é", "\\u00e9"),
  "a NUL": line.replace("ann", "a\0n"),
  "another number form": line.replace('"n":1', '"n":1e0'),
  "a fraction": line.replace('"n":1', '"n":1.0'),
  "a member twice": line.replace('{"correlationId"', '{"correlationId":"x","correlationId"'),
  "a hash twice": line.replace('"kind"', `"hash":"${hash}","kind"`),
  "a hash that is not last": line.replace(`,"hash":"${hash}"`, "")
    .replace('"kind"', `"hash":"${hash}","kind"`),
  "another hash": line.replace(hash, GENESIS.hash),
  "stray bits in the hash": line.replace(hash, `${hash.slice(0, -2)}${stray(hash)}=`),
  "no hash": line.replace(`,"hash":"${hash}"`, ""),
  "another value": line.replace("ann", "bob"),
  "a prototype": line.replace('"kind"', '"__proto__":{"admin":true},"kind"'),
  "an array": `[${line}]`,
  "a number": "1",
  "null": "null",
  "no JSON": "not a record",
};

function stray(hash: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  return alphabet.charAt(alphabet.indexOf(hash.charAt(42)) + 1);
}

Deno.test("readRecord() takes one spelling only", () => {
  for (const [name, other] of Object.entries(spellings)) {
    assertNotEquals(other, line, name);
    assertEquals(readRecord(other), undefined, name);
  }
});

/** Members that no chain has, though the hash over them holds. */
const strangers: Readonly<Record<string, unknown>> = {
  seq: ["1", 0, -1, 1.5, 2 ** 53, null, undefined],
  prev: ["", "A".repeat(44), hash.slice(0, -1), `${"A".repeat(42)}B=`, null, undefined],
  writer: [1, null, undefined],
  kind: [1, {}, undefined],
  details: [1, "x", [], null],
};

Deno.test("readRecord() takes no record with members of another form", () => {
  for (const [member, values] of Object.entries(strangers)) {
    for (const value of values as unknown[]) {
      const forged = forge(line, (record) => record[member] = value);
      assertEquals(readRecord(forged), undefined, `${member}: ${value}`);
    }
  }
  // The form of the forged lines itself is right.
  assertEquals(readRecord(forge(line, (record) => record["seq"] = 2))?.seq, 2);
  assertEquals(readRecord(forge(line, (record) => delete record["details"]))?.details, {});
});

Deno.test("readRecord() keeps a member that is called __proto__ a member", () => {
  const forged = forge(line, (record) => {
    Object.defineProperty(record, "__proto__", { value: { kind: "x" }, enumerable: true });
    delete record["kind"];
  });
  assertEquals(JSON.parse(forged).kind, undefined);
  assertEquals(readRecord(forged), undefined);
});

Deno.test("readRecord() survives a line of a million brackets", () => {
  const deep = "[".repeat(1_000_000);
  assertEquals(readRecord(deep), undefined);
  assertEquals(
    readRecord(`{"details":${deep}${"]".repeat(1_000_000)},"hash":"${hash}"}`),
    undefined,
  );
});
