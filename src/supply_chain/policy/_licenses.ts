import type { DraftOf, Sections } from "./_defaults.ts";
import type { SpdxExpression, SpdxLicense } from "../licenses/spdx.ts";
import { didYouMean } from "../_nearest.ts";
import { positioned, readIgnore, specEntry } from "./_entries.ts";
import type { LicenseClarification, LicenseException } from "./policy.ts";
import {
  type Fields,
  legacy,
  listOf,
  matching,
  notApplicable,
  pathInside,
  type Read,
  readBoolean,
  readString,
  readTable,
  setterOf,
  type TomlNode,
} from "./_reader.ts";
import { level } from "./_sections.ts";

type Licenses = DraftOf<Sections["licenses"]>;

/** The SPDX grammar; loaded only for a policy that names licences. */
export interface Spdx {
  readonly parseExpression: (text: string) => SpdxExpression | undefined;
  readonly formatLicense: (license: SpdxLicense) => string;
  readonly ids: readonly string[];
}

/** Loads the SPDX grammar and its list of licences. */
export async function loadSpdx(): Promise<Spdx> {
  const [{ parseExpression, formatLicense }, { default: ids }] = await Promise.all([
    import("../licenses/spdx.ts"),
    import("spdx-license-ids/index.json", { with: { type: "json" } }),
  ]);
  return { parseExpression, formatLicense, ids };
}

const ALLOW_LIST = "List the licences that you accept in licenses.allow; every other is rejected.";

/** Reads [licenses]. */
export function readLicenses(node: TomlNode, spdx: Spdx): Licenses | undefined {
  const licenses = readTable(node, licenseFields(spdx));
  const denied = new Map(node.entries()).get("deny")?.items() ?? [];
  for (const item of denied) {
    if (licenses?.allow?.some(({ text }) => text === item.value)) {
      item.fail(`${item.name}: "${item.value}" is in licenses.allow too`);
    }
  }
  return licenses;
}

function licenseFields(spdx: Spdx): Fields<Licenses> {
  const set = setterOf<Licenses>();

  const unknownLicense = (node: TomlNode, text: string) => {
    const near = didYouMean(text, spdx.ids);
    return `${node.name}: "${text}" is no licence or expression of SPDX${near}`;
  };

  const readLicense: Read<string> = (node) => {
    const text = readString(node);
    if (text === undefined) return undefined;
    const parsed = spdx.parseExpression(text);
    if (parsed === undefined) return node.fail(unknownLicense(node, text));
    if ("license" in parsed) return spdx.formatLicense(parsed);
    return node.fail(`${node.name}: "${text}" is an expression; list its licences one by one`);
  };

  const readExpression: Read<string> = (node) => {
    const text = readString(node);
    if (text === undefined) return undefined;
    return spdx.parseExpression(text) ? text : node.fail(unknownLicense(node, text));
  };

  const readException: Read<LicenseException> = (node) => {
    type Allow = { readonly allow?: readonly string[] };
    const fields: Fields<Allow> = new Map([
      ["allow", setterOf<Allow>()("allow", listOf(readLicense))],
    ]);
    const entry = specEntry(fields)(node);
    if (entry === undefined) return undefined;
    const { extra: { allow }, ...plain } = entry;
    if (allow === undefined) return node.fail(`${node.name}: allow = ["LICENCE"] is missing`);
    return { ...plain, allow };
  };

  const readClarification: Read<LicenseClarification> = (node) => {
    type Keys = {
      readonly expression?: string;
      readonly files?: LicenseClarification["licenseFiles"];
    };
    const setKeys = setterOf<Keys>();
    const fields: Fields<Keys> = new Map([
      ["expression", setKeys("expression", readExpression)],
      ["license-files", setKeys("files", listOf(readLicenseFile))],
    ]);
    const entry = specEntry(fields)(node);
    if (entry === undefined) return undefined;
    const { extra: { expression, files }, ...plain } = entry;
    if (expression === undefined || files === undefined) {
      const missing = expression === undefined ? "expression" : "license-files";
      return node.fail(`${node.name}: ${missing} is missing`);
    }
    return { ...plain, expression, licenseFiles: files };
  };

  return new Map<string, Read<Licenses>>([
    ["allow", set("allow", listOf(positioned(readLicense)))],
    ["exceptions", set("exceptions", listOf(readException))],
    ["clarify", set("clarify", listOf(readClarification))],
    ["confidence-threshold", set("confidenceThreshold", readThreshold)],
    ["include-dev", set("includeDev", readBoolean)],
    ["private", readPrivate],
    ["ignore", set("ignore", listOf(readIgnore))],
    ["unused-allowed-license", set("unusedAllowedLicense", level)],
    ["unused-license-exception", set("unusedLicenseException", level)],
    ["unlicensed", (node) => {
      const read = set("unlicensed", level);
      const today = 'Leave it out: "deny" is the default. Only a level below it needs the key.';
      return node.value === "deny" ? legacy(read, today)(node) : read(node);
    }],
    ["include-build", notApplicable("there are no build dependencies")],
    ["version", notApplicable("the keys of every version are understood")],
    ["deny", (node) => {
      listOf(readLicense)(node);
      return implied(node, true);
    }],
    ["copyleft", (node) => implied(node, level(node) === "deny")],
    ["default", (node) => implied(node, level(node) === "deny")],
    ["allow-osi-fsf-free", (node) => {
      if (typeof node.value !== "string") return node.expected("a text");
      return implied(node, node.value === "neither");
    }],
  ]);
}

/** A key that an allow list made superfluous; what it would allow must be listed. */
function implied(node: TomlNode, isSame: boolean): undefined {
  const effect = isSame ? "says what the allow list implies" : "allows nothing any more";
  node.note("legacy-key", `${node.name} is an earlier form: it ${effect}`, ALLOW_LIST);
  return undefined;
}

const PRIVATE_KEYS = setterOf<DraftOf<Sections["licenses"]["private"]>>();

function readPrivate(node: TomlNode): Licenses | undefined {
  const table = readTable(
    node,
    new Map([
      ["ignore", PRIVATE_KEYS("ignore", readBoolean)],
      ["registries", PRIVATE_KEYS("registries", listOf(readString))],
      ["ignore-sources", notApplicable("licences are checked whatever the registry")],
    ]),
  );
  return table && { private: table };
}

function readThreshold(node: TomlNode): number | undefined {
  const { value } = node;
  const isShare = typeof value === "number" && value >= 0 && value <= 1;
  return isShare ? value : node.expected("a number from 0.0 to 1.0");
}

function readLicenseFile(node: TomlNode): { path: string; hash: string } | undefined {
  type Keys = { readonly path?: string; readonly hash?: string };
  const before = node.source.problems.length;
  const set = setterOf<Keys>();
  const table = readTable<Keys>(
    node,
    new Map([
      ["path", set("path", pathInside("package"))],
      ["hash", set("hash", matching(/^[0-9a-f]{64}$/i, "a SHA-256 hash, 64 hexadecimal digits"))],
    ]),
  );
  if (table === undefined || node.source.problems.length > before) return undefined;
  const { path, hash } = table;
  if (path !== undefined && hash !== undefined) return { path, hash: hash.toLowerCase() };
  return node.fail(`${node.name}: needs path and hash`);
}
