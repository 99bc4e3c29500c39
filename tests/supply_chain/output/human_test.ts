import {
  assert,
  assertEquals,
  assertFalse,
  assertGreater,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import fc from "fast-check";
import { formatHuman } from "../../../src/supply_chain/output/human.ts";
import type { AuditReport, ExitCode } from "../../../src/supply_chain/report.ts";
import { assertGolden } from "./_golden.ts";
import {
  findingOf,
  firstControl,
  HOSTILE,
  hostileSample,
  reportOf,
  rowOf,
  SAMPLE_REPORT,
  unlicensed,
} from "./_sample.ts";

// deno-lint-ignore no-control-regex
const COLOR = /\u001b\[\d+m/g;

function plain(report: AuditReport): string {
  return formatHuman(report, { color: false });
}

function lastLine(report: AuditReport): string {
  return plain(report).trimEnd().split("\n").at(-1)!;
}

Deno.test("formatHuman() writes the sample report", async () => {
  await assertGolden("sample.txt", plain(SAMPLE_REPORT));
});

Deno.test("formatHuman() writes a clean report", async () => {
  await assertGolden("clean.txt", plain(reportOf({ policy: null, advisorySource: null })));
});

Deno.test("formatHuman() adds colours and nothing else when they are asked for", () => {
  const colored = formatHuman(SAMPLE_REPORT, { color: true });
  assertMatch(colored, COLOR);
  assertEquals(colored.replace(COLOR, ""), plain(SAMPLE_REPORT));
});

Deno.test("formatHuman() is plain, and asks nothing, where it may not read NO_COLOR", async () => {
  const module = new URL("../../../src/supply_chain/output/human.ts", import.meta.url).href;
  const sample = new URL("_sample.ts", import.meta.url).href;
  const source = `
    import { formatHuman } from ${JSON.stringify(module)};
    import { SAMPLE_REPORT } from ${JSON.stringify(sample)};
    console.log(formatHuman(SAMPLE_REPORT, { color: true }).trimEnd());
  `;
  const run = async (...permissions: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command("deno", {
      args: [
        "run",
        "--no-prompt",
        "--config=deno.json",
        ...permissions,
        `data:application/typescript,${encodeURIComponent(source)}`,
      ],
      cwd: new URL("../../../", import.meta.url),
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  };
  assertEquals(await run(), plain(SAMPLE_REPORT));
  assertEquals(await run("--allow-env=NO_COLOR", "--deny-env=CI"), plain(SAMPLE_REPORT));
  assertEquals(
    await run("--allow-env=NO_COLOR,FORCE_COLOR,TERM,CI"),
    formatHuman(SAMPLE_REPORT, { color: true }),
  );
});

Deno.test("formatHuman() prints errors before warnings within a check", () => {
  const text = plain(reportOf({
    findings: [
      findingOf({ code: "late", severity: "note" }),
      findingOf({ code: "middle", severity: "warning" }),
      findingOf({ code: "first", severity: "error" }),
    ],
  }));
  const at = ["bans/first", "bans/middle", "bans/late"].map((code) => text.indexOf(code));
  assert(at.every((position) => position >= 0));
  assertEquals(at, [...at].sort((a, b) => a - b));
});

Deno.test("formatHuman() prints a finding of a check that was not asked for", () => {
  assertStringIncludes(plain(reportOf({ checks: [], findings: [findingOf()] })), "left-pad");
});

Deno.test("formatHuman() folds findings of one code after the fifth", () => {
  const text = plain(reportOf({ findings: unlicensed(2515) }));
  assertEquals(text.match(/no licence was found/g)?.length, 5);
  assertStringIncludes(text, "... and 2,510 more warning[licenses/unlicensed]");
  assertStringIncludes(text, "licenses: 2,515 warnings");
});

Deno.test("formatHuman() folds nothing at five findings, nor when it is verbose", () => {
  assertFalse(plain(reportOf({ findings: unlicensed(5) })).includes("more warning"));
  const verbose = formatHuman(reportOf({ findings: unlicensed(60) }), {
    color: false,
    verbose: true,
  });
  assertEquals(verbose.match(/no licence was found/g)?.length, 60);
  assertFalse(verbose.includes("more warning"));
});

Deno.test("formatHuman() folds each severity of a code apart", () => {
  const findings = [
    ...unlicensed(6),
    ...unlicensed(7).map((finding) => ({ ...finding, severity: "error" as const })),
  ];
  const text = plain(reportOf({ findings }));
  assertStringIncludes(text, "... and 2 more error[licenses/unlicensed]");
  assertStringIncludes(text, "... and 1 more warning[licenses/unlicensed]");
});

Deno.test("formatHuman() never folds an advisory away", () => {
  const advisory = SAMPLE_REPORT.findings[0]!.advisory!;
  const findings = Array.from(
    { length: 20 },
    (_, index) =>
      findingOf({ check: "advisories", advisory: { ...advisory, id: `GHSA-${index}` } }),
  );
  const text = plain(reportOf({ findings }));
  for (const { advisory } of findings) assertStringIncludes(text, `${advisory!.id} (`);
});

Deno.test("formatHuman() prints four inclusion paths as one tree, and all of them when verbose", () => {
  const names = ["a", "b", "c", "d", "e"];
  const finding = findingOf({
    why: names.map((name) => ["file:deno.json", `npm:${name}@1.0.0`, "npm:left-pad@1.3.0"]),
  });
  const report = reportOf({ findings: [finding] });
  assertStringIncludes(
    plain(report),
    [
      "   | file:deno.json",
      "   | ├─ npm:a@1.0.0",
      "   | │  └─ npm:left-pad@1.3.0",
      "   | ├─ npm:b@1.0.0",
    ].join("\n"),
  );
  assertFalse(plain(report).includes("npm:e@1.0.0"));
  assertStringIncludes(formatHuman(report, { color: false, verbose: true }), "npm:e@1.0.0");
});

Deno.test("formatHuman() names the package when no inclusion path ends with it", () => {
  assertStringIncludes(
    plain(reportOf({ findings: [findingOf({ why: [] })] })),
    "npm:left-pad@1.3.0",
  );
});

Deno.test("formatHuman() always prints the four rows of the coverage, with reasons", () => {
  const text = plain(reportOf({
    coverage: {
      npm: rowOf(2515, 2515),
      jsr: rowOf(10, 4, "no database covers JSR"),
      https: {
        found: 12,
        checked: 2,
        unchecked: [{ reason: "no database", packages: 8 }, { reason: "excluded", packages: 2 }],
        files: 1400,
      },
      link: rowOf(0, 0),
    },
  }));
  assertStringIncludes(
    text,
    [
      "coverage  found  checked  not checked",
      "npm       2,515    2,515            0",
      "jsr          10        4            6  no database covers JSR",
      "https        12        2           10  1,400 remote files; 8 no database; 2 excluded",
      "link          0        0            0",
    ].join("\n"),
  );
});

Deno.test("formatHuman() does not hide that a gap has no reason", () => {
  const { coverage } = reportOf();
  const npm = { found: 5, checked: 1, unchecked: [{ reason: "excluded", packages: 3 }] };
  assertStringIncludes(
    plain(reportOf({ coverage: { ...coverage, npm } })),
    "3 excluded; 1 no reason was given",
  );
});

Deno.test("formatHuman() ends with a verdict that says what the exit code means", () => {
  const coverage = {
    npm: rowOf(60, 50, "offline"),
    jsr: rowOf(10, 10),
    https: { ...rowOf(1, 1), files: 9 },
    link: rowOf(0, 0),
  };
  const summary = { error: 0, warning: 1, note: 2 };
  const incomplete = [{ check: "advisories" as const, reason: "offline", packages: 10 }];
  const tail = "0 errors, 1 warning, 2 notes; 61 of 71 packages checked";
  for (
    const [exitCode, gaps, words] of [
      [0, [], "audit passed"],
      [0, incomplete, "audit passed, but is incomplete"],
      [1, incomplete, "audit failed"],
      [2, [], "audit could not run"],
      [3, incomplete, "audit incomplete"],
    ] as const
  ) {
    const report = reportOf({
      coverage,
      summary,
      incomplete: gaps,
      exitCode: exitCode as ExitCode,
    });
    assertEquals(lastLine(report), `${words}: ${tail}`);
    assertEquals(plain(report).includes("INCOMPLETE"), gaps.length > 0);
  }
});

Deno.test("formatHuman() says which policy and which advisories applied", () => {
  const text = plain(reportOf({ policy: null, lockfile: null, advisorySource: null }));
  assertStringIncludes(text, "no deny.toml: the built-in policy applies");
  assertMatch(text, /lockfile +none/);
  assertMatch(text, /advisories +no source/);
  assertMatch(
    plain(reportOf({ checks: ["bans"], advisorySource: null })),
    /advisories +not asked for/,
  );
});

Deno.test("formatHuman() prints no control character of a hostile report", () => {
  const { report } = hostileSample();
  for (const width of [undefined, 0, 40, 200]) {
    for (const verbose of [false, true]) {
      const text = formatHuman(report, { color: false, verbose, ...(width && { width }) });
      assertEquals(firstControl(text), undefined);
      const colored = formatHuman(report, { color: true, verbose, ...(width && { width }) });
      assertEquals(colored.replace(COLOR, ""), text);
    }
  }
});

Deno.test("formatHuman() keeps within the width, whatever the text, except for addresses", () => {
  const texts = fc.oneof(
    fc.string({ unit: "binary", maxLength: 300 }),
    fc.constantFrom(...HOSTILE),
  );
  fc.assert(
    fc.property(texts, texts, fc.integer({ min: 40, max: 160 }), (name, message, width) => {
      const report = reportOf({
        project: name,
        policy: name,
        findings: [
          findingOf({ message, help: message, why: [[name, message], [name, name, name]] }),
        ],
        incomplete: [{ check: "bans", reason: message, packages: 3 }],
      });
      const text = formatHuman(report, { color: false, width });
      assertEquals(firstControl(text), undefined);
      const body = text.slice(0, text.lastIndexOf("coverage"));
      for (const line of body.split("\n")) {
        if (!/https?:/.test(line)) assertLessOrEqual(Array.from(line).length, width, line);
      }
    }),
    { seed: 20260301, numRuns: 200 },
  );
});

Deno.test("formatHuman() writes 20,000 findings with neither stack nor time running out", () => {
  const advisory = SAMPLE_REPORT.findings[0]!.advisory!;
  const report = reportOf({ findings: unlicensed(20_000).map((each) => ({ ...each, advisory })) });
  const start = performance.now();
  assertGreater(plain(report).length, 20_000 * 100);
  assertLess(performance.now() - start, 5000);
});
