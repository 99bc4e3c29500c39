import { isAbsolute } from "@std/path/is-absolute";
import { join } from "@std/path/join";
import { relative } from "@std/path/relative";
import { resolve } from "@std/path/resolve";
import { SecurityError } from "../errors.ts";
import type { CheckContext } from "./_check.ts";
import { denoFolder, readVariable } from "./_environment.ts";
import { makeReport } from "./_make_report.ts";
import { printable, readText } from "./_text.ts";
import { hasStoredDatabase, openAdvisoryDb } from "./advisories/advisory_db.ts";
import type { AdvisorySource } from "./advisories/advisory_source.ts";
import { checkAdvisories } from "./advisories/check_advisories.ts";
import { defaultDbPath } from "./advisories/fetch_db.ts";
import { osvApi } from "./advisories/osv_api.ts";
import { applyBaseline, MAX_BASELINE_LENGTH } from "./baseline.ts";
import { checkBans } from "./checks/bans.ts";
import { checkIntegrity } from "./checks/integrity.ts";
import { checkSources } from "./checks/sources.ts";
import { checkLicenses, type LicenseFact } from "./licenses/check_licenses.ts";
import { builtInPolicy, MAX_POLICY_LENGTH, parsePolicy } from "./policy/policy_file.ts";
import { specMatches } from "./policy/package_spec.ts";
import type { Policy } from "./policy/policy.ts";
import { buildGraph } from "./project/build_graph.ts";
import type { BuiltGraph, PackageGraph, PackageNode } from "./project/graph.ts";
import { type Lockfile, MAX_LOCKFILE_BYTES, parseLockfile } from "./project/lockfile.ts";
import { PathFinder } from "./project/paths.ts";
import { parseRequest } from "./project/specifier.ts";
import { developmentAliases, shippedSpecifiers } from "./project/development.ts";
import type { Project } from "./project/project.ts";
import { readProject } from "./project/read_project.ts";
import { readSources, type Sources } from "./project/source_imports.ts";
import { type AuditReport, type Check, CHECKS, type Finding, type Incomplete } from "./report.ts";

/** Options of {@linkcode audit}. */
export interface AuditOptions {
  /** Folder of the project. @default {"."} */
  readonly project?: string;
  /** Lockfile, relative to the working directory. @default {the one that deno.json names, else deno.lock} */
  readonly lock?: string;
  /** Policy, relative to the working directory. @default {deny.toml of the project, else the built-in one} */
  readonly config?: string;
  /** Folder or zip archive of OSV records. @default {the stored database, else the OSV service} */
  readonly db?: string;
  /** Ask no network. @default {false} */
  readonly offline?: boolean;
  /** What to check. @default {all five} */
  readonly checks?: readonly Check[];
  /** End with exit code 3 when the report has something incomplete, whatever the policy says. @default {false} */
  readonly requireComplete?: boolean;
  /** The moment that expiry dates are compared with. @default {new Date()} */
  readonly now?: Date;
  /** Requests to the OSV service. @default {globalThis.fetch} */
  readonly fetch?: typeof globalThis.fetch;
  /** Reads a variable of the environment. @default {Deno.env.get, where it is permitted} */
  readonly env?: (name: string) => string | undefined;
  /** Ends the audit early. */
  readonly signal?: AbortSignal;
}

/** Where `audit baseline` writes to when the policy names no other file. */
export const BASELINE_FILE = "deny.baseline.json";

/** Options that only the commands use. */
export interface RunAuditOptions extends AuditOptions {
  /** Report findings as if there were no baseline. @default {false} */
  readonly ignoreBaseline?: boolean;
}

/** An audit with what only the commands and the CycloneDX document need. */
export interface AuditResult {
  readonly report: AuditReport;
  readonly project: Project;
  readonly lock: Lockfile | null;
  readonly graph: PackageGraph;
  readonly paths: PathFinder;
  readonly policy: Policy;
  /** What is known about each package's licence; empty unless licences were checked. */
  readonly licenses: ReadonlyMap<PackageNode, LicenseFact>;
}

/**
 * Audits the dependencies of a Deno project: advisories, licences, bans, sources and integrity.
 *
 * Requires `--allow-read` for the project and, for licences, Deno's cache; `--allow-net=api.osv.dev`
 * when no local database is given. Without the network permission, advisories are reported as not
 * checked. Nothing is written.
 *
 * @returns The report; findings are data, and never thrown.
 * @throws {SecurityError} If the audit cannot run: no project, an unreadable lockfile, an invalid
 * policy or a damaged database.
 *
 * @example Fail a script on findings at error level
 * ```ts no-eval
 * import { audit } from "@bartizan/security/audit";
 *
 * const report = await audit({ project: ".", checks: ["bans", "sources"] });
 * for (const { code, message } of report.findings) console.log(code, message);
 * if (report.exitCode !== 0) throw new Error("the audit failed");
 * ```
 */
