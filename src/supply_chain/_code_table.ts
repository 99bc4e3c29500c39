import type { Severity } from "./report.ts";

/** One code: its severity by default, what it means, and what to do. */
export type Row = readonly [code: string, severity: Severity, meaning: string, help: string];

export const ADVISORIES: readonly Row[] = [
  [
    "vulnerability",
    "error",
    "A published advisory says that this version of the package has a vulnerability.",
    "Update to one of the fixed versions that the finding names. If the code at fault is not " +
    "reached, add the advisory to advisories.ignore with the reason and a date.",
  ],
  [
    "malicious",
    "error",
    "An advisory says that this version was published to do harm, such as stealing tokens when it " +
    "is installed. It is an error under every policy, and no baseline hides it.",
    "Remove the package, delete what was installed of it, and replace every secret that the " +
    "machine could reach.",
  ],
  [
    "unmaintained",
    "error",
    "An advisory says that nobody maintains the package any more, so that nobody will fix it.",
    "Move to a maintained package, or set advisories.unmaintained to the scope that matters to you.",
  ],
  [
    "unsound",
    "error",
    "An advisory says that the package can break guarantees of its runtime when it is used in some way.",
    "Update it, or check that you do not use it that way and ignore the advisory with a reason.",
  ],
  [
    "notice",
    "warning",
    "An advisory says something that its users should know and that is no vulnerability.",
    "Read it; ignore the advisory with a reason once that is done.",
  ],
  [
    "deprecated",
    "warning",
    "The publisher has deprecated this version; the registry shows a message to whoever installs it.",
    "Update, or move to what the publisher recommends in the message.",
  ],
  [
    "yanked",
    "warning",
    "The publisher has withdrawn this version from its registry.",
    "Update to a version that is still offered.",
  ],
  [
    "advisory-undecidable",
    "warning",
    "An advisory names the package, but its ranges or the version cannot be compared, so it is not " +
    "known whether it applies. It is a note where the advisory names no version at all, or only commits.",
    "Read the advisory and compare by hand; ignore it with a reason if it does not apply.",
  ],
  [
    "advisory-ignored",
    "note",
    "An advisory applies, and an entry of advisories.ignore accepts that. Malicious packages cannot be " +
    "accepted.",
    "Nothing, as long as the reason in the entry holds.",
  ],
  [
    "advisory-not-detected",
    "warning",
    "An entry of advisories.ignore names an advisory that applies to nothing in the project, or that " +
    "cannot be ignored.",
    "Remove the entry, or correct what it names.",
  ],
  [
    "database-stale",
    "error",
    "The advisory database is older than advisories.maximum-db-staleness, so newer advisories are " +
    "unknown to it. For a database given by --db it is a warning.",
    "Run `audit fetch`, or raise the limit.",
  ],
];

export const LICENSES: readonly Row[] = [
  [
    "rejected",
    "error",
    "The licence of the package is not satisfied by licenses.allow and its exceptions.",
    "Add the licence to licenses.allow, add an exception for this package, or replace the package.",
  ],
  [
    "unlicensed",
    "error",
    "No licence was found: neither a field that names one nor a licence file that was recognised.",
    "Read the package's files and record its licence in licenses.clarify, or replace the package.",
  ],
  [
    "parse-error",
    "error",
    "The package names its licence in a form that is no SPDX expression.",
    "Record what is meant in licenses.clarify. A likely spelling in the message is a guess only.",
  ],
  [
    "low-confidence",
    "warning",
    "A licence file resembles a known licence less than licenses.confidence-threshold asks for.",
    "Read the file and record its licence in licenses.clarify.",
  ],
  [
    "license-not-encountered",
    "warning",
    "licenses.allow lists a licence that no package has.",
    "Remove it from the list, so that the list says what is in use.",
  ],
  [
    "license-exception-not-encountered",
    "warning",
    "An entry of licenses.exceptions matches no package, or is not needed by the one it matches.",
    "Remove the entry.",
  ],
  [
    "license-clarification-not-encountered",
    "warning",
    "An entry of licenses.clarify matches no package.",
    "Remove the entry, or correct what it names.",
  ],
  [
    "missing-clarification-file",
    "warning",
    "licenses.clarify names a licence file that the package does not have, so it was not applied.",
    "Correct the path, or write a new clarification for this version.",
  ],
  [
    "clarification-mismatch",
    "warning",
    "A licence file has changed since its hash was recorded in licenses.clarify, so it was not applied.",
    "Read the new text, then record its hash and what it says.",
  ],
  [
    "skipped-private-workspace-package",
    "note",
    "A member of the workspace is private, and licenses.private.ignore leaves such members out.",
    "Nothing.",
  ],
];

