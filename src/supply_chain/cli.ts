import { parseArgs } from "node:util";
import { resolve } from "@std/path/resolve";
import { SecurityError } from "../errors.ts";
import { HELP } from "./_help.ts";
import { didYouMean } from "./_nearest.ts";
import { printable } from "./_text.ts";
import { VERSION } from "./_version.ts";
import type { DownloadProgress } from "./advisories/fetch_db.ts";
import { type AuditOptions, type AuditResult, BASELINE_FILE, runAudit } from "./audit.ts";
import { OUTPUT_FORMATS, type OutputFormat, parseFormat } from "./output/format.ts";
import type { WhyRow } from "./output/why.ts";
import { parsePackageSpec, specMatches } from "./policy/package_spec.ts";
import { type Check, CHECKS } from "./report.ts";

/** Where a command writes to and what it knows of its surroundings. */
export interface CliContext {
  /** Standard output. */
  readonly out: (text: string) => void;
  /** Standard error. */
  readonly error: (text: string) => void;
  /** Whether standard output may be coloured. @default {false} */
  readonly color?: boolean;
  /** Columns of the terminal. @default {100} */
  readonly width?: number;
  /** Whether progress may be drawn on standard error. @default {false} */
  readonly progress?: boolean;
  /** Options that no flag sets: the clock, `fetch`, the environment. */
  readonly audit?: Pick<AuditOptions, "now" | "fetch" | "env" | "signal">;
}

const COMMANDS = ["check", "why", "list", "fetch", "init", "baseline", "explain"] as const;

const OPTIONS = {
  project: { type: "string" },
  lock: { type: "string" },
  config: { type: "string" },
  db: { type: "string" },
  offline: { type: "boolean" },
  "require-complete": { type: "boolean" },
  format: { type: "string" },
  output: { type: "string", multiple: true },
  verbose: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "V" },
} as const;

/**
 * Runs the command line of the auditor.
 *
 * @param args Arguments without the name of the program.
 * @returns The exit code: 0 clean, 1 findings at error level, 2 could not run, 3 incomplete.
 */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  try {
    return await run(args, context);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      context.error(`error[permission]: ${printable(error.message)}\n`);
      return 2;
    }
    if (!(error instanceof SecurityError)) {
      // A fault of ours: the stack helps to mend it, and the exit code must not look like a verdict.
      const text = error instanceof Error ? error.stack ?? error.message : String(error);
      context.error(`error: ${text.split("\n").map((line) => printable(line)).join("\n")}\n`);
      return 2;
    }
    const hint = error.code === "usage" ? "\n`audit --help` lists commands and options." : "";
    context.error(`error[${error.code}]: ${error.message}${hint}\n`);
    return 2;
  }
}

async function run(args: readonly string[], context: CliContext): Promise<number> {
  const { values, positionals } = parse(args);
  if (values.help) {
    context.out(HELP);
    return 0;
  }
  if (values.version) {
    context.out(`${VERSION}\n`);
    return 0;
  }
  const { command, operands } = split(positionals);
  const one = (what: string): string => {
    if (operands.length === 1) return operands[0]!;
    throw usage(`${command} takes ${what}, and ${operands.length} arguments were given`);
  };
  const options: AuditOptions = {
    ...context.audit,
    ...(values.project !== undefined && { project: values.project }),
    ...(values.lock !== undefined && { lock: values.lock }),
    ...(values.config !== undefined && { config: values.config }),
    ...(values.db !== undefined && { db: values.db }),
    offline: values.offline ?? false,
    requireComplete: values["require-complete"] ?? false,
  };
  if (command !== "check" && command !== "why" && command !== "explain" && operands.length > 0) {
    throw usage(`${command} takes no arguments`);
  }
  switch (command) {
    case "explain": {
      const { explainCode } = await import("./codes.ts");
      context.out(explainCode(one("the code of a finding")));
      return 0;
    }
    case "why":
      return await why(one("the name of a package"), options, values.format, context);
    case "list":
      return await list(options, values.format, context);
    case "fetch":
      return await fetchCommand(options, context);
    case "init":
      return await init(options, context);
    case "baseline":
      return await baseline(options, context);
    case "check": {
      const checks = operands.length === 0 ? CHECKS : operands.map(parseCheck);
      return await check({ ...options, checks }, values, context);
    }
  }
}

function usage(message: string): SecurityError {
  return new SecurityError("usage", message);
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true, strict: true });
  } catch (error) {
    const message = printable((error as Error).message.split(/\.(?:\s|$)/, 1)[0]!);
    const unknown = message.match(/^Unknown option '(--[^']*)'/)?.[1];
    const names = Object.keys(OPTIONS).map((name) => `--${name}`);
    throw usage(message + (unknown === undefined ? "" : didYouMean(unknown, names)));
  }
}

