import type { Severity } from "../report.ts";

/** `deny` is an error, `warn` a warning, `allow` says nothing. */
export type LintLevel = "deny" | "warn" | "allow";

/** Which packages an `unmaintained` advisory matters for. */
export type Scope = "all" | "workspace" | "transitive" | "none";

/** How precisely an address of a git host names its content, from least to most. */
export type GitSpec = "any" | "branch" | "tag" | "rev";

/** A line and column of the policy file, both from 1. */
export interface PolicyPosition {
  readonly line: number;
  readonly column: number;
  /** The file, when it is not the policy itself: one that it extends, or `built-in`. */
  readonly file?: string;
}

/**
 * Which packages an entry is about: `lodash`, `lodash@^4`, `npm:lodash`, `jsr:@std/*`,
 * `https:deno.land/x/oak`. Without a prefix it matches every ecosystem.
 */
export interface PackageSpec {
  readonly ecosystem?: "npm" | "jsr" | "https" | "link";
  /** `*` matches any characters. */
  readonly name: string;
  /** A semver range, or for `https` the exact version. Absent: every version. */
  readonly range?: string;
  /** As written. */
  readonly text: string;
}

/** An entry that names packages and may say why. */
export interface SpecEntry extends PolicyPosition {
  readonly spec: PackageSpec;
  readonly reason?: string;
}

/** An entry of `bans.deny`. */
export interface DenyEntry extends SpecEntry {
  /** Packages that may depend on it all the same. */
  readonly wrappers: readonly PackageSpec[];
  /** What to use in its place. */
  readonly useInstead?: string;
}

/** An entry of `bans.skip-tree`. */
export interface SkipTreeEntry extends SpecEntry {
  /** How many levels below the package are skipped too. @default {Infinity} */
  readonly depth: number;
}

/** An entry of a section's `ignore`. */
export interface IgnoreEntry extends PolicyPosition {
  /** An advisory id, or a finding code for a check without advisories. */
  readonly id?: string;
  /** Only for this package. */
  readonly package?: PackageSpec;
  /**
   * Only when the package is reached through this alone: a package label, or as written a
   * configuration file (`m1/deno.json`, `file:m1/deno.json`) or a folder of such (`m1`, `packages`).
   */
  readonly path?: string;
  readonly reason: string;
  /** `YYYY-MM-DD`: the last day on which it holds. */
  readonly until?: string;
}

/** An entry of `licenses.exceptions`. */
export interface LicenseException extends SpecEntry {
  readonly allow: readonly string[];
}

/** An entry of `licenses.clarify`. */
export interface LicenseClarification extends SpecEntry {
  readonly expression: string;
  /** Files below the package that must still have these SHA-256 hashes, in hex. */
  readonly licenseFiles: readonly { readonly path: string; readonly hash: string }[];
}

/** A key of an earlier form, which still works. */
export interface PolicyNote extends PolicyPosition {
  readonly check: "advisories" | "licenses" | "bans" | "sources" | "integrity";
  readonly severity: Severity;
  readonly code: string;
  readonly message: string;
  readonly help: string;
  /** The file, when it is not the policy itself but one that it extends. */
  readonly file: string;
}

/** Plain text and where it stands. */
export interface PositionedText extends PolicyPosition {
  readonly text: string;
}

