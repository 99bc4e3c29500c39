import {
  createScanner,
  findNodeAtLocation,
  type Node,
  type ParseError,
  parseTree,
} from "jsonc-parser";
import { SecurityError } from "../errors.ts";
import { replaceFile } from "./_replace_file.ts";
import { printable, readText } from "./_text.ts";
import { VERSION } from "./_version.ts";
import {
  formatLicense,
  parseExpression,
  type SpdxExpression,
  type SpdxLicense,
} from "./licenses/spdx.ts";
import { PERMISSIVE_LICENSES } from "./policy/default_policy.ts";

/**
 * The task that `audit init` adds.
 *
 * Flags rather than a permission set: they need one edit of deno.json, work in every release since 2.0,
 * and whoever reads the task sees what it may do. It may write below the project, for `--output` and
 * `baseline`. The version is a range: an unversioned request is what the audit itself warns about.
 */
export const AUDIT_TASK: string = "deno run --allow-read --allow-write=. --allow-env " +
  `--allow-net=api.osv.dev jsr:@bartizan/security@^${VERSION}/audit`;

/** Larger configuration files are refused. */
const MAX_CONFIG_BYTES = 10_000_000;

/** What is known of a project when its policy is first written. */
export interface InitFacts {
  /** SPDX expressions that were found, each with the packages that have it. */
  readonly licenses: ReadonlyMap<string, readonly string[]>;
  /** Packages without a licence that was recognised. */
  readonly unlicensed: readonly string[];
  /** Registries in use: addresses, or `npm` and `jsr` for the default ones. */
  readonly registries: readonly string[];
  /** Addresses of git repositories in use, such as `https://github.com/denoland/std`. */
  readonly repositories: readonly string[];
  /** Hosts of https imports in use, without those of the repositories. */
  readonly hosts: readonly string[];
  /** Scopes in use, such as `@std`. */
  readonly scopes: readonly string[];
}

/** A configuration file of the project. */
export interface InitConfig {
  /** Its name in the project's folder. */
  readonly path: string;
  readonly text: string;
}

/** What `audit init` would write. */
export interface InitPlan {
  /** The new policy. */
  readonly policy: InitConfig;
  /** The changed deno.json, or `null` when there is none or it has a task `audit` already. */
  readonly config: InitConfig | null;
}

/** What `audit init` has written. */
export interface InitResult {
  /** The new policy, or `null` when there was one. */
  readonly policy: InitConfig | null;
  /** The changed deno.json, or `null` when nothing was added to it. */
  readonly config: InitConfig | null;
  /** Whether there is a deno.json or deno.jsonc, which has the task now. */
  readonly hasTask: boolean;
}

/** Options of {@linkcode initProject}. */
export interface InitProjectOptions {
  /** Folder of the project. */
  readonly root: string;
  /** What is known of it. */
  readonly facts: InitFacts;
  /** Writes a file; with `createNew` it must fail when there is one. @default {to disk} */
  readonly write?: (
    path: string,
    text: string,
    options: { readonly createNew: boolean },
  ) => Promise<void>;
}

/**
 * A policy that fits a project, and its deno.json with a task `audit`; nothing is written.
 *
 * @param facts What is known of the project.
 * @param config Its deno.json or deno.jsonc, if it has one.
 * @throws {SecurityError} `project-unreadable` when the task cannot be added to the configuration.
 */
export function planInit(facts: InitFacts, config?: InitConfig): InitPlan {
  const text = config && withAuditTask(config);
  return {
    policy: { path: "deny.toml", text: policyText(facts) },
    config: text === undefined ? null : { path: config!.path, text },
  };
}

/**
 * Writes a deny.toml that fits the project and adds the task `audit` to its deno.json or deno.jsonc.
 *
 * Comments and format of deno.json stay as they are, and so does a task `audit` or a policy that the
 * project has.
 *
 * Requires `--allow-read` and `--allow-write` for the folder of the project.
 *
 * @returns What was written.
 * @throws {SecurityError} `output-refused` when there is a deny.toml and no task to add, or deno.json is
 *   a symbolic link; then nothing is written. `project-unreadable` when deno.json cannot be understood.
 */