type Command = (typeof COMMANDS)[number];

/** Splits the command from its operands; `check` may be left out. */
function split(positionals: readonly string[]): { command: Command; operands: readonly string[] } {
  const [first, ...rest] = positionals;
  const command = COMMANDS.find((name) => name === first);
  if (command !== undefined) return { command, operands: rest };
  return { command: "check", operands: positionals };
}

function parseCheck(name: string): Check {
  const check = CHECKS.find((known) => known === name);
  if (check !== undefined) return check;
  const near = didYouMean(name, [...CHECKS, ...COMMANDS]);
  throw usage(`"${printable(name, 60)}" is neither a command nor a check${near}`);
}

async function check(
  options: AuditOptions,
  values: { readonly format?: string; readonly output?: string[]; readonly verbose?: boolean },
  context: CliContext,
): Promise<number> {
  // Everything that can be wrong with the arguments is said before the work begins.
  const format = parseFormat(values.format ?? "human");
  const outputs = (values.output ?? []).map((text) => {
    const at = text.indexOf("=");
    if (at > 0 && at < text.length - 1) {
      return { format: parseFormat(text.slice(0, at)), path: text.slice(at + 1) };
    }
    throw usage(`--output takes FORMAT=FILE, with one of ${OUTPUT_FORMATS.join(", ")}`);
  });
  const result = await runAudit(options);
  const verbose = values.verbose ?? false;
  for (const { format, path } of outputs) {
    await write(path, await render(format, result, { ...context, color: false, verbose }));
  }
  context.out(await render(format, result, { ...context, verbose }));
  return result.report.exitCode;
}

/** Each format is loaded when it is asked for: that is a good part of a short run. */
async function render(
  format: OutputFormat,
  { report, graph, licenses, lock }: AuditResult,
  context: CliContext & { readonly verbose: boolean },
): Promise<string> {
  switch (format) {
    case "human": {
      const { formatHuman } = await import("./output/human.ts");
      return formatHuman(report, {
        color: context.color ?? false,
        verbose: context.verbose,
        ...(context.width !== undefined && { width: context.width }),
      });
    }
    case "json": {
      const { formatJson } = await import("./output/json.ts");
      return formatJson(report);
    }
    case "sarif": {
      const { formatSarif } = await import("./output/sarif.ts");
      const { findCode } = await import("./codes.ts");
      return formatSarif(report, {
        version: VERSION,
        explain: (code) => {
          const { meaning = code, help = "" } = findCode(code) ?? {};
          return { short: code.replaceAll("-", " "), full: meaning, help };
        },
      });
    }
    case "cyclonedx": {
      const { formatCycloneDx } = await import("./output/cyclonedx.ts");
      const integrity = new Map(
        graph.packages.flatMap((node) => {
          const [section, key] = node.lockKey ?? [];
          const hash = section === "npm"
            ? lock?.npm.get(key!)?.integrity
            : section === "jsr"
            ? lock?.jsr.get(key!)?.integrity
            : undefined;
          return hash === undefined ? [] : [[node, hash] as const];
        }),
      );
      return formatCycloneDx({
        ...{ report, graph, integrity, version: VERSION },
        licenses: new Map(
          [...licenses].flatMap(([node, { expression }]) =>
            expression === undefined ? [] : [[node, expression] as const]
          ),
        ),
        now: context.audit?.now ?? new Date(),
      });
    }
  }
}

async function write(path: string, text: string): Promise<void> {
  try {
    await Deno.writeTextFile(path, text);
  } catch (cause) {
    throw new SecurityError("output-refused", `cannot write ${printable(path)}`, { cause });
  }
}

/** How many paths `why` prints at most for one package. */
const MAX_PATHS = 100;

/** The format of a command that prints packages, of which SARIF and CycloneDX have no notion. */
function packageFormat(command: string, format: string | undefined): "human" | "json" {
  if (format === undefined || format === "human" || format === "json") return format ?? "human";
  throw usage(`${command} prints human or json`);
}

async function why(
  name: string,
  options: AuditOptions,
  formatName: string | undefined,
  context: CliContext,
): Promise<number> {
  const format = packageFormat("why", formatName);
  let spec;
  try {
    spec = parsePackageSpec(name);
  } catch (error) {
    throw usage((error as Error).message);
  }
  const { graph, paths } = await runAudit({ ...options, checks: [] });
  const nodes = graph.packages.filter((node) => specMatches(spec, node));
  if (nodes.length === 0) {
    const near = didYouMean(name, graph.packages.map((node) => node.name));
    throw usage(`the project does not depend on ${printable(name, 100)}${near}`);
  }
  const { formatWhy, formatWhyJson } = await import("./output/why.ts");
  const rows = nodes.map((node): WhyRow => {
    const { label, dev } = node;
    return { package: label, dev, ...paths.all(node, MAX_PATHS) };
  });
  if (format === "json") {
    context.out(formatWhyJson(rows));
    return 0;
  }
  for (const { package: label, dev, paths, complete } of rows) {
    context.out(`${printable(label)}${dev ? " (development only)" : ""}\n`);
    context.out(formatWhy(paths, context));
    if (!complete) context.out(`  (the first ${paths.length} paths; there may be more)\n`);
  }
  return 0;
}

