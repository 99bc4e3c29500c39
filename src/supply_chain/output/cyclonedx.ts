import { printable } from "../_text.ts";
import type { PackageGraph, PackageNode } from "../project/graph.ts";
import type { AuditReport } from "../report.ts";
import { uuidV5 } from "./_digest.ts";
import { toJson } from "./_json.ts";
import { packageUrl } from "./_purl.ts";
import { BomRefs } from "./_bom_refs.ts";
import { cycloneDxLicenses } from "./_spdx.ts";
import { vulnerabilities } from "./_vulnerabilities.ts";
import { webUrl } from "./_web_url.ts";

/** What a bill of materials is made from. */
export interface FormatCycloneDxOptions {
  /** The report of the audit. */
  readonly report: AuditReport;
  /** What the project is made of. */
  readonly graph: PackageGraph;
  /** SPDX expression or other words for the licence of a package; absent when none was found. */
  readonly licenses: ReadonlyMap<PackageNode, string>;
  /**
   * Hashes of packages: one or more of `sha512-BASE64` as in subresource integrity, or SHA-256 in
   * hex as JSR writes it. What is neither is left out. @default {new Map()}
   */
  readonly integrity?: ReadonlyMap<PackageNode, string>;
  /** Version of Bartizan. @default {undefined} */
  readonly version?: string;
  /** The moment of the audit. @default {new Date()} */
  readonly now?: Date;
  /**
   * Serial number, `urn:uuid:…`.
   *
   * @default {derived from the content without the moment: the same project has the same serial}
   */
  readonly serial?: string;
}

/** The schema refuses longer versions. */
const MAX_VERSION = 1024;

/**
 * The project as a CycloneDX 1.6 bill of materials: packages with package URL, licence and hashes,
 * the dependency graph, and advisories as vulnerabilities.
 *
 * The project is the root component; members of its workspace stand below it. What only development
 * needs has the scope `excluded`. Coverage and what could not be checked are properties of the
 * metadata, so that an empty list of vulnerabilities is not taken for more than it is.
 *
 * @see {@link https://cyclonedx.org/docs/1.6/json/}
 */
export function formatCycloneDx(options: FormatCycloneDxOptions): string {
  const { report, graph, version, now = new Date() } = options;
  const refs = new BomRefs(report.project, graph);
  const tool = {
    type: "application",
    group: "@bartizan",
    name: "security",
    ...(version !== undefined && { version }),
    description: "Supply-chain auditor for Deno",
  };
  const members = refs.members.map(({ ref, folder }) => ({
    type: "application",
    "bom-ref": ref,
    name: printable(folder),
  }));
  const unknown = graph.packages.filter(({ kind }) => kind === "https").map((node) =>
    refs.of(node)
  );
  const content = {
    components: graph.packages.map((node) => component(node, refs, options)),
    dependencies: refs.dependencies(),
    ...(unknown.length > 0 && {
      // The lockfile lists remote files without what they import.
      compositions: [{ aggregate: "unknown", dependencies: unknown }],
    }),
    vulnerabilities: vulnerabilities(report.findings, refs),
  };
  const metadata = {
    tools: { components: [tool] },
    component: {
      type: "application",
      "bom-ref": refs.project,
      name: printable(report.project),
      ...(members.length > 0 && { components: members }),
    },
    properties: properties(report),
  };
  const serial = options.serial ??
    `urn:uuid:${uuidV5(JSON.stringify([metadata, content]))}`;
  return toJson({
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: serial,
    version: 1,
    metadata: { timestamp: now.toISOString(), ...metadata },
    ...content,
  });
}

function component(
  node: PackageNode,
  refs: BomRefs,
  { licenses, integrity }: FormatCycloneDxOptions,
): Record<string, unknown> {
  const slash = node.name.lastIndexOf("/");
  const version = printable(node.version);
  const license = licenses.get(node);
  const hashes = parseHashes(integrity?.get(node));
  const purl = packageUrl({ ...node, ecosystem: node.kind });
  const source = webUrl(node.tarball ?? node.url ?? "");
  return {
    type: "library",
    "bom-ref": refs.of(node),
    ...(slash > 0 && { group: printable(node.name.slice(0, slash)) }),
    name: printable(node.name.slice(slash + 1)),
    ...(version !== "" && version.length <= MAX_VERSION && { version }),
    scope: node.dev ? "excluded" : "required",
    ...(hashes.length > 0 && { hashes }),
    ...(license !== undefined && { licenses: cycloneDxLicenses(license) }),
    ...(purl !== undefined && { purl }),
    ...(source !== undefined && {
      externalReferences: [{ type: "distribution", url: source }],
    }),
    properties: [
      { name: "bartizan:ecosystem", value: node.kind },
      ...(node.deprecated ? [{ name: "bartizan:deprecated", value: "true" }] : []),
    ],
  };
}

/** Algorithms of subresource integrity, their names in CycloneDX and their lengths in hex. */
const ALGORITHMS: ReadonlyMap<string, readonly [name: string, digits: number]> = new Map([
  ["sha1", ["SHA-1", 40]],
  ["sha256", ["SHA-256", 64]],
  ["sha384", ["SHA-384", 96]],
  ["sha512", ["SHA-512", 128]],
]);

function parseHashes(
  integrity = "",
): readonly { readonly alg: string; readonly content: string }[] {
  const hashes = new Map<string, string>();
  for (const part of integrity.split(/\s+/)) {
    if (/^[0-9a-f]{64}$/i.test(part)) {
      hashes.set("SHA-256", part.toLowerCase());
      continue;
    }
    const dash = part.indexOf("-");
    const algorithm = ALGORITHMS.get(part.slice(0, dash));
    const content = hex(part.slice(dash + 1));
    if (algorithm !== undefined && content.length === algorithm[1]) {
      hashes.set(algorithm[0], content);
    }
  }
  return [...hashes].map(([alg, content]) => ({ alg, content }));
}

/** Base64 as hex; empty when it is not Base64. */
function hex(base64: string): string {
  try {
    return Array.from(atob(base64), (byte) => byte.charCodeAt(0).toString(16).padStart(2, "0"))
      .join("");
  } catch {
    return "";
  }
}

function properties(report: AuditReport): readonly { name: string; value: string }[] {
  const { coverage, lockfile } = report;
  const rows = [
    ["npm", coverage.npm],
    ["jsr", coverage.jsr],
    ["https", coverage.https],
    ["link", coverage.link],
  ] as const;
  return [
    ...(lockfile === null ? [] : [
      { name: "bartizan:lockfile", value: printable(lockfile.path) },
      { name: "bartizan:lockfile:version", value: printable(lockfile.version) },
    ]),
    ...(report.advisorySource === null ? [] : [
      { name: "bartizan:advisories", value: printable(report.advisorySource.description) },
    ]),
    ...rows.flatMap(([name, { found, checked }]) => [
      { name: `bartizan:coverage:${name}:found`, value: String(found) },
      { name: `bartizan:coverage:${name}:checked`, value: String(checked) },
    ]),
    ...report.incomplete.map(({ check, reason, packages }) => ({
      name: `bartizan:incomplete:${check}`,
      value: `${printable(reason)} (packages: ${packages})`,
    })),
  ];
}
