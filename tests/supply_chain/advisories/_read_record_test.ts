import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { readRecord } from "../../../src/supply_chain/advisories/_read_record.ts";
import { affectedBy } from "../../../src/supply_chain/advisories/osv.ts";

const RECORD = {
  schema_version: "1.6.0",
  id: "GHSA-aaaa-bbbb-cccc",
  modified: "2026-01-02T03:04:05Z",
  aliases: ["CVE-2026-1"],
  summary: "Prototype pollution",
  severity: [{ type: "CVSS_V3", score: "CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H" }],
  affected: [{
    package: { ecosystem: "npm", name: "left", purl: "pkg:npm/left" },
    ranges: [{ type: "SEMVER", events: [{ introduced: "0" }, { fixed: "1.0.0" }] }],
    versions: ["0.5.0"],
    database_specific: {
      cwes: [{ cweId: "CWE-506", name: "x" }],
      informational: "unsound",
      other: 1,
    },
  }],
  references: [{ type: "WEB", url: "https://b.example" }, {
    type: "ADVISORY",
    url: "https://a.example",
  }],
};

Deno.test("readRecord() keeps what the audit reads", () => {
  assertEquals(readRecord(RECORD), {
    id: "GHSA-aaaa-bbbb-cccc",
    modified: "2026-01-02T03:04:05Z",
    aliases: ["CVE-2026-1"],
    summary: "Prototype pollution",
    severity: RECORD.severity,
    affected: [{
      package: { ecosystem: "npm", name: "left" },
      severity: [],
      ranges: RECORD.affected[0]!.ranges,
      versions: ["0.5.0"],
      database_specific: { informational: "unsound", cwes: [{ cweId: "CWE-506" }] },
    }],
    references: [{ type: "ADVISORY", url: "https://a.example" }],
  });
});

Deno.test("readRecord() refuses a record whose deciding parts are of the wrong type", () => {
  const [entry] = RECORD.affected;
  const bad: unknown[] = [
    null,
    [],
    "GHSA-aaaa-bbbb-cccc",
    { ...RECORD, id: 5 },
    { ...RECORD, id: "../../etc/passwd" },
    { ...RECORD, id: "GHSA-\u001b[2J" },
    { ...RECORD, id: "" },
    { ...RECORD, withdrawn: true },
    { ...RECORD, withdrawn: "" },
    { ...RECORD, withdrawn: "yesterday" },
    { ...RECORD, affected: {} },
    { ...RECORD, affected: [null] },
    { ...RECORD, affected: [{ ...entry, package: "npm:left" }] },
    { ...RECORD, affected: [{ ...entry, package: { ecosystem: "npm" } }] },
    { ...RECORD, affected: [{ ...entry, package: { ecosystem: "npm", name: 1 } }] },
    { ...RECORD, affected: [{ ...entry, versions: "0.5.0" }] },
    { ...RECORD, affected: [{ ...entry, versions: [1] }] },
    { ...RECORD, affected: [{ ...entry, ranges: {} }] },
    { ...RECORD, affected: [{ ...entry, ranges: [{ events: [] }] }] },
    { ...RECORD, affected: [{ ...entry, ranges: [{ type: "SEMVER", events: "0" }] }] },
    { ...RECORD, affected: [{ ...entry, ranges: [{ type: "SEMVER", events: [{}] }] }] },
    { ...RECORD, affected: [{ ...entry, ranges: [{ type: "SEMVER", events: [{ fixed: 1 }] }] }] },
  ];
  for (const value of bad) assertEquals(readRecord(value), undefined, JSON.stringify(value));
});

Deno.test("readRecord() leaves out what is only shown when it is of the wrong type", () => {
  const record = readRecord({
    ...RECORD,
    aliases: "CVE-2026-1",
    summary: 5,
    details: "First line\nSecond line",
    severity: [null, { type: "CVSS_V3" }],
    references: [{ type: "ADVISORY", url: "javascript:alert(1)" }, 5],
    modified: "never",
    withdrawn: null,
    database_specific: [],
  });
  assertEquals(record?.aliases, []);
  assertEquals(record?.summary, "First line");
  assertEquals(record?.severity, []);
  assertEquals(record?.references, []);
  assertEquals(record?.modified, undefined);
  assertEquals(record?.database_specific, undefined);
});

Deno.test("readRecord() drops entries without a package and cuts long texts", () => {
  const record = readRecord({
    ...RECORD,
    summary: "x".repeat(5000),
    affected: [{ ranges: [{ type: "GIT", events: [{ introduced: "0" }] }] }, ...RECORD.affected],
  });
  assertEquals(record?.summary?.length, 300);
  assertEquals(record?.affected?.length, 1);
});

Deno.test("readRecord() never throws, and what it accepts can be evaluated", () => {
  const text = fc.oneof(
    fc.string({ maxLength: 6 }),
    fc.constantFrom("0", "1.0.0", "SEMVER", "__proto__", "npm", "left"),
  );
  const keys = [
    "introduced",
    "fixed",
    "type",
    "events",
    "package",
    "ecosystem",
    "name",
    "versions",
    "__proto__",
  ];
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: "small" },
      text,
      fc.integer(),
      fc.constant(null),
      fc.array(tie("tree"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...keys), tie("tree"), { maxKeys: 4 }),
    ),
  }));
  let accepted = 0;
  fc.assert(
    fc.property(fc.oneof(tree, fc.constant(RECORD.affected)), tree, (affected, extra) => {
      const record = readRecord(
        JSON.parse(JSON.stringify({ ...RECORD, affected, withdrawn: undefined, aliases: extra })),
      );
      if (record === undefined) return;
      accepted++;
      affectedBy(record, { ecosystem: "npm", name: "left", version: "0.5.0" });
    }),
    { seed: 3, numRuns: 500 },
  );
  assert(accepted > 50, `${accepted} accepted`);
});
