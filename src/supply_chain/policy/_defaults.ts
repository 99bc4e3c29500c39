import type { Policy } from "./policy.ts";

/** The sections of a policy. */
export type Sections = Omit<Policy, "path" | "notes" | "baseline">;

/** Part of a section: what a file sets of it. */
export type DraftOf<T> = {
  readonly [K in keyof T]?: NonNullable<T[K]> extends readonly unknown[] ? T[K]
    : NonNullable<T[K]> extends object ? DraftOf<NonNullable<T[K]>>
    : T[K];
};

/** The sections as far as a file sets them. */
export type Draft = DraftOf<Sections>;

/**
 * The defaults of a section that is written, key by key.
 *
 * They are cargo-deny's, except: `notice` is a warning, as it names no defect; an install script that
 * nothing allows is a warning where cargo-deny allows every build script, as running code while it is
 * installed is how npm packages are abused. What cargo-deny does not know (deprecation, https modules,
 * the lockfile) warns, and is an error where nothing can be verified: no lockfile, no hash.
 */
export const DEFAULTS: Sections = {
  graph: { exclude: [], excludeDev: false, devPaths: [] },
  advisories: {
    dbUrls: [],
    vulnerability: "deny",
    unmaintained: { scope: "all", level: "deny" },
    unsound: { scope: "workspace", level: "deny" },
    notice: "warn",
    deprecated: "warn",
    yanked: "warn",
    ignore: [],
    unusedIgnoredAdvisory: "warn",
    maximumDbStalenessSeconds: 90 * 86_400,
    incomplete: "deny",
  },
  licenses: {
    allow: [],
    unlicensed: "deny",
    exceptions: [],
    clarify: [],
    confidenceThreshold: 0.8,
    includeDev: false,
    private: { ignore: false, registries: [] },
    ignore: [],
    unusedAllowedLicense: "warn",
    unusedLicenseException: "warn",
  },
  bans: {
    multipleVersions: "warn",
    multipleVersionsIncludeDev: false,
    wildcards: "warn",
    deny: [],
    denyMultipleVersions: [],
    allow: [],
    allowWorkspace: false,
    skip: [],
    skipTree: [],
    installScripts: "warn",
    allowBuildScripts: [],
    ignore: [],
    unusedSkip: "warn",
  },
  sources: {
    unknownRegistry: "warn",
    unknownGit: "warn",
    unknownHost: "warn",
    unpinned: "warn",
    undeclared: "warn",
    allowRegistry: [],
    allowScope: [],
    allowHost: [],
    allowGit: [],
    allowOrg: { github: [], gitlab: [], bitbucket: [] },
    private: [],
    requiredGitSpec: "any",
    tarball: "warn",
    ignore: [],
    unusedAllowedSource: "warn",
    unusedAllowedOrg: "warn",
  },
  integrity: {
    missingHash: "deny",
    drift: "warn",
    frozen: "warn",
    missingLock: "deny",
    minimumDependencyAge: "warn",
    typosquat: "warn",
    unknownField: "warn",
    allowTyposquat: [],
    ignore: [],
  },
};

/** `over` on top of `base`: lists are concatenated, tables merged, and of anything else `over` wins. */
export function merge<T extends object>(base: T, over: T): T {
  return combine(base, over, (below, above) => [...below, ...above]) as T;
}

/** A draft with what it leaves out taken from `defaults`; a list that it sets is the whole list. */
export function fill<T extends object>(defaults: T, draft: DraftOf<T>): T {
  return combine(defaults, draft, (_, above) => above) as T;
}

/**
 * Keys here are the field names of this module's own types, never text of a file, so a plain object
 * indexed by them is safe.
 */
function combine(
  below: object,
  above: object,
  lists: (below: readonly unknown[], above: readonly unknown[]) => readonly unknown[],
): object {
  const result: Record<string, unknown> = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const under = result[key];
    if (Array.isArray(value) && Array.isArray(under)) result[key] = lists(under, value);
    else if (isTable(value) && isTable(under)) result[key] = combine(under, value, lists);
    else result[key] = value;
  }
  return result;
}

function isTable(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