async function list(
  options: AuditOptions,
  formatName: string | undefined,
  context: CliContext,
): Promise<number> {
  const format = packageFormat("list", formatName);
  const { graph, licenses } = await runAudit({ ...options, checks: ["licenses"] });
  const rows = graph.packages.map((node) => ({
    package: node.label,
    license: licenses.get(node)?.expression ?? null,
  }));
  const { formatList, formatListJson } = await import("./output/list.ts");
  context.out(format === "json" ? formatListJson(rows) : formatList(rows, context));
  return 0;
}

async function fetchCommand(options: AuditOptions, context: CliContext): Promise<number> {
  const { DEFAULT_DB_URLS, defaultDbPath, fetchDatabase } = await import(
    "./advisories/fetch_db.ts"
  );
  const { policy } = await runAudit({ ...options, checks: [] }).catch((error) => {
    // The database is the same for every project; fetching it needs none.
    if (error instanceof SecurityError && error.code === "project-unreadable") {
      return { policy: null };
    }
    throw error;
  });
  const folder = options.db ?? policy?.advisories.dbPath ??
    defaultDbPath(options.env ?? Deno.env.get);
  if (folder === undefined) throw usage("there is no cache folder: name one with --db DIR");
  const configured = policy?.advisories.dbUrls ?? [];
  const urls = configured.length > 0 ? configured : DEFAULT_DB_URLS;
  const source = await fetchDatabase({
    folder: resolve(folder),
    urls,
    ...(options.fetch && { fetch: options.fetch }),
    ...(options.signal && { signal: options.signal }),
    ...(context.progress && { onProgress: progressBar(context) }),
  });
  if (context.progress) context.error("\r\x1b[K");
  context.out(`stored ${source.description}\n`);
  return 0;
}

/** Draws how much has been downloaded, over the line before. */
function progressBar(context: CliContext): (progress: DownloadProgress) => void {
  const mebibytes = (bytes: number) => (bytes / 1024 / 1024).toFixed(1);
  const width = 30;
  let drawn = "";
  return ({ received, total }) => {
    const filled = total ? Math.min(width, Math.floor(width * received / total)) : 0;
    const bar = total ? `[${"#".repeat(filled)}${" ".repeat(width - filled)}] ` : "";
    const of = total ? ` of ${mebibytes(total)}` : "";
    const line = `\r${bar}${mebibytes(received)}${of} MiB`;
    // A chunk arrives every few milliseconds; only what looks different is drawn.
    if (line !== drawn) context.error(drawn = line);
  };
}

async function init(options: AuditOptions, context: CliContext): Promise<number> {
  const { AUDIT_TASK, initProject } = await import("./init.ts");
  const { initFacts } = await import("./_init_facts.ts");
  const result = await runAudit({ ...options, checks: ["licenses"] });
  const { policy, config, hasTask } = await initProject({
    root: result.project.root,
    facts: initFacts(result),
  });
  context.out(policy ? `wrote ${policy.path}\n` : "deny.toml exists already and stays as it is\n");
  if (config !== null) context.out(`added the task "audit" to ${config.path}\n`);
  if (!hasTask) context.out("there is no deno.json to add the task to\n");
  context.out(`Next: ${hasTask ? "deno task audit" : AUDIT_TASK}\n`);
  return 0;
}

async function baseline(options: AuditOptions, context: CliContext): Promise<number> {
  const { report, project, policy } = await runAudit({ ...options, ignoreBaseline: true });
  const mustBeComplete = policy.advisories.incomplete === "deny" || options.requireComplete;
  if (report.incomplete.length > 0 && mustBeComplete) {
    // What was not looked at would seem accepted, and pass as new the day it is. The exit code does
    // not tell: with an error among the findings it is 1.
    context.error("the audit is incomplete; the baseline was not written\n");
    return 3;
  }
  const { saveBaseline, writeBaseline } = await import("./baseline.ts");
  const path = policy.baseline ?? BASELINE_FILE;
  await saveBaseline(project.root, path, writeBaseline(report));
  const { error, warning } = report.summary;
  context.out(
    `wrote ${printable(path)}: ${error} errors and ${warning} warnings are accepted from now on\n`,
  );
  return 0;
}