export async function audit(options: AuditOptions = {}): Promise<AuditReport> {
  return (await runAudit(options)).report;
}

/** Runs an audit and keeps what it was made from. */
export async function runAudit(options: RunAuditOptions = {}): Promise<AuditResult> {
  const env = options.env ?? readVariable;
  const now = options.now ?? new Date();
  const checks = CHECKS.filter((check) => options.checks?.includes(check) ?? true);
  const home = env("HOME") ?? env("USERPROFILE");
  const project = await readProject(options.project ?? ".", home === undefined ? {} : { home });
  const policy = await readPolicy(project.root, options.config);
  const lockPath = lockPathOf(project, options.lock);
  const lock = readLock(project.root, lockPath);
  if (lock === null && options.lock !== undefined) {
    throw new SecurityError(
      "lockfile-unreadable",
      `there is no lockfile ${printable(options.lock)}`,
    );
  }
  if (lock === null && project.configs.length === 0) {
    throw new SecurityError(
      "project-unreadable",
      "no Deno project here: neither deno.json, deno.jsonc, package.json nor a lockfile",
    );
  }
  const needsImports = policy.graph.devPaths.length > 0 || policy.graph.excludeDev ||
    (checks.includes("sources") && policy.sources.undeclared !== "allow");
  const { devPaths } = policy.graph;
  const aliases = project.configs.flatMap(({ dependencies }) =>
    dependencies.map(({ alias }) => alias)
  );
  const sources = needsImports ? readSources(project.root, { aliases }) : NO_SOURCES;
  const built = buildGraph(project, lock, {
    developmentAliases: developmentAliases(sources, devPaths, aliases),
    shippedSpecifiers: shippedSpecifiers(sources, devPaths),
  });
  const graph = withoutExcluded(built, policy);
  const paths = new PathFinder(built);
  const context: CheckContext = {
    project,
    graph,
    policy,
    now,
    ...(options.signal && { signal: options.signal }),
    locate: (node) => node.lockKey && lock?.locate(...node.lockKey),
    why: (node) => [paths.shortest(node)],
    isDirect: (node) => node.dependents.some(({ kind }) => kind === "config"),
    isOnlyThrough: (node, label) => paths.isOnlyThrough(node, label),
  };

  const parts: (readonly Finding[])[] = [];
  const incomplete: Incomplete[] = [];
  const unchecked = new Map<PackageNode, string>();
  let licenses: ReadonlyMap<PackageNode, LicenseFact> = new Map();
  let source: AdvisorySource | null = null;
  if (checks.includes("advisories")) {
    const opened = await openSource(options, policy, env);
    source = opened.source;
    const result = await checkAdvisories(context, { ...opened, denoDir: denoFolder(env) });
    parts.push(result.findings);
    incomplete.push(...result.incomplete, ...unknownVersions(project, lock, built));
    for (const [node, reason] of result.unchecked) unchecked.set(node, reason);
  }
  if (checks.includes("integrity")) {
    // What it declares is not in the graph, so no check has seen it.
    incomplete.push(...project.unread.map((what) => ({
      check: "integrity" as const,
      reason: `${what} was not read`,
      packages: 0,
    })));
  }
  if (checks.includes("licenses")) {
    const result = await checkLicenses(context, { env });
    parts.push(result.findings);
    licenses = result.facts;
  }
  if (checks.includes("bans")) parts.push(checkBans(context, built));
  if (checks.includes("sources")) {
    parts.push(checkSources(context, { ...built, imports: sources.imports }));
  }
  if (checks.includes("integrity")) {
    parts.push(
      checkIntegrity(context, {
        lock,
        lockPath: relative(project.root, lockPath ?? join(project.root, "deno.lock")),
        built,
      }),
    );
  }
  const notes = policy.notes.filter(({ check }) => checks.includes(check));
  parts.push(notes.map(({ file, line, column, ...note }) => ({
    ...note,
    why: [],
    location: { file, line, column },
  })));
  const findings = parts.flat();
  const report = makeReport({
    ...{ project, lock, policy, checks, source, unchecked, incomplete },
    built,
    graph,
    findings: options.ignoreBaseline ? findings : withBaseline(findings, project, policy, checks),
    requireComplete: options.requireComplete ?? false,
  });
  return { report, project, lock, graph, paths, policy, licenses };
}

async function readPolicy(root: string, config: string | undefined): Promise<Policy> {
  const path = config === undefined ? join(root, "deny.toml") : resolve(config);
  const name = (path: string) => {
    const inside = relative(root, path).replaceAll("\\", "/");
    return inside.startsWith("../") || isAbsolute(inside) ? path.replaceAll("\\", "/") : inside;
  };
  const read = (path: string) =>
    readText(path, { maxBytes: 4 * MAX_POLICY_LENGTH, code: "policy-invalid", name: name(path) });
  const text = read(path);
  if (text === undefined && config === undefined) return await builtInPolicy();
  if (text === undefined) {
    throw new SecurityError("policy-invalid", `there is no policy ${printable(config!)}`);
  }
  return await parsePolicy(text, {
    path: name(path),
    resolve: (path) => {
      const text = read(resolve(root, path));
      if (text !== undefined) return Promise.resolve(text);
      throw new SecurityError("policy-invalid", `there is no policy ${printable(path)}`);
    },
  });
}