export const BANS: readonly Row[] = [
  [
    "banned",
    "error",
    "bans.deny names the package, and what depends on it is not one of the entry's wrappers.",
    "Remove whatever brings it in; the inclusion path shows what that is.",
  ],
  [
    "not-allowed",
    "error",
    "bans.allow is not empty and does not name the package.",
    "Add it to bans.allow after a look at it, or remove it.",
  ],
  [
    "unmatched-allow",
    "warning",
    "An entry of bans.allow or bans.allow-build-scripts matches no package.",
    "Remove the entry, or correct what it names: it would let in what may bear that name one day.",
  ],
  [
    "duplicate",
    "warning",
    "The project contains several versions of one package.",
    "Update what asks for the older one, or add that one to bans.skip with the reason.",
  ],
  [
    "wildcard",
    "warning",
    "A dependency is declared with no bound on its version, so any release may be taken.",
    "Declare a range such as ^1.2.",
  ],
  [
    "unmatched-skip",
    "warning",
    "An entry of bans.skip matches no package.",
    "Remove the entry.",
  ],
  [
    "unnecessary-skip",
    "warning",
    "An entry of bans.skip matches a package of which there is only one version.",
    "Remove the entry.",
  ],
  [
    "unmatched-skip-root",
    "warning",
    "An entry of bans.skip-tree matches no package.",
    "Remove the entry.",
  ],
  [
    "unmatched-wrapper",
    "warning",
    "A wrapper of an entry of bans.deny is not part of the project.",
    "Remove the wrapper from the entry.",
  ],
  [
    "unused-wrapper",
    "warning",
    "A wrapper of an entry of bans.deny does not depend on the banned package.",
    "Remove the wrapper from the entry.",
  ],
  [
    "allowed-by-wrapper",
    "note",
    "A banned package is accepted where one of the entry's wrappers depends on it.",
    "Nothing.",
  ],
  [
    "install-script-not-allowed",
    "warning",
    "The package has install scripts, and neither deno.json's allowScripts nor " +
    "bans.allow-build-scripts names it; or an entry of allowScripts names no package. `true` names " +
    "none, and an entry may leave out npm:.",
    "Read what the scripts do; allow the package in deno.json if it needs them, or replace it.",
  ],
];

export const SOURCES: readonly Row[] = [
  [
    "source-not-allowed",
    "warning",
    "The package comes from a registry or repository that the policy does not allow.",
    "Add it to sources.allow-registry, allow-git or allow-org, or get the package elsewhere.",
  ],
  [
    "scope-not-allowed",
    "warning",
    "sources.allow-scope is not empty and does not list the package's scope.",
    "Add the scope to sources.allow-scope, or remove the package.",
  ],
  [
    "host-not-allowed",
    "warning",
    "The code imports modules over https from a host that sources.allow-host does not list.",
    "Add the host to sources.allow-host, or import the module from a registry.",
  ],
  [
    "insecure-import",
    "error",
    "The code imports a module over http, so anybody on the way can put another in its place.",
    "Import it over https.",
  ],
  [
    "git-source-underspecified",
    "error",
    "The address of a git host names its content less precisely than sources.required-git-spec asks.",
    "Put the full commit into the address.",
  ],
  [
    "tarball-url",
    "warning",
    "The lockfile takes the package from a tarball outside the registry's own layout.",
    "Make sure that you know the address; depend on the released version if there is one.",
  ],
  [
    "unpinned-import",
    "warning",
    "The address of a remote module names no version or commit, so that its content may change.",
    "Put an exact version into the address.",
  ],
  [
    "undeclared-import",
    "warning",
    "The code imports a package that no configuration declares, so that its version is decided in " +
    "the source file.",
    "Declare it in the imports of deno.json and import it by that name.",
  ],
  [
    "unmatched-source",
    "warning",
    "A source that the policy allows is used by nothing.",
    "Remove it from the list.",
  ],
  [
    "unmatched-organization",
    "warning",
    "An organisation of sources.allow-org is used by nothing.",
    "Remove it from the list.",
  ],
];

