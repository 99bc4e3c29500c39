import type {
  NodeKind,
  PackageGraph,
  PackageNode,
} from "../../../src/supply_chain/project/graph.ts";
import type {
  AuditReport,
  Check,
  CoverageRow,
  Finding,
  Severity,
} from "../../../src/supply_chain/report.ts";

/** Nodes of a small project, drawn as `"from -> to, to"`. */
export function graphOf(
  nodes: readonly (Partial<PackageNode> & { readonly label: string })[],
  edges: readonly string[],
): PackageGraph {
  type Draft = PackageNode & { dependencies: PackageNode[]; dependents: PackageNode[] };
  const byLabel = new Map<string, Draft>();
  for (const node of nodes) {
    const colon = node.label.indexOf(":");
    const kind = node.label.slice(0, colon).replace("file", "config") as NodeKind;
    const rest = node.label.slice(colon + 1);
    const at = rest.lastIndexOf("@");
    const [name, version] = kind === "config" || at <= 0
      ? [rest, ""]
      : [rest.slice(0, at), rest.slice(at + 1)];
    byLabel.set(node.label, {
      kind,
      name,
      version,
      entries: 1,
      hasIntegrity: true,
      deprecated: false,
      scripts: false,
      dev: false,
      ...node,
      dependencies: [],
      dependents: [],
    });
  }
  for (const edge of edges) {
    const [from = "", to = ""] = edge.split(" -> ");
    for (const label of to.split(", ")) {
      byLabel.get(from)!.dependencies.push(byLabel.get(label)!);
      byLabel.get(label)!.dependents.push(byLabel.get(from)!);
    }
  }
  const all = [...byLabel.values()];
  return {
    roots: all.filter(({ kind }) => kind === "config"),
    packages: all.filter(({ kind }) => kind !== "config"),
  };
}

/** A report of nothing, with what is given in its place. */
export function reportOf(parts: Partial<AuditReport> = {}): AuditReport {
  const findings = parts.findings ?? [];
  const number = (severity: Severity) =>
    findings.filter((finding) => finding.severity === severity).length;
  return {
    version: 1,
    project: "@acme/api",
    lockfile: { path: "deno.lock", version: "5" },
    policy: "deny.toml",
    checks: ["advisories", "licenses", "bans", "sources", "integrity"],
    advisorySource: { description: "OSV records in db/osv.zip", modified: "2026-03-01T06:00:00Z" },
    coverage: {
      npm: rowOf(0, 0),
      jsr: rowOf(0, 0),
      https: { ...rowOf(0, 0), files: 0 },
      link: rowOf(0, 0),
    },
    findings,
    summary: { error: number("error"), warning: number("warning"), note: number("note") },
    incomplete: [],
    exitCode: number("error") > 0 ? 1 : 0,
    ...parts,
  };
}

/** A row of the coverage, with one reason for what was not checked. */
export function rowOf(found: number, checked: number, reason?: string): CoverageRow {
  const unchecked = reason === undefined ? [] : [{ reason, packages: found - checked }];
  return { found, checked, unchecked };
}

/** A finding of little interest, with what is given in its place. */
export function findingOf(parts: Partial<Finding> = {}): Finding {
  return {
    check: "bans",
    code: "banned",
    severity: "error",
    message: "left-pad is banned",
    package: { ecosystem: "npm", name: "left-pad", version: "1.3.0" },
    why: [["file:deno.json", "npm:left-pad@1.3.0"]],
    location: { file: "deno.lock", line: 7, column: 5 },
    help: "",
    ...parts,
  };
}

/** So many packages without a licence. */
export function unlicensed(number: number): Finding[] {
  return Array.from({ length: number }, (_, index) => {
    const name = `package-${index}`;
    return findingOf({
      check: "licenses",
      code: "unlicensed",
      severity: "warning",
      message: `no licence was found for ${name}`,
      package: { ecosystem: "npm", name, version: "1.0.0" },
      why: [["file:deno.json", `npm:${name}@1.0.0`]],
      location: { file: "deno.lock", line: index + 10, column: 5 },
      help: "Add a clarification to licenses.clarify.",
    });
  });
}