export async function initProject(options: InitProjectOptions): Promise<InitResult> {
  const { root, facts, write = writeFile } = options;
  let config: InitConfig | undefined;
  for (const path of ["deno.json", "deno.jsonc"]) {
    const text = readText(`${root}/${path}`, {
      maxBytes: MAX_CONFIG_BYTES,
      code: "project-unreadable",
      name: path,
    });
    if (text === undefined) continue;
    config = { path, text };
    break;
  }
  const plan = planInit(facts, config);
  if (plan.config !== null && (await Deno.lstat(`${root}/${plan.config.path}`)).isSymlink) {
    // The file that it points to may belong to another project.
    throw new SecurityError("output-refused", `${plan.config.path} is a symbolic link`);
  }
  let isNew = true;
  try {
    await write(`${root}/${plan.policy.path}`, plan.policy.text, { createNew: true });
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AlreadyExists)) throw cause;
    if (plan.config === null) {
      throw new SecurityError(
        "output-refused",
        `${plan.policy.path} exists already and is not overwritten; ` +
          (config === undefined
            ? "there is no deno.json to add the task to"
            : `${config.path} has a task audit already`),
        { cause },
      );
    }
    isNew = false;
  }
  if (plan.config !== null) {
    await write(`${root}/${plan.config.path}`, plan.config.text, { createNew: false });
  }
  return {
    policy: isNew ? plan.policy : null,
    config: plan.config,
    hasTask: config !== undefined,
  };
}

async function writeFile(
  path: string,
  text: string,
  { createNew }: { readonly createNew: boolean },
): Promise<void> {
  if (createNew) await Deno.writeTextFile(path, text, { createNew });
  else await replaceFile(path, text);
}

/** The text with the task added, or `undefined` when it has one. */
function withAuditTask({ path, text }: InitConfig): string | undefined {
  const refuse = (why: string): never => {
    throw new SecurityError("project-unreadable", `${printable(path)}: ${why}`);
  };
  const root = parsed(text);
  if (root?.type !== "object") return refuse("expected an object");
  const named = root.children?.filter(({ children }) => children?.[0]?.value === "tasks") ?? [];
  if (named.length > 1) return refuse("tasks stands in it twice");
  const tasks = findNodeAtLocation(root, ["tasks"]);
  if (tasks !== undefined && tasks.type !== "object") return refuse("tasks: expected an object");
  if (findNodeAtLocation(root, ["tasks", "audit"]) !== undefined) return undefined;
  const unit = text.match(/\n([ \t]+)\S/)?.[1] ?? "  ";
  const eol = text.includes("\r\n") ? "\r\n" : "\n";
  const task = `"audit": ${JSON.stringify(AUDIT_TASK)}`;
  const isInline = !text.trimEnd().includes("\n") && root.children!.length > 0;
  const property = tasks !== undefined
    ? task
    : isInline
    ? `"tasks": { ${task} }`
    : `"tasks": {${eol}${unit}${unit}${task}${eol}${unit}}`;
  const result = withProperty(text, tasks ?? root, property, {
    eol,
    indent: tasks === undefined ? unit : unit + unit,
    outerIndent: tasks === undefined ? "" : unit,
  });
  const added = parsed(result);
  const found = added && findNodeAtLocation(added, ["tasks", "audit"]);
  return found?.value === AUDIT_TASK ? result : refuse("the task audit cannot be added to it");
}

function parsed(text: string): Node | undefined {
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { allowTrailingComma: true });
  return errors.length === 0 ? root : undefined;
}

/**
 * The text with a property added at the end of an object.
 *
 * jsonc-parser would put the property before a comment that stands behind the last one. Here the text
 * only grows: by the comma that was missing, and by the property in front of the closing brace.
 */
function withProperty(
  text: string,
  object: Node,
  property: string,
  format: { readonly eol: string; readonly indent: string; readonly outerIndent: string },
): string {
  const close = object.offset + object.length - 1;
  const inner = text.slice(object.offset + 1, close);
  const at = object.offset + 1 + inner.trimEnd().length;
  const last = object.children?.at(-1);
  const end = last === undefined ? at : last.offset + last.length;
  const hasComma = last !== undefined && hasCommaAfter(text.slice(end, close));
  const isInline = last !== undefined && !inner.includes("\n");
  const before = isInline ? " " : format.eol + format.indent;
  const after = isInline || text.slice(at, close).includes("\n")
    ? ""
    : format.eol + format.outerIndent;
  return text.slice(0, end) + (last === undefined || hasComma ? "" : ",") + text.slice(end, at) +
    before + property + (hasComma ? "," : "") + after + text.slice(at);
}

/** Whether white space and comments, which may contain commas, are followed by a comma. */
function hasCommaAfter(text: string): boolean {
  const scanner = createScanner(text, true);
  scanner.scan();
  return text[scanner.getTokenOffset()] === ",";
}

