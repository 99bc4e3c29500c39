import type { Check } from "../report.ts";
import type { DraftOf, Sections } from "./_defaults.ts";
import { durationSeconds } from "../_duration.ts";
import { plainSpec, positioned, readDeny, readIgnore, specEntry } from "./_entries.ts";
import type { LintLevel, PositionedText, Scope, SkipTreeEntry } from "./policy.ts";
import {
  type Fields,
  legacy,
  listOf,
  matching,
  notApplicable,
  oneOf,
  pathInside,
  type Read,
  readBoolean,
  readString,
  readTable,
  setterOf,
  type TomlNode,
} from "./_reader.ts";

type Section<K extends keyof Sections> = DraftOf<Sections[K]>;

export const level: Read<LintLevel> = oneOf("deny", "warn", "allow");
const SCOPES = ["all", "workspace", "transitive", "none"] as const;
const ignoreList = listOf(readIgnore);
const specList = listOf(plainSpec);

const ABOUT_RUST = "it is about how Rust crates are built";

/** Keys of cargo-deny that mean nothing here. */
function inapplicable<T>(why: string, ...keys: readonly string[]): [string, Read<T>][] {
  return keys.map((key) => [key, notApplicable(why)]);
}

// [graph], [output]

const setGraph = setterOf<Section<"graph">>();

const GRAPH: Fields<Section<"graph">> = new Map([
  ["exclude", setGraph("exclude", specList)],
  ["exclude-dev", setGraph("excludeDev", readBoolean)],
  ["dev-paths", setGraph("devPaths", listOf(pathInside("project")))],
  ...inapplicable<Section<"graph">>(
    ABOUT_RUST,
    "targets",
    "all-features",
    "no-default-features",
    "features",
    "exclude-unpublished",
  ),
]);

const OUTPUT: Fields<object> = new Map(
  inapplicable<object>("inclusion paths have no features", "feature-depth"),
);

// [advisories]

const setAdvisories = setterOf<Section<"advisories">>();

const ADVISORIES: Fields<Section<"advisories">> = new Map([
  ["db-path", setAdvisories("dbPath", readString)],
  ["db-urls", setAdvisories("dbUrls", readDbUrls)],
  [
    "vulnerability",
    legacy(
      setAdvisories("vulnerability", level),
      'Leave it out for "deny", which is the default. For less, use advisories.ignore with a ' +
        "reason, or advisories.severity-threshold.",
    ),
  ],
  [
    "severity-threshold",
    setAdvisories("severityThreshold", oneOf("none", "low", "medium", "high", "critical")),
  ],
  ["unmaintained", setAdvisories("unmaintained", readScopedLevel)],
  ["unsound", setAdvisories("unsound", readScopedLevel)],
  [
    "notice",
    legacy(
      setAdvisories("notice", level),
      'Leave it out for "warn", which is the default. To silence one notice, use advisories.ignore ' +
        "with a reason.",
    ),
  ],
  ["deprecated", setAdvisories("deprecated", level)],
  ["yanked", setAdvisories("yanked", level)],
  // After `yanked`, as it wins over it.
  ["disable-yank-checking", (node) => {
    const isOff = readBoolean(node);
    return isOff ? { yanked: "allow" } : undefined;
  }],
  ["ignore", setAdvisories("ignore", ignoreList)],
  ["unused-ignored-advisory", setAdvisories("unusedIgnoredAdvisory", level)],
  ["maximum-db-staleness", setAdvisories("maximumDbStalenessSeconds", readDuration)],
  ["incomplete", setAdvisories("incomplete", oneOf("deny", "warn"))],
  ["version", notApplicable("the keys of every version are understood")],
  ...inapplicable<Section<"advisories">>("no database is a git repository", "git-fetch-with-cli"),
]);

type Scoped = { readonly scope: Scope; readonly level: LintLevel };

