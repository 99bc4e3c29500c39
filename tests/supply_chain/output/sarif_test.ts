import {
  assert,
  assertEquals,
  assertFalse,
  assertGreater,
  assertLess,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import { formatSarif } from "../../../src/supply_chain/output/sarif.ts";
import type { AuditReport } from "../../../src/supply_chain/report.ts";
import { assertGolden } from "./_golden.ts";
import {
  findingOf,
  firstControl,
  hostileSample,
  reportOf,
  SAMPLE_REPORT,
  unlicensed,
} from "./_sample.ts";
import { assertValid, sarifValidator } from "./_schema.ts";

const validate = await sarifValidator();

const OPTIONS = {
  version: "0.1.0",
  explain: (code: string) => ({
    short: `Short words on ${code}`,
    full: `Full words on ${code}.`,
    help: `Help on ${code}.`,
  }),
};

/** The parts of a SARIF run that the tests look at. */
interface Run {
  readonly tool: {
    readonly driver: {
      readonly rules: {
        readonly id: string;
        readonly helpUri?: string;
        readonly defaultConfiguration: { readonly level: string };
        readonly properties: { readonly tags: string[]; readonly "security-severity"?: string };
      }[];
    };
  };
  readonly invocations: {
    readonly executionSuccessful: boolean;
    readonly exitCode: number;
    readonly toolExecutionNotifications: { readonly level: string }[];
  }[];
  readonly results: {
    readonly ruleId: string;
    readonly ruleIndex: number;
    readonly level: string;
    readonly locations: {
      readonly physicalLocation: {
        readonly artifactLocation: { readonly uri: string; readonly uriBaseId?: string };
        readonly region: { readonly startLine: number; readonly startColumn: number };
      };
    }[];
    readonly partialFingerprints: Readonly<Record<string, string>>;
    readonly properties: { readonly purl?: string };
  }[];
}

function runOf(report: AuditReport): Run {
  const log = JSON.parse(formatSarif(report, OPTIONS));
  assertValid(validate, log);
  assertEquals(log.runs.length, 1);
  return log.runs[0];
}

function fingerprintsOf(report: AuditReport): string[] {
  return runOf(report).results.map(({ partialFingerprints }) =>
    partialFingerprints["primaryLocationLineHash"]!
  );
}

Deno.test("formatSarif() writes the sample report, and the schema accepts it", async () => {
  const text = formatSarif(SAMPLE_REPORT, OPTIONS);
  assertValid(validate, JSON.parse(text));
  await assertGolden("sample.sarif", text);
});

Deno.test("formatSarif() writes what the schema would not accept when it is broken", () => {
  const text = formatSarif(SAMPLE_REPORT, OPTIONS);
  for (
    const [found, broken] of [
      ['"level": "warning"', '"level": "severe"'],
      ['"startLine": 31', '"startLine": 0'],
      ['"version": "2.1.0"', '"version": "2.0.0"'],
      ['"columnKind"', '"columnSort"'],
      ["dir%20with%20space/", "dir with space/"],
    ] as const
  ) {
    assert(text.includes(found));
    assertThrows(
      () => assertValid(validate, JSON.parse(text.replace(found, broken))),
      Error,
      "not",
    );
  }
});

Deno.test("formatSarif() has a result for each finding, with the rule of its index", () => {
  const { results, tool } = runOf(SAMPLE_REPORT);
  const { rules } = tool.driver;
  assertEquals(
    results.map(({ level }) => level),
    SAMPLE_REPORT.findings.map(({ severity }) => severity),
  );
  for (const { ruleId, ruleIndex } of results) assertEquals(rules[ruleIndex]?.id, ruleId);
  assertEquals(new Set(results.map(({ ruleId }) => ruleId)).size, rules.length);
});

Deno.test("formatSarif() gives each advisory a rule with its own security severity", () => {
  const advisory = SAMPLE_REPORT.findings[0]!.advisory!;
  const { tool } = runOf(reportOf({
    findings: [
      findingOf({ code: "vulnerability", advisory }),
      findingOf({
        code: "vulnerability",
        severity: "warning",
        advisory: { ...advisory, id: "GHSA-2", cvss: { ...advisory.cvss!, score: 9 } },
      }),
      findingOf({
        code: "vulnerability",
        severity: "error",
        advisory: { ...advisory, id: "GHSA-2", cvss: { ...advisory.cvss!, score: 4.25 } },
      }),
      findingOf({ code: "malicious", advisory: { ...noCvss(advisory), id: "MAL-1", url: "x:y" } }),
      findingOf({ code: "notice", advisory: { ...noCvss(advisory), id: "RUSTSEC-1" } }),
      findingOf(),
    ],
  }));
  assertEquals(
    tool.driver.rules.map(({ id, properties, defaultConfiguration }) => [
      id,
      properties["security-severity"],
      defaultConfiguration.level,
    ]),
    [
      ["vulnerability/GHSA-35jh-r3h4-6jhm", "7.2", "error"],
      ["vulnerability/GHSA-2", "9.0", "error"],
      ["malicious/MAL-1", "10.0", "error"],
      ["notice/RUSTSEC-1", undefined, "error"],
      ["banned", undefined, "error"],
    ],
  );
  assert(tool.driver.rules.every(({ properties }) => properties.tags.includes("security")));
  assertEquals(tool.driver.rules[0]!.helpUri, advisory.url);
  assertEquals(tool.driver.rules[2]!.helpUri, undefined);
});

function noCvss({ cvss: _, ...rest }: NonNullable<typeof SAMPLE_REPORT.findings[0]["advisory"]>) {
  return rest;
}

Deno.test("formatSarif() gives every result a location, as GitHub refuses a file without", () => {
  const { location: _, ...finding } = findingOf();
  const place = (report: AuditReport) => runOf(report).results[0]!.locations[0]!.physicalLocation;
  assertEquals(place(reportOf({ findings: [finding] })), {
    artifactLocation: { uri: "deno.lock", uriBaseId: "SRCROOT" },
    region: { startLine: 1, startColumn: 1 },
  });
  const bare = reportOf({ findings: [finding], lockfile: null });
  assertEquals(place(bare).artifactLocation.uri, "deny.toml");
  assertEquals(place({ ...bare, policy: null }).artifactLocation.uri, "deno.json");
});

Deno.test("formatSarif() percent-encodes paths and keeps absolute ones out of the base", () => {
  const uri = (file: string) =>
    runOf(reportOf({ findings: [findingOf({ location: { file, line: 2, column: 3 } })] }))
      .results[0]!.locations[0]!.physicalLocation.artifactLocation;
  assertEquals(uri("a b/ü#?.json"), { uri: "a%20b/%C3%BC%23%3F.json", uriBaseId: "SRCROOT" });
  assertEquals(uri("javascript:alert(1)").uri, "javascript%3Aalert(1)");
  assertEquals(uri("a\\b.json").uri, "a/b.json");
  assertEquals(uri("/srv/deno.lock"), { uri: "file:///srv/deno.lock" });
});

Deno.test("formatSarif() keeps fingerprints when lines move, and never repeats one", () => {
  const findings = [...SAMPLE_REPORT.findings, findingOf(), findingOf()];
  const before = fingerprintsOf(reportOf({ findings }));
  const moved = findings.map((finding) =>
    finding.location === undefined
      ? finding
      : { ...finding, location: { ...finding.location, line: finding.location.line + 40 } }
  );
  assertEquals(fingerprintsOf(reportOf({ findings: moved })), before);
  assertEquals(new Set(before).size, findings.length);
  const other = findings.map((finding) => ({
    ...finding,
    package: { ecosystem: "npm" as const, name: "another", version: "1.0.0" },
  }));
  for (const [index, value] of fingerprintsOf(reportOf({ findings: other })).entries()) {
    assertNotEquals(value, before[index]);
  }
});

Deno.test("formatSarif() says that something was not checked", () => {
  const incomplete = [{ check: "advisories" as const, reason: "offline", packages: 3 }];
  const [denied] = runOf(reportOf({ incomplete, exitCode: 3 })).invocations;
  assertEquals(denied!.executionSuccessful, false);
  assertEquals(denied!.exitCode, 3);
  assertEquals(denied!.toolExecutionNotifications.map(({ level }) => level), ["error"]);
  const [allowed] = runOf(reportOf({ incomplete, exitCode: 0 })).invocations;
  assertEquals(allowed!.executionSuccessful, true);
  assertEquals(allowed!.toolExecutionNotifications.map(({ level }) => level), ["warning"]);
  assertEquals(runOf(reportOf()).invocations[0]!.toolExecutionNotifications, []);
});

Deno.test("formatSarif() of a hostile report is valid and has no control character", () => {
  const { report } = hostileSample();
  const text = formatSarif(report, OPTIONS);
  assertEquals(firstControl(text), undefined);
  assertValid(validate, JSON.parse(text));
  assertFalse(text.includes("javascript:"));
});

Deno.test("formatSarif() writes 20,000 findings with neither stack nor time running out", () => {
  const advisory = SAMPLE_REPORT.findings[0]!.advisory!;
  const report = reportOf({
    findings: unlicensed(20_000).map((finding, index) => ({
      ...finding,
      advisory: { ...advisory, id: `GHSA-${index}` },
    })),
  });
  const start = performance.now();
  assertGreater(formatSarif(report, OPTIONS).length, 20_000 * 100);
  assertLess(performance.now() - start, 5000);
});