function policyText(facts: InitFacts): string {
  return `\
# What this project may be made of. Levels: "deny" is an error and fails the audit, "warn" is a
# warning, "allow" says nothing. \`audit explain CODE\` tells what a finding means.

[advisories]
# An audit that could not look advisories up is not a clean audit. "warn" says so and passes.
incomplete = "deny"
unmaintained = { scope = "all", level = "warn" }
yanked = "warn"
deprecated = "warn"
# Each entry needs a reason, and should have a last day:
# ignore = [{ id = "GHSA-xxxx-xxxx-xxxx", reason = "…", until = "2027-01-31" }]

[licenses]
${licenseLines(facts)}
[bans]
# Nearly every npm graph has packages in several versions.
multiple-versions = "allow"
wildcards = "warn"
install-scripts = "warn"
# deny = [{ package = "left-pad", reason = "…", use-instead = "String.prototype.padStart" }]

[sources]
# What is in use today is listed, so anything else is new and worth a look.
unknown-registry = "deny"
unknown-git = "deny"
unknown-host = "deny"
${sourceLines(facts)}unpinned = "warn"
undeclared = "warn"

[integrity]
missing-lock = "deny"
missing-hash = "deny"
drift = "warn"
frozen = "warn"
minimum-dependency-age = "warn"
typosquat = "warn"
`;
}

function licenseLines({ licenses, unlicensed }: InitFacts): string {
  const allowed = new Set<string>();
  const others = new Map<string, Set<string>>();
  const unclear: string[] = [];
  for (const [text, packages] of licenses) {
    const expression = parseExpression(text);
    if (expression === undefined) {
      unclear.push(...packages);
      continue;
    }
    for (const license of needed(expression)) {
      const id = formatLicense(license);
      if (isPermissive(license)) {
        allowed.add(id);
        continue;
      }
      const by = others.get(id) ?? new Set();
      for (const name of packages) by.add(name);
      others.set(id, by);
    }
  }
  const lines = [
    "# Licences that the project has and that ask for no more than attribution.",
    "allow = [",
  ];
  for (const id of [...allowed].sort()) lines.push(`  ${toml(id)},`);
  if (others.size > 0) lines.push("  # These ask for more. Allow those that you can live with:");
  for (const [id, packages] of [...others].sort(([a], [b]) => a < b ? -1 : 1)) {
    lines.push(`  # ${toml(id)}, # ${some([...packages])}`);
  }
  lines.push("]");
  const unknown = [...new Set([...unlicensed, ...unclear])];
  if (unknown.length > 0) {
    lines.push(
      `# No licence was recognised for ${some(unknown)}.`,
      "# Once you have read it, say what it is; the hash is the SHA-256 of the file:",
      "# [[licenses.clarify]]",
      '# package = "…"',
      '# expression = "MIT"',
      '# license-files = [{ path = "LICENSE", hash = "…" }]',
      'unlicensed = "warn"',
    );
  }
  return lines.join("\n") + "\n";
}

/** The licences that must be allowed: of a choice, the side that is permissive, else the first. */
function needed(expression: SpdxExpression): readonly SpdxLicense[] {
  if ("license" in expression) return [expression];
  const left = needed(expression.left);
  const right = needed(expression.right);
  if (expression.conjunction === "and") return [...left, ...right];
  return !left.every(isPermissive) && right.every(isPermissive) ? right : left;
}

function isPermissive(license: SpdxLicense): boolean {
  return PERMISSIVE_LICENSES.includes(formatLicense(license));
}

function sourceLines({ registries, repositories, hosts, scopes }: InitFacts): string {
  const known = registries.filter((text) => text === "npm" || text === "jsr" || isAddress(text));
  const lines = [
    ...listLine("allow-registry", known),
    ...listLine("allow-git", repositories.filter(isAddress)),
    ...listLine("allow-host", hosts.filter((host) => /^[a-z0-9.-]+(?::\d{1,5})?$/.test(host))),
  ];
  const found = scopes.filter((scope) => /^@[^\s/@*]+$/.test(scope));
  if (found.length > 0) {
    lines.push("# With this line, a package of any other scope is refused:");
    lines.push(...listLine("# allow-scope", found));
  }
  return lines.map((line) => line + "\n").join("");
}

function listLine(key: string, values: readonly string[]): string[] {
  if (values.length === 0) return [];
  return [`${key} = [${[...new Set(values)].sort().map(toml).join(", ")}]`];
}

/** An address that may stand in a policy: one with a password must not. */
function isAddress(text: string): boolean {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) return false;
  const { username, password } = new URL(text);
  return username === "" && password === "";
}

/** A TOML string. JSON's escapes are TOML's too, once there is nothing unprintable. */
function toml(text: string): string {
  return JSON.stringify(printable(text));
}

/** The first few names, for a comment; printable() keeps a name from ending the comment's line. */
function some(names: readonly string[]): string {
  const shown = [...names].sort().slice(0, 3).map((name) => printable(name, 100)).join(", ");
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}