/** `"workspace"`, `{ scope = "workspace", level = "warn" }`, or the earlier `"warn"`. */
function readScopedLevel(node: TomlNode): Scoped | undefined {
  const { value } = node;
  if (value === "deny" || value === "warn" || value === "allow") {
    const today = value === "allow"
      ? `"none"`
      : value === "deny"
      ? `"all"`
      : `{ scope = "all", level = "warn" }`;
    const key = node.name.slice(node.name.lastIndexOf(".") + 1);
    return legacy<Scoped>(() => ({ scope: "all", level: value }), `Write ${key} = ${today}.`)(
      node,
    );
  }
  if (typeof value === "string") {
    const scope = oneOf(...SCOPES)(node);
    return scope && { scope, level: "deny" };
  }
  if (node.entries() === undefined) {
    return node.expected('a scope such as "all", or { scope = "…", level = "…" }');
  }
  const set = setterOf<Partial<Scoped>>();
  const table = readTable<Partial<Scoped>>(
    node,
    new Map([["scope", set("scope", oneOf(...SCOPES))], ["level", set("level", level)]]),
  );
  return table && { scope: table.scope ?? "all", level: table.level ?? "deny" };
}

function readDuration(node: TomlNode): number | undefined {
  const seconds = typeof node.value === "string" ? durationSeconds(node.value) : undefined;
  return seconds ?? node.expected('an ISO 8601 duration such as "P90D"');
}

/** cargo-deny's own database is about Rust crates and would be downloaded for nothing. */
function readDbUrls(node: TomlNode): readonly string[] | undefined {
  const urls = listOf(readDbUrl)(node);
  return urls?.filter((url) => {
    if (!/\/rustsec\/advisory-db/i.test(url)) return true;
    notApplicable("the RustSec database is about Rust crates")(node);
    return false;
  });
}

/** An archive on the net, or one that was brought to this machine. */
function readDbUrl(node: TomlNode): string | undefined {
  const { value } = node;
  if (typeof value === "string" && value.startsWith("file:///") && URL.canParse(value)) {
    return value;
  }
  return readUrl(node, "an https or file address");
}

// [bans]

const setBans = setterOf<Section<"bans">>();

const BUILD: Fields<Section<"bans">> = new Map([
  ["allow-build-scripts", setBans("allowBuildScripts", specList)],
  ...inapplicable<Section<"bans">>(
    ABOUT_RUST,
    "executables",
    "interpreted",
    "script-extensions",
    "enable-builtin-globs",
    "include-dependencies",
    "include-workspace",
    "include-archives",
    "bypass",
  ),
]);

const BANS: Fields<Section<"bans">> = new Map([
  ["multiple-versions", setBans("multipleVersions", level)],
  ["multiple-versions-include-dev", setBans("multipleVersionsIncludeDev", readBoolean)],
  ["wildcards", setBans("wildcards", level)],
  ["deny", readDeny],
  ["allow", setBans("allow", specList)],
  ["allow-workspace", setBans("allowWorkspace", readBoolean)],
  ["skip", setBans("skip", specList)],
  ["skip-tree", setBans("skipTree", listOf(readSkipTree))],
  ["install-scripts", setBans("installScripts", level)],
  ["allow-build-scripts", setBans("allowBuildScripts", specList)],
  ["build", (node) => readTable(node, BUILD)],
  ["ignore", setBans("ignore", ignoreList)],
  ["unused-skip", setBans("unusedSkip", level)],
  ...inapplicable<Section<"bans">>(
    ABOUT_RUST,
    "allow-wildcard-paths",
    "workspace-dependencies",
    "workspace-default-features",
    "external-default-features",
    "features",
    "std-replacements",
  ),
  ...inapplicable<Section<"bans">>("there are no graph pictures", "highlight"),
]);

function readSkipTree(node: TomlNode): SkipTreeEntry | undefined {
  type Depth = { readonly depth?: number };
  const entry = specEntry<Depth>(new Map([["depth", setterOf<Depth>()("depth", readDepth)]]))(node);
  if (entry === undefined) return undefined;
  const { extra, ...plain } = entry;
  return { ...plain, depth: extra.depth ?? Infinity };
}

function readDepth(node: TomlNode): number | undefined {
  const { value } = node;
  const isDepth = typeof value === "number" && Number.isInteger(value) && value >= 0;
  return isDepth ? value : node.expected("a whole number of levels, from 0");
}

// [sources]

