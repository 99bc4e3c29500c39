/**
 * The shape of an audit report: what other programs read.
 *
 * @module
 */

/** One of the five checks. */
export type Check = "advisories" | "licenses" | "bans" | "sources" | "integrity";

/** All checks, in the order in which they are reported. */
export const CHECKS: readonly Check[] = ["advisories", "licenses", "bans", "sources", "integrity"];

/** How bad a finding is: an `error` fails the audit, a `warning` and a `note` do not. */
export type Severity = "error" | "warning" | "note";

/** Where a package comes from. `workspace` is a member of the project itself. */
export type Ecosystem = "npm" | "jsr" | "https" | "link" | "workspace";

/**
 * The package that a finding is about. An advisory is about the package of npm, also where a CDN serves
 * it; the path then ends with the CDN's address.
 */
export interface FindingPackage {
  /** Where the package comes from. */
  readonly ecosystem: Ecosystem;
  /** Name as in the lockfile, such as `lodash`, `@std/path` or `deno.land/x/oak`. */
  readonly name: string;
  /** Exact version, or an empty string where there is none. */
  readonly version: string;
}

/** The advisory behind a finding. */
export interface FindingAdvisory {
  /** Identifier of the record, such as `GHSA-35jh-r3h4-6jhm`. */
  readonly id: string;
  /** Other identifiers that the record lists. They are shown, and never used to merge findings. */
  readonly aliases: readonly string[];
  /** One line that says what the advisory is about. */
  readonly summary: string;
  /** Where to read more. */
  readonly url: string;
  /** The highest CVSS score that the record carries; absent when it carries none. */
  readonly cvss?: {
    /** Version of the scoring system: `2.0`, `3.0`, `3.1` or `4.0`. */
    readonly version: string;
    /** Base score, 0 to 10. */
    readonly score: number;
    /** The vector that the score was computed from. */
    readonly vector: string;
  };
  /** Versions in which it is fixed, for this package, in ascending order. */
  readonly fixed: readonly string[];
}

/** A place in a file of the project. */
export interface FindingLocation {
  /** Path relative to the project, with `/`. */
  readonly file: string;
  /** Line, from 1. */
  readonly line: number;
  /** Column, from 1. */
  readonly column: number;
}

/** Something that the audit found. */
export interface Finding {
  /** The check that found it. */
  readonly check: Check;
  /** Kebab-case kind; `audit explain CODE` tells what it means. */
  readonly code: string;
  /** How bad it is under the policy. */
  readonly severity: Severity;
  /** One sentence. */
  readonly message: string;
  /** The package it is about; absent when it is about the project. */
  readonly package?: FindingPackage;
  /** The advisory behind it. */
  readonly advisory?: FindingAdvisory;
  /** Shortest inclusion path or paths, from a file of the project to the package. */
  readonly why: readonly (readonly string[])[];
  /** Where to look. */
  readonly location?: FindingLocation;
  /** What to do about it. */
  readonly help: string;
}

/** How much of one ecosystem was looked at. */
export interface CoverageRow {
  /** Entries of the lockfile; for `https`, groups of files that belong together. */
  readonly found: number;
  /**
   * Those of them that were judged. A package that no source of advisories covers is not; one whose
   * licence nobody states is, with the finding `unlicensed`.
   */
  readonly checked: number;
  /** Why the others could not be judged. */
  readonly unchecked: readonly { readonly reason: string; readonly packages: number }[];
}

/** Coverage of one `https` row. */
export interface HttpsCoverageRow extends CoverageRow {
  /** Remote files in the lockfile, all of them in one of the groups. */
  readonly files: number;
}

/** How much of the project was looked at. */
export interface Coverage {
  /** Packages of the npm registry. */
  readonly npm: CoverageRow;
  /** Packages of JSR. */
  readonly jsr: CoverageRow;
  /** Groups of remote modules. */
  readonly https: HttpsCoverageRow;
  /** Local folders that stand in for packages. */
  readonly link: CoverageRow;
}

/** Something that could not be checked. */
export interface Incomplete {
  /** The check that could not be done. */
  readonly check: Check;
  /** Why not. */
  readonly reason: string;
  /** How many packages it concerns. */
  readonly packages: number;
}

/** `0` clean, `1` findings at error level, `2` the audit could not run, `3` incomplete. */
export type ExitCode = 0 | 1 | 2 | 3;

/** The result of an audit. */
export interface AuditReport {
  /** Version of this shape. */
  readonly version: 1;
  /** Name of the project, from its configuration, else of its folder. */
  readonly project: string;
  /** The lockfile that was read, or `null` when there is none. */
  readonly lockfile: { readonly path: string; readonly version: string } | null;
  /** Path of the policy, or `null` when the built-in one applied. */
  readonly policy: string | null;
  /** The checks that were asked for. */
  readonly checks: readonly Check[];
  /** Where advisories came from: a description and, where known, the date of the data. */
  readonly advisorySource: { readonly description: string; readonly modified?: string } | null;
  /** How much was looked at. */
  readonly coverage: Coverage;
  /** What was found, errors first. */
  readonly findings: readonly Finding[];
  /** How many findings there are of each severity. */
  readonly summary: { readonly error: number; readonly warning: number; readonly note: number };
  /** What could not be checked. */
  readonly incomplete: readonly Incomplete[];
  /** The exit code of the command. */
  readonly exitCode: ExitCode;
}
