import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { SecurityError } from "../../src/errors.ts";
import {
  applyBaseline,
  MAX_BASELINE_LENGTH,
  writeBaseline,
} from "../../src/supply_chain/baseline.ts";
import { CHECKS, type Finding } from "../../src/supply_chain/report.ts";

function finding(change: Partial<Finding> = {}): Finding {
  return {
    check: "advisories",
    code: "vulnerability",
    severity: "error",
    message: "lodash 4.17.20 has a vulnerability",
    package: { ecosystem: "npm", name: "lodash", version: "4.17.20" },
    advisory: {
      id: "GHSA-35jh-r3h4-6jhm",
      aliases: [],
      summary: "",
      url: "https://osv.dev/GHSA-35jh-r3h4-6jhm",
      fixed: [],
    },
    why: [],
    location: { file: "deno.lock", line: 3, column: 5 },
    help: "",
    ...change,
  };
}

/** A finding without some of its fields. */
function without(finding: Finding, ...keys: ("package" | "advisory" | "location")[]): Finding {
  const copy = { ...finding };
  for (const key of keys) delete copy[key];
  return copy;
}

const lodash = finding().package!;
const advisory = finding().advisory!;

Deno.test("applyBaseline() makes known findings notes and leaves new ones", () => {
  const text = writeBaseline({ findings: [finding()] });
  const known: readonly Finding[] = [
    finding(),
    finding({ package: { ...lodash, version: "4.17.21" }, message: "other words" }),
    finding({ location: { file: "deno.lock", line: 99, column: 1 } }),
    finding({ severity: "warning" }),
  ];
  for (const each of known) {
    const [result, ...notes] = applyBaseline([each], text);
    assertEquals(result, {
      ...each,
      severity: "note",
      message: `${each.message} (in the baseline)`,
    });
    assertEquals(notes, []);
  }
  const fresh: readonly Finding[] = [
    finding({ advisory: { ...advisory, id: "GHSA-0000-0000-0000" } }),
    finding({ package: { ...lodash, name: "lodash.merge" } }),
    finding({ package: { ...lodash, ecosystem: "jsr" } }),
    finding({ code: "unmaintained" }),
    without(finding(), "advisory"),
  ];
  for (const each of fresh) {
    const [result, ...notes] = applyBaseline([each], text);
    assertEquals(result, each);
    assertEquals(notes.map(({ code }) => code), ["baseline-unused"]);
  }
});

Deno.test("applyBaseline() takes the next release for new where a finding is about its bytes", () => {
  const scripts = without(
    finding({ check: "bans", code: "install-script-not-allowed", severity: "warning" }),
    "advisory",
  );
  const licence = without(finding({ check: "licenses", code: "rejected" }), "advisory");
  const text = writeBaseline({ findings: [scripts, licence] });
  const next = { ...lodash, version: "4.17.21" };
  const severities = [scripts, { ...scripts, package: next }, { ...licence, package: next }];
  assertEquals(
    applyBaseline(severities, text).map(({ severity }) => severity),
    ["note", "warning", "note"],
  );
});

Deno.test("applyBaseline() tells findings without a package apart by what they say", () => {
  const drift = without(
    finding({
      check: "integrity",
      code: "lockfile-drift",
      message: "npm:a is not in the lockfile",
    }),
    "package",
    "advisory",
  );
  const text = writeBaseline({ findings: [drift] });
  const moved = { ...drift, location: { ...drift.location!, line: 70 } };
  const other = { ...drift, message: "npm:b is not in the lockfile" };
  assertEquals(
    applyBaseline([moved, other], text).map(({ severity }) => severity),
    ["note", "error"],
  );
  assertEquals(writeBaseline({ findings: [moved] }), text);
});

Deno.test("a baseline never hides malicious packages", () => {
  const malicious = finding({ code: "malicious" });
  const entries = (text: string) => JSON.parse(text).findings.length;
  for (const code of ["malicious", "database-stale", "ignore-expired"]) {
    assertEquals(entries(writeBaseline({ findings: [finding({ code })] })), 0);
  }
  // Control: the same entry under another code is taken.
  const forged = writeBaseline({ findings: [finding()] })
    .replace('"vulnerability"', '"malicious"');
  assertEquals(entries(forged), 1);
  const [result, note] = applyBaseline([malicious], forged);
  assertEquals(result, malicious);
  assertEquals(note!.code, "baseline-unused");
  assertStringIncludes(note!.message, "can never be accepted");
});