/** A graph with every kind of node. */
export const SAMPLE_GRAPH: PackageGraph = graphOf([
  { label: "file:deno.json" },
  { label: "file:packages/web/deno.json" },
  { label: "file:packages/web/import_map.json" },
  { label: "npm:@scope/render@2.1.0" },
  { label: "npm:JSONStream@1.3.5", deprecated: true },
  { label: "npm:left-pad@1.3.0", dev: true },
  { label: "npm:lodash@4.17.20" },
  { label: "jsr:@std/path@1.1.3" },
  {
    label: "https:deno.land/std@0.224.0",
    entries: 12,
    url: "https://deno.land/std@0.224.0/path/mod.ts",
  },
  {
    label: "https:esm.sh/lodash@4.17.20",
    entries: 2,
    url: "https://esm.sh/lodash@4.17.20",
    npm: { name: "lodash", version: "4.17.20" },
  },
  {
    label: "https:github.com/acme/tools@0123456789012345678901234567890123456789",
    url:
      "https://raw.githubusercontent.com/acme/tools/0123456789012345678901234567890123456789/m.ts",
  },
  { label: "link:@acme/shared" },
], [
  "file:deno.json -> npm:@scope/render@2.1.0, npm:left-pad@1.3.0, link:@acme/shared",
  "file:packages/web/deno.json -> jsr:@std/path@1.1.3, https:deno.land/std@0.224.0",
  "file:packages/web/import_map.json -> https:esm.sh/lodash@4.17.20",
  "file:packages/web/import_map.json -> " +
  "https:github.com/acme/tools@0123456789012345678901234567890123456789",
  "npm:@scope/render@2.1.0 -> npm:lodash@4.17.20, npm:JSONStream@1.3.5",
]);

/** Licences of the packages of the graph: an identifier, an expression, and other words. */
export const SAMPLE_LICENSES: ReadonlyMap<PackageNode, string> = new Map(
  SAMPLE_GRAPH.packages.flatMap((node) => {
    const license = new Map([
      ["npm:lodash@4.17.20", "MIT"],
      ["npm:JSONStream@1.3.5", "(MIT OR Apache-2.0)"],
      ["npm:@scope/render@2.1.0", "SEE LICENSE IN licence.txt"],
      ["jsr:@std/path@1.1.3", "MIT"],
    ]).get(node.label);
    return license === undefined ? [] : [[node, license] as const];
  }),
);

/** Hashes as the lockfile has them. */
export const SAMPLE_INTEGRITY: ReadonlyMap<PackageNode, string> = new Map(
  SAMPLE_GRAPH.packages.flatMap((node) => {
    const integrity = new Map([
      ["npm:lodash@4.17.20", `sha512-${btoa("l".repeat(64))}`],
      ["npm:left-pad@1.3.0", "sha512-not base64"],
      ["jsr:@std/path@1.1.3", "ab".repeat(32)],
    ]).get(node.label);
    return integrity === undefined ? [] : [[node, integrity] as const];
  }),
);

const LODASH = { ecosystem: "npm", name: "lodash", version: "4.17.20" } as const;
const LODASH_WHY = [
  ["file:deno.json", "npm:@scope/render@2.1.0", "npm:lodash@4.17.20"],
] as const;

/** A report with findings of every check and severity. */
export const SAMPLE_REPORT: AuditReport = reportOf({
  coverage: {
    npm: rowOf(4, 2, "no files of these packages were found offline"),
    jsr: rowOf(1, 0, "no advisory database covers JSR"),
    https: {
      found: 3,
      checked: 0,
      unchecked: [
        { reason: "no advisory database covers remote modules", packages: 2 },
        { reason: "excluded by the policy", packages: 1 },
      ],
      files: 15,
    },
    link: rowOf(1, 1),
  },
  findings: [
    findingOf({
      check: "advisories",
      code: "vulnerability",
      message: "lodash 4.17.20: command injection through the template function",
      package: LODASH,
      advisory: {
        id: "GHSA-35jh-r3h4-6jhm",
        aliases: ["CVE-2021-23337"],
        summary: "Command injection in lodash",
        url: "https://github.com/advisories/GHSA-35jh-r3h4-6jhm",
        cvss: {
          version: "3.1",
          score: 7.2,
          vector: "CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H",
        },
        fixed: ["4.17.21"],
      },
      why: LODASH_WHY,
      location: { file: "deno.lock", line: 31, column: 5 },
      help: "Update lodash to 4.17.21 or later.",
    }),
    findingOf({
      check: "advisories",
      code: "vulnerability",
      message: "lodash 4.17.20: command injection through the template function",
      package: { ecosystem: "https", name: "esm.sh/lodash", version: "4.17.20" },
      advisory: {
        id: "GHSA-35jh-r3h4-6jhm",
        aliases: ["CVE-2021-23337"],
        summary: "Command injection in lodash",
        url: "https://github.com/advisories/GHSA-35jh-r3h4-6jhm",
        cvss: {
          version: "3.1",
          score: 7.2,
          vector: "CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H",
        },
        fixed: ["4.17.21"],
      },
      why: [["file:packages/web/import_map.json", "https:esm.sh/lodash@4.17.20"]],
      location: { file: "deno.lock", line: 61, column: 5 },
      help: "Update lodash to 4.17.21 or later.",
    }),
    findingOf({
      check: "advisories",
      code: "malicious",
      message: "left-pad 1.3.0 was published to steal tokens",
      advisory: {
        id: "MAL-2026-1",
        aliases: [],
        summary: "Malicious code in left-pad",
        url: "https://osv.dev/vulnerability/MAL-2026-1",
        fixed: [],
      },
      help: "Remove it and replace every secret of the machine.",
    }),
    findingOf({
      check: "licenses",
      code: "not-allowed",
      message: "(MIT OR Apache-2.0) is not satisfied by the licences that the policy allows",
      package: { ecosystem: "npm", name: "JSONStream", version: "1.3.5" },
      why: [["file:deno.json", "npm:@scope/render@2.1.0", "npm:JSONStream@1.3.5"]],
      location: { file: "deno.lock", line: 19, column: 5 },
      help: "Add one of them to licenses.allow, or an exception for this package.",
    }),
    findingOf({
      check: "advisories",
      code: "deprecated",
      severity: "warning",
      message: "JSONStream 1.3.5 is deprecated by its publisher",
      package: { ecosystem: "npm", name: "JSONStream", version: "1.3.5" },
      why: [["file:deno.json", "npm:@scope/render@2.1.0", "npm:JSONStream@1.3.5"]],
      location: { file: "deno.lock", line: 19, column: 5 },
      help: "Move to another package.",
    }),
    ...unlicensed(7),
    findingOf({
      check: "integrity",
      code: "not-frozen",
      severity: "note",
      message: "deno.json does not freeze the lockfile",
      package: undefined as never,
      why: [],
      location: { file: "dir with space/deno.json", line: 1, column: 1 },
      help: 'Set "lock": { "frozen": true }.',
    }),
    findingOf({
      check: "integrity",
      code: "unknown-field",
      severity: "note",
      message: "the lockfile has a field that is not known",
      package: undefined as never,
      location: undefined as never,
      why: [],
    }),
  ].map(withoutUndefined),
  incomplete: [
    { check: "advisories", reason: "no advisory database covers JSR", packages: 1 },
    { check: "licenses", reason: "no files of these packages were found offline", packages: 6 },
  ],
});