export const INTEGRITY: readonly Row[] = [
  [
    "missing-lockfile",
    "error",
    "There is no deno.lock, so nobody can say which versions run and whether they were changed.",
    "Run `deno install` and commit deno.lock.",
  ],
  [
    "missing-integrity",
    "error",
    "An entry of the lockfile carries no hash, so that a changed package would not be noticed.",
    "Delete the entry and run `deno install`.",
  ],
  [
    "weak-integrity",
    "error",
    "An entry of the lockfile carries a hash that can be forged, such as SHA-1.",
    "Delete the entry and run `deno install`.",
  ],
  [
    "lockfile-drift",
    "warning",
    "The lockfile does not match what the configuration declares, so what was audited is not what " +
    "the next run will use.",
    "Run `deno install` and commit deno.lock.",
  ],
  [
    "lockfile-not-frozen",
    "warning",
    "Nothing stops a run from changing deno.lock.",
    'Set "lock": { "frozen": true } in deno.json.',
  ],
  [
    "minimum-dependency-age",
    "warning",
    "The configuration lets very new releases in, which is when a hijacked package does its harm.",
    "Set minimumDependencyAge in deno.json to some days, and keep its exclusions few.",
  ],
  [
    "typosquat",
    "warning",
    "The name is one edit away from that of a far more popular package, as a mistyped or planted " +
    "dependency would be.",
    "Make sure that the package is the one you mean; if so, add it to integrity.allow-typosquat.",
  ],
  [
    "unknown-lockfile-field",
    "warning",
    "The lockfile has a field that this release does not know, so that it may mean something that " +
    "was not checked.",
    "Update the auditor.",
  ],
  [
    "malformed-entry",
    "error",
    "A name or version in the lockfile is one that its registry could not have, such as v1.0.0 or " +
    "%65vil. Deno takes it for a package that other readers of the file do not see there.",
    "Delete the entry and run `deno install`; find out how it came there.",
  ],
  [
    "duplicate-key",
    "error",
    "A key stands twice in one object of a file. Which of them counts depends on the reader, so that " +
    "one tool can be shown another package than the next.",
    "Remove one of them; find out how it came there.",
  ],
];

export const EVERYWHERE: readonly Row[] = [
  [
    "ignore-expired",
    "error",
    "The last day of an ignore entry has passed, and it ignores nothing any more.",
    "Fix what it ignores, or give it a new date and a reason that still holds.",
  ],
  [
    "unused-ignore",
    "warning",
    "An ignore entry matches nothing.",
    "Remove the entry, or correct what it names.",
  ],
  [
    "legacy-key",
    "note",
    "The policy uses a key of an earlier form, which still works.",
    "Write today's form, which the finding names.",
  ],
  [
    "key-not-applicable",
    "note",
    "The policy uses a key of cargo-deny that means nothing in a Deno project.",
    "Remove it.",
  ],
  [
    "baseline-unused",
    "note",
    "The baseline lists a finding that no longer occurs.",
    "Run `audit baseline` again, so that the finding would be new if it came back.",
  ],
];