const setSources = setterOf<Section<"sources">>();
type Organizations = DraftOf<Sections["sources"]["allowOrg"]>;
const setOrganizations = setterOf<Organizations>();

const organizations = listOf(
  positioned(matching(/^[\w.-]+(?:\/[\w.-]+)*$/, 'the name of an organisation such as "denoland"')),
);

const ALLOW_ORG: Fields<Organizations> = new Map([
  ["github", setOrganizations("github", organizations)],
  ["gitlab", setOrganizations("gitlab", organizations)],
  ["bitbucket", setOrganizations("bitbucket", organizations)],
]);

const SOURCES: Fields<Section<"sources">> = new Map([
  ["unknown-registry", setSources("unknownRegistry", level)],
  ["unknown-git", setSources("unknownGit", level)],
  ["unknown-host", setSources("unknownHost", level)],
  ["unpinned", setSources("unpinned", level)],
  ["undeclared", setSources("undeclared", level)],
  ["tarball", setSources("tarball", level)],
  ["allow-registry", setSources("allowRegistry", readRegistries)],
  [
    "allow-scope",
    setSources(
      "allowScope",
      listOf(positioned(matching(/^@[^\s/@*]+$/, 'a scope such as "@std"'))),
    ),
  ],
  [
    "allow-host",
    setSources(
      "allowHost",
      listOf(positioned(matching(/^[a-z0-9.-]+(?::\d{1,5})?$/, 'a host such as "deno.land"'))),
    ),
  ],
  ["allow-git", setSources("allowGit", listOf(positioned(readUrl)))],
  ["allow-org", (node) => {
    const allowOrg = readTable(node, ALLOW_ORG);
    return allowOrg && { allowOrg };
  }],
  ["private", setSources("private", listOf(positioned(readUrl)))],
  ["required-git-spec", setSources("requiredGitSpec", oneOf("any", "branch", "tag", "rev"))],
  ["ignore", setSources("ignore", ignoreList)],
  ["unused-allowed-source", setSources("unusedAllowedSource", level)],
  ["unused-allowed-org", setSources("unusedAllowedOrg", level)],
]);

/** A written list without entries allows nothing; it must not read as a list that is not there. */
function readRegistries(node: TomlNode): readonly PositionedText[] | undefined {
  const registries = listOf(positioned((item) => {
    const isWord = item.value === "npm" || item.value === "jsr";
    return isWord ? String(item.value) : readUrl(item, 'the address of a registry, "npm" or "jsr"');
  }))(node);
  return registries?.length === 0 ? [{ text: "none", ...node.position }] : registries;
}

/** An http address, without a user name or password, which have no place in a policy. */
function readUrl(node: TomlNode, what = "an https address"): string | undefined {
  const text = readString(node);
  if (text === undefined) return undefined;
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) return node.expected(what);
  const { username, password } = new URL(text);
  return username === "" && password === "" ? text : node.expected(`${what} without credentials`);
}

// [integrity]

const setIntegrity = setterOf<Section<"integrity">>();

const INTEGRITY: Fields<Section<"integrity">> = new Map([
  ["missing-hash", setIntegrity("missingHash", level)],
  ["drift", setIntegrity("drift", level)],
  ["frozen", setIntegrity("frozen", level)],
  ["missing-lock", setIntegrity("missingLock", level)],
  ["minimum-dependency-age", setIntegrity("minimumDependencyAge", level)],
  ["typosquat", setIntegrity("typosquat", level)],
  ["unknown-field", setIntegrity("unknownField", level)],
  ["allow-typosquat", setIntegrity("allowTyposquat", specList)],
  ["ignore", setIntegrity("ignore", ignoreList)],
]);

/** How the sections other than [licenses] are read, and the check that a note in them belongs to. */
export const SECTIONS = {
  graph: { check: "bans", fields: GRAPH },
  output: { check: "bans", fields: OUTPUT },
  advisories: { check: "advisories", fields: ADVISORIES },
  bans: { check: "bans", fields: BANS },
  sources: { check: "sources", fields: SOURCES },
  integrity: { check: "integrity", fields: INTEGRITY },
} as const satisfies Record<string, { check: Check; fields: Fields<object> }>;