function withoutUndefined(finding: Finding): Finding {
  const { package: subject, location, ...rest } = finding;
  return { ...rest, ...(subject && { package: subject }), ...(location && { location }) };
}

/** Text that attacks whoever prints it. */
export const HOSTILE: readonly string[] = [
  "\u001b[2J\u001b]0;owned\u0007",
  "admin\u202etxt.exe\u2066\u2069",
  "line\nbreak\r\u2028\u2029\u0085",
  "__proto__",
  "constructor",
  "../../etc/passwd",
  "@/..",
  "\ud800 lone \udc00",
  "\u0000\u007f\u009b31m",
  "zero\u200bwidth\ufeff",
  "x".repeat(10_240),
  "🦕".repeat(3000),
  "",
  " ",
  "%2e%2e/%00?#@",
  '"</script><img src=x>',
];

/** A report and a graph in which all text that comes from outside is hostile. */
export function hostileSample(): { readonly report: AuditReport; readonly graph: PackageGraph } {
  const graph = graphOf([
    { label: "file:deno.json" },
    ...HOSTILE.flatMap((text) =>
      (["npm", "jsr", "https", "link"] as const).map((kind) => ({
        label: `${kind}:${text}@${text}`,
        kind,
        name: text,
        version: text,
        url: `https://example.com/${text}`,
        tarball: text,
      }))
    ),
    ...HOSTILE.map((text) => ({ label: `file:${text}/deno.json`, kind: "config" as const })),
  ], []);
  const check: Check = "advisories";
  return {
    graph,
    report: reportOf({
      project: HOSTILE.join(""),
      coverage: {
        npm: rowOf(2, 1, HOSTILE[0]),
        jsr: rowOf(2, 1, HOSTILE[1]),
        https: { ...rowOf(2, 1, HOSTILE[2]), files: 9 },
        link: rowOf(2, 1, HOSTILE[10]),
      },
      lockfile: { path: HOSTILE[0]!, version: HOSTILE[1]! },
      policy: HOSTILE[2]!,
      advisorySource: { description: HOSTILE[1]!, modified: HOSTILE[0]! },
      findings: HOSTILE.map((text) => ({
        check,
        code: text,
        severity: "error" as const,
        message: text,
        package: { ecosystem: "npm" as const, name: text, version: text },
        advisory: {
          id: text,
          aliases: [text],
          summary: text,
          url: `javascript:${text}`,
          cvss: { version: text, score: 5, vector: text },
          fixed: [text],
        },
        why: [[text, text]],
        location: { file: text, line: 1, column: 1 },
        help: text,
      })),
      incomplete: HOSTILE.map((reason) => ({ check, reason, packages: 1 })),
      exitCode: 3,
    }),
  };
}

const CONTROL =
  // deno-lint-ignore no-control-regex
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;

/** The first character that could act on a terminal or reorder a line, except for the newline. */
export function firstControl(text: string): string | undefined {
  const found = text.match(CONTROL)?.[0] ?? (text.isWellFormed() ? undefined : "lone surrogate");
  return found === undefined ? undefined : JSON.stringify(found);
}