Deno.test("applyBaseline() notes entries that were not needed, of the checks that ran", () => {
  const text = writeBaseline({ findings: [finding()] });
  const [note] = applyBaseline([], text, { path: "audit.json" });
  assertEquals(note, {
    check: "advisories",
    code: "baseline-unused",
    severity: "note",
    message: "the baseline lists vulnerability npm:lodash GHSA-35jh-r3h4-6jhm, " +
      "which does not occur any more",
    why: [],
    location: { file: "audit.json", line: 1, column: 1 },
    help: "Run `audit baseline` again.",
  });
  assertEquals(applyBaseline([], text, { checks: ["bans"] }), []);
});

Deno.test("writeBaseline() leaves notes out and is stable", () => {
  const other = finding({ package: { ...lodash, name: "a" } });
  const text = writeBaseline({ findings: [finding(), other, finding()] });
  assertEquals(writeBaseline({ findings: [other, finding()] }), text);
  assertEquals(
    writeBaseline({ findings: [other, finding(), finding({ severity: "note", code: "notice" })] }),
    text,
  );
  assertEquals(text.endsWith("}\n"), true);
  assertEquals(JSON.parse(text), {
    version: 1,
    findings: ["npm:a", "npm:lodash"].map((name) => ({
      check: "advisories",
      code: "vulnerability",
      package: name,
      advisory: "GHSA-35jh-r3h4-6jhm",
    })),
  });
});

Deno.test("applyBaseline() refuses what is no baseline", () => {
  const entry = { check: "bans", code: "banned", package: "npm:a" };
  const table: readonly (readonly [string, string])[] = [
    ["", "not valid JSON"],
    ["[".repeat(100_000), "not valid JSON"],
    ["[]", 'expected "version": 1'],
    ['{"version":2,"findings":[]}', 'expected "version": 1'],
    ['{"version":1}', 'expected a list of "findings"'],
    ...[
      null,
      "x",
      {},
      { ...entry, check: "lint" },
      { check: "bans", package: "npm:a" },
      { check: "bans", code: "banned" },
      { ...entry, extra: "x" },
      { ...entry, version: 1 },
    ].map((bad) =>
      [JSON.stringify({ version: 1, findings: [entry, bad] }), "finding 2 is not"] as const
    ),
    ['{"version":1,"findings":[{"check":"bans","code":"x","__proto__":"y"}]}', "finding 1"],
    [" ".repeat(MAX_BASELINE_LENGTH + 1), "longer than 50000000 characters"],
  ];
  for (const [text, expected] of table) {
    const error = assertThrows(() => applyBaseline([], text, { path: "b.json" }), SecurityError);
    assertEquals(error.code, "policy-invalid");
    assert(error.message.startsWith("b.json: "));
    assertStringIncludes(error.message, expected);
  }
  assertThrows(
    () => applyBaseline([], " ".repeat(MAX_BASELINE_LENGTH)),
    SecurityError,
    "not valid JSON",
  );
});

Deno.test("applyBaseline() knows every finding that writeBaseline() was given", () => {
  const text = fc.string({ unit: "binary", maxLength: 6 });
  const anyFinding = fc.record({
    check: fc.constantFrom(...CHECKS),
    code: fc.constantFrom("vulnerability", "banned", "tarball-url"),
    severity: fc.constantFrom("error" as const, "warning" as const),
    name: text,
    id: text,
    has: fc.tuple(fc.boolean(), fc.boolean()),
  }).map(({ name, id, has: [hasPackage, hasAdvisory], ...rest }): Finding => {
    const full = finding({
      ...rest,
      message: `about ${name}`,
      package: { ...lodash, name },
      advisory: { ...advisory, id },
    });
    return without(
      full,
      ...(hasPackage ? [] : ["package" as const]),
      ...(hasAdvisory ? [] : ["advisory" as const]),
    );
  });
  fc.assert(
    fc.property(fc.array(anyFinding, { maxLength: 6 }), (findings) => {
      const result = applyBaseline(findings, writeBaseline({ findings }));
      assertEquals(result.length, findings.length);
      for (const { severity } of result) assertEquals(severity, "note");
    }),
    { seed: 17, numRuns: 500 },
  );
});
