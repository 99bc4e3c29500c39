import { basename } from "@std/path/basename";
import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { SEPARATOR } from "@std/path/constants";
import { SecurityError } from "../errors.ts";
import { replaceFile } from "./_replace_file.ts";
import { printable } from "./_text.ts";
import { type AuditReport, type Check, CHECKS, type Finding } from "./report.ts";

/** Longer baseline files are refused. */
export const MAX_BASELINE_LENGTH = 50_000_000;

/**
 * What a baseline never hides: malicious code, and what says that the audit itself can no longer be
 * relied on or that an exception has run out.
 */
const NEVER: ReadonlySet<string> = new Set(["malicious", "database-stale", "ignore-expired"]);

/** Findings about the bytes of one release: the next release is a new finding. */
const ABOUT_ONE_RELEASE: ReadonlySet<string> = new Set([
  "missing-integrity",
  "weak-integrity",
  "tarball-url",
  "install-script-not-allowed",
]);

/** One finding that is known, by what stays the same about it from one audit to the next. */
interface Entry {
  readonly check: Check;
  readonly code: string;
  /** Ecosystem and name, such as `npm:lodash`. */
  readonly package?: string;
  /** Only where the finding is about the bytes of one release. */
  readonly version?: string;
  readonly advisory?: string;
  /** What the finding says, where neither a package nor an advisory identifies it. */
  readonly subject?: string;
}

/** Options of {@linkcode applyBaseline}. */
export interface ApplyBaselineOptions {
  /** Path of the baseline relative to the project, for the location of notes. @default {undefined} */
  readonly path?: string;
  /** The checks that ran; entries of others are not called unused. @default {every check} */
  readonly checks?: readonly Check[];
}

/**
 * The text of a baseline: the errors and warnings of a report, so that only new ones fail.
 *
 * A finding is recognised by check, code, package name and advisory, not by version or line: a new
 * version with the same vulnerability is still known, another vulnerability of the same version is
 * new. Findings about the bytes of one release (hashes, tarballs, install scripts) count anew for the
 * next. Malicious packages are left out, as are findings about the audit itself.
 *
 * @param report The findings to accept.
 * @returns JSON that is the same for the same findings in any order.
 */
export function writeBaseline(report: Pick<AuditReport, "findings">): string {
  const entries = new Map<string, Entry>();
  for (const finding of report.findings) {
    if (finding.severity === "note" || NEVER.has(finding.code)) continue;
    const entry = entryOf(finding);
    entries.set(keyOf(entry), entry);
  }
  const findings = [...entries].sort(([a], [b]) => a < b ? -1 : 1).map(([, entry]) => entry);
  return JSON.stringify({ version: 1, findings }, null, 2) + "\n";
}

/**
 * Writes a baseline into the project, and nowhere else.
 *
 * The project may be a stranger's: neither a link in the place of the file nor one among the folders
 * above it may lead the text to a file of the user.
 *
 * Requires `--allow-read` and `--allow-write` for the project.
 *
 * @param root Folder of the project.
 * @param path The baseline relative to it.
 * @throws {SecurityError} `output-refused` when it lies outside of the project, is a symbolic link or
 *   anything else than a file, or cannot be written.
 */
export async function saveBaseline(root: string, path: string, text: string): Promise<void> {
  const refuse = (why: string, cause?: unknown): never => {
    throw new SecurityError("output-refused", `cannot write ${printable(path)}${why}`, { cause });
  };
  try {
    const target = join(root, path);
    const inside = (await Deno.realPath(root)).replace(/[\\/]$/, "") + SEPARATOR;
    const folder = await Deno.realPath(dirname(target));
    if (!`${folder}${SEPARATOR}`.startsWith(inside)) {
      return refuse(": its folder lies outside of the project");
    }
    // In the folder's resolved path no link can be put in its place any more.
    const file = join(folder, basename(target));
    const present = await Deno.lstat(file).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    });
    if (present?.isSymlink) return refuse(": it is a symbolic link");
    if (present !== undefined && !present.isFile) return refuse(": it is no file");
    await replaceFile(file, text);
  } catch (error) {
    const isOurs = error instanceof SecurityError || error instanceof Deno.errors.NotCapable;
    if (isOurs) throw error;
    refuse("", error);
  }
}