/** The lockfile's path, or `null` where deno.json turns it off. */
function lockPathOf(project: Project, option: string | undefined): string | null {
  if (option !== undefined) return resolve(option);
  const config = project.configs.find(({ member, kind }) => member === "" && kind === "deno");
  const field = config?.value["lock"];
  if (field === false) return null;
  const named = typeof field === "object" && field !== null
    ? (field as Readonly<Record<string, unknown>>)["path"]
    : field;
  return resolve(project.root, typeof named === "string" ? named : "deno.lock");
}

function readLock(root: string, path: string | null): Lockfile | null {
  if (path === null) return null;
  const inside = relative(root, path).replaceAll("\\", "/");
  const name = printable(inside.startsWith("../") || isAbsolute(inside) ? path : inside);
  const text = readText(path, {
    maxBytes: MAX_LOCKFILE_BYTES,
    code: "lockfile-unreadable",
    name,
  });
  return text === undefined ? null : parseLockfile(text, name);
}

const NO_SOURCES: Sources = { imports: [], files: [], unread: [] };

/** The graph without what the policy leaves out, and without what only that needs. */
function withoutExcluded(graph: BuiltGraph, policy: Policy): PackageGraph {
  const { exclude, excludeDev } = policy.graph;
  if (exclude.length === 0 && !excludeDev) return graph;
  const isExcluded = (node: PackageNode) =>
    (excludeDev && node.dev) || exclude.some(({ spec }) => specMatches(spec, node));
  const kept = new Set(graph.roots);
  for (const node of kept) {
    for (const next of node.dependencies) if (!isExcluded(next)) kept.add(next);
  }
  return { roots: graph.roots, packages: graph.packages.filter((node) => kept.has(node)) };
}

/** Applies the baseline that the policy names, or the one that `audit baseline` wrote. */
function withBaseline(
  findings: readonly Finding[],
  project: Project,
  policy: Policy,
  checks: readonly Check[],
): readonly Finding[] {
  const path = policy.baseline ?? BASELINE_FILE;
  const text = readText(resolve(project.root, path), {
    maxBytes: MAX_BASELINE_LENGTH,
    code: "policy-invalid",
    name: path,
  });
  if (text !== undefined) return applyBaseline(findings, text, { path, checks });
  if (policy.baseline === undefined) return findings;
  throw new SecurityError("policy-invalid", `there is no baseline ${printable(path)}`);
}

/**
 * npm packages that the project asks for and whose version no lockfile tells, so that no advisory can be
 * compared with it. Where another version of the name is locked, that is what is installed.
 */
function unknownVersions(
  { configs }: Project,
  lock: Lockfile | null,
  { unlocked, missing, packages, linked }: BuiltGraph,
): readonly Incomplete[] {
  const locked = new Set(packages.filter(({ kind }) => kind === "npm").map(({ name }) => name));
  const declared = lock === null
    ? configs.flatMap(({ dependencies }) => dependencies)
    : unlocked.map(({ declared }) => declared);
  // Members of the workspace answer for themselves.
  for (const { value } of configs) if (typeof value["name"] === "string") locked.add(value["name"]);
  const names = new Set<string>();
  for (const { specifier } of declared) {
    const request = parseRequest(specifier);
    if (request?.kind !== "npm" || linked.has(`npm:${request.name}`)) continue;
    if (!locked.has(request.name)) names.add(request.name);
  }
  for (const { to } of missing) names.add(to);
  if (names.size === 0) return [];
  const reason = lock === null
    ? "there is no lockfile, so the versions in use are not known"
    : "the lockfile does not have packages that the project asks for";
  return [{ check: "advisories", reason, packages: names.size }];
}

/** The advisories to use, or why there are none. */
async function openSource(
  options: AuditOptions,
  policy: Policy,
  env: (name: string) => string | undefined,
): Promise<{ readonly source: AdvisorySource | null; readonly sourceError?: string }> {
  if (options.db !== undefined) return { source: await openAdvisoryDb(options.db) };
  const stored = policy.advisories.dbPath ?? defaultDbPath(env);
  if (stored !== undefined && await hasStoredDatabase(stored)) {
    return { source: await openAdvisoryDb(stored) };
  }
  if (!options.offline) return { source: osvApi(options.fetch ? { fetch: options.fetch } : {}) };
  return { source: null, sourceError: "offline, and `audit fetch` has stored no database" };
}