/** The supply-chain policy: deny.toml with every default filled in. */
export interface Policy {
  /** Path relative to the project, or `null` for the built-in policy. */
  readonly path: string | null;
  readonly graph: {
    /** Packages that are left out together with what only they need. */
    readonly exclude: readonly SpecEntry[];
    /** Leave out what only development needs. */
    readonly excludeDev: boolean;
    /** Folders of the project whose imports count as development. */
    readonly devPaths: readonly string[];
  };
  readonly advisories: {
    readonly dbPath?: string;
    readonly dbUrls: readonly string[];
    readonly vulnerability: LintLevel;
    /** Findings whose CVSS score is below it are notes. */
    readonly severityThreshold?: "none" | "low" | "medium" | "high" | "critical";
    readonly unmaintained: { readonly scope: Scope; readonly level: LintLevel };
    readonly unsound: { readonly scope: Scope; readonly level: LintLevel };
    readonly notice: LintLevel;
    readonly deprecated: LintLevel;
    readonly yanked: LintLevel;
    readonly ignore: readonly IgnoreEntry[];
    readonly unusedIgnoredAdvisory: LintLevel;
    readonly maximumDbStalenessSeconds: number;
    readonly incomplete: "deny" | "warn";
  };
  readonly licenses: {
    readonly allow: readonly PositionedText[];
    readonly unlicensed: LintLevel;
    readonly exceptions: readonly LicenseException[];
    readonly clarify: readonly LicenseClarification[];
    readonly confidenceThreshold: number;
    readonly includeDev: boolean;
    readonly private: { readonly ignore: boolean; readonly registries: readonly string[] };
    readonly ignore: readonly IgnoreEntry[];
    readonly unusedAllowedLicense: LintLevel;
    readonly unusedLicenseException: LintLevel;
  };
  readonly bans: {
    readonly multipleVersions: LintLevel;
    readonly multipleVersionsIncludeDev: boolean;
    readonly wildcards: LintLevel;
    readonly deny: readonly DenyEntry[];
    /** Packages that may be used, at one version only, whatever `multipleVersions` says. */
    readonly denyMultipleVersions?: readonly SpecEntry[];
    readonly allow: readonly SpecEntry[];
    readonly allowWorkspace: boolean;
    readonly skip: readonly SpecEntry[];
    readonly skipTree: readonly SkipTreeEntry[];
    /** Level for a package with install scripts that deno.json's `allowScripts` does not name. */
    readonly installScripts: LintLevel;
    /** Packages that may have install scripts (cargo-deny: `allow-build-scripts`). */
    readonly allowBuildScripts: readonly SpecEntry[];
    readonly ignore: readonly IgnoreEntry[];
    readonly unusedSkip: LintLevel;
  };
  readonly sources: {
    readonly unknownRegistry: LintLevel;
    readonly unknownGit: LintLevel;
    /** Level for a host of https imports that `allow-host` does not name. */
    readonly unknownHost: LintLevel;
    /** Level for an https import whose address names no version or commit. */
    readonly unpinned: LintLevel;
    /** Level for a package that the code imports though no configuration declares it. */
    readonly undeclared: LintLevel;
    /**
     * Addresses, or the words `npm` and `jsr` for the default registries. Empty when the policy does
     * not say: then the default registries are allowed. The one word `none` stands for a list that
     * was written and is empty, which allows no registry.
     */
    readonly allowRegistry: readonly PositionedText[];
    /** Scopes such as `@std`; when it is not empty, every other scope is refused. */
    readonly allowScope: readonly PositionedText[];
    readonly allowHost: readonly PositionedText[];
    readonly allowGit: readonly PositionedText[];
    readonly allowOrg: {
      readonly github: readonly PositionedText[];
      readonly gitlab: readonly PositionedText[];
      readonly bitbucket: readonly PositionedText[];
    };
    /** Address prefixes whose repositories are allowed. */
    readonly private?: readonly PositionedText[];
    /** How precisely an address of a git host must name what it wants. @default {"any"} */
    readonly requiredGitSpec?: GitSpec;
    readonly tarball: LintLevel;
    readonly ignore: readonly IgnoreEntry[];
    readonly unusedAllowedSource: LintLevel;
    readonly unusedAllowedOrg: LintLevel;
  };
  readonly integrity: {
    readonly missingHash: LintLevel;
    readonly drift: LintLevel;
    readonly frozen: LintLevel;
    readonly missingLock: LintLevel;
    readonly minimumDependencyAge: LintLevel;
    readonly typosquat: LintLevel;
    readonly unknownField: LintLevel;
    readonly allowTyposquat: readonly SpecEntry[];
    readonly ignore: readonly IgnoreEntry[];
  };
  /** Baseline file relative to the project, when the policy names one. */
  readonly baseline?: string;
  /** What parsing had to say: earlier forms of keys, expired ignores. */
  readonly notes: readonly PolicyNote[];
}