/**
 * Turns findings that a baseline knows into notes.
 *
 * @param findings The findings of an audit.
 * @param text Content of a baseline.
 * @returns The findings in the same order, then a `baseline-unused` note for each entry that was not
 *   needed.
 * @throws {SecurityError} `policy-invalid` when the text is no baseline.
 */
export function applyBaseline(
  findings: readonly Finding[],
  text: string,
  options: ApplyBaselineOptions = {},
): readonly Finding[] {
  const name = options.path ?? "baseline";
  const known = new Map(parseBaseline(text, name).map((entry) => [keyOf(entry), entry]));
  const used = new Set<string>();
  const result = findings.map((finding): Finding => {
    const key = keyOf(entryOf(finding));
    if (finding.severity === "note" || NEVER.has(finding.code) || !known.has(key)) return finding;
    used.add(key);
    return { ...finding, severity: "note", message: `${finding.message} (in the baseline)` };
  });
  const checks = options.checks ?? CHECKS;
  for (const [key, entry] of known) {
    if (used.has(key) || !checks.includes(entry.check)) continue;
    result.push(unused(entry, options.path));
  }
  return result;
}

function unused(entry: Entry, path: string | undefined): Finding {
  const { check, code } = entry;
  const about = [entry.package, entry.version, entry.advisory, entry.subject]
    .filter((part) => part !== undefined).join(" ");
  const why = NEVER.has(code) ? "can never be accepted by one" : "does not occur any more";
  return {
    check,
    code: "baseline-unused",
    severity: "note",
    message: printable(`the baseline lists ${code} ${about}`.trimEnd() + `, which ${why}`),
    why: [],
    ...(path !== undefined && { location: { file: path, line: 1, column: 1 } }),
    help: "Run `audit baseline` again.",
  };
}

function entryOf(finding: Finding): Entry {
  const { check, code, package: about, advisory } = finding;
  const isAnonymous = about === undefined && advisory === undefined;
  return {
    check,
    code,
    ...(about && { package: `${about.ecosystem}:${about.name}` }),
    ...(about && ABOUT_ONE_RELEASE.has(code) && { version: about.version }),
    ...(advisory && { advisory: advisory.id }),
    ...(isAnonymous && {
      subject: [finding.location?.file, finding.message].filter(Boolean).join(": "),
    }),
  };
}

/** JSON, so that no character of a name can make two entries alike. */
function keyOf(entry: Entry): string {
  const { check, code, package: about, version, advisory, subject } = entry;
  return JSON.stringify(
    [check, code, about, version, advisory, subject].map((part) => part ?? null),
  );
}

function parseBaseline(text: string, name: string): Entry[] {
  const refuse = (why: string): never => {
    throw new SecurityError("policy-invalid", `${printable(name)}: ${why}`);
  };
  if (text.length > MAX_BASELINE_LENGTH) {
    return refuse(`longer than ${MAX_BASELINE_LENGTH} characters`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse("not valid JSON; write it with `audit baseline`");
  }
  if (!isRecord(value) || value.version !== 1) return refuse('expected "version": 1');
  const { findings } = value;
  if (!Array.isArray(findings)) return refuse('expected a list of "findings"');
  return findings.map((entry: unknown, index) =>
    isEntry(entry) ? entry : refuse(
      `finding ${index + 1} is not an object with "check", "code" and what it is about`,
    )
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isEntry(value: unknown): value is Entry {
  if (!isRecord(value)) return false;
  const known = ["check", "code", "package", "version", "advisory", "subject"];
  const areTexts = Object.entries(value).every(([key, part]) =>
    known.includes(key) && typeof part === "string"
  );
  // An entry that is about nothing would never match, and hide that it was cut short.
  const isAbout = ["package", "advisory", "subject"].some((key) => Object.hasOwn(value, key));
  return areTexts && isAbout && Object.hasOwn(value, "code") &&
    CHECKS.some((check) => check === value.check);
}
