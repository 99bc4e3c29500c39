import { parse, TomlError } from "smol-toml";
import { SecurityError } from "../../errors.ts";
import { printable } from "../_text.ts";
import { BUILT_IN_POLICY } from "./default_policy.ts";
import { DEFAULTS, type Draft, fill, merge } from "./_defaults.ts";
import { loadSpdx, readLicenses } from "./_licenses.ts";
import type { Policy, PolicyNote } from "./policy.ts";
import {
  legacy,
  MAX_SHOWN_PROBLEMS,
  notApplicable,
  pathInside,
  PolicySource,
  type Problem,
  type Read,
  readString,
  readTable,
  TomlNode,
} from "./_reader.ts";
import { SECTIONS } from "./_sections.ts";
import { tomlPlaces } from "./_toml_places.ts";

/** Longer policy files are refused. */
export const MAX_POLICY_LENGTH = 1_000_000;
/** How far policies may extend each other. */
const MAX_EXTENDS_DEPTH = 8;
/** How many files a policy may be made of. */
const MAX_FILES = 32;
/** How an error names the built-in policy. */
const BUILT_IN = "built-in";

/** Options of {@linkcode parsePolicy}. */
export interface ParsePolicyOptions {
  /** Path of the file relative to the project, with `/`; `null` for the built-in policy. */
  readonly path: string | null;
  /** Reads a policy that this one extends, by its path relative to the project. @default {undefined} */
  readonly resolve?: (path: string) => Promise<string>;
}

/** What one file sets, or several that extend each other. */
interface FileDraft {
  readonly sections: Draft;
  readonly baseline?: string;
}

/**
 * Reads a deny.toml.
 *
 * A section that neither the file nor one that it extends has is that of the built-in policy, so that
 * a file about bans leaves the other checks as they are without it. In a section that is written, a
 * key that is left out has cargo-deny's default. Where a file extends another, its own values win and
 * its lists are added to those of the other.
 *
 * @param text Content of the file.
 * @param options Its path, and how to read what it extends.
 * @returns The policy with every default filled in, and notes about keys of an earlier form.
 * @throws {SecurityError} `policy-invalid`, naming file, line and column of every problem, up to 20;
 *   `details.count` is the number of all.
 */
export async function parsePolicy(text: string, options: ParsePolicyOptions): Promise<Policy> {
  const notes: PolicyNote[] = [];
  const loader = new Loader(notes, options.resolve);
  const name = options.path ?? BUILT_IN;
  const { sections, baseline } = await loader.load(text, name, [name]);
  loader.throwProblems();
  const isWhole = options.path === null ||
    CHECK_SECTIONS.every((section) => sections[section] !== undefined);
  const builtIn = isWhole ? {} : await builtInSections();
  return {
    path: options.path,
    ...fill(DEFAULTS, { ...builtIn, ...sections }),
    ...(baseline !== undefined && { baseline }),
    notes: notes.sort((a, b) =>
      (a.file === name ? 0 : 1) - (b.file === name ? 0 : 1) || a.line - b.line ||
      a.column - b.column
    ),
  };
}

/** The policy that applies when a project has no deny.toml. */
export function builtInPolicy(): Promise<Policy> {
  return parsePolicy(BUILT_IN_POLICY, { path: null });
}

const CHECK_SECTIONS = ["advisories", "licenses", "bans", "sources", "integrity"] as const;

async function builtInSections(): Promise<Draft> {
  const loader = new Loader([], undefined);
  // Not the main file: positions in it must not be taken for places in the user's.
  const { sections } = await loader.load(BUILT_IN_POLICY, BUILT_IN, []);
  loader.throwProblems();
  return sections;
}

/** Reads files that extend each other, each once, and collects what is wrong with any of them. */
class Loader {
  readonly #notes: PolicyNote[];
  readonly #resolve: ((path: string) => Promise<string>) | undefined;
  readonly #problems: Problem[] = [];
  readonly #loaded: Set<string> = new Set();

  constructor(notes: PolicyNote[], resolve: ((path: string) => Promise<string>) | undefined) {
    this.#notes = notes;
    this.#resolve = resolve;
  }

  throwProblems(): void {
    const count = this.#problems.length;
    if (count === 0) return;
    const files = [...this.#loaded];
    const shown = this.#problems
      .sort((a, b) =>
        files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column
      )
      .slice(0, MAX_SHOWN_PROBLEMS)
      .map(({ file, line, column, message }) =>
        `${printable(file)}:${line}:${column}: ${printable(message, 500)}`
      );
    if (count > shown.length) shown.push(`and ${count - shown.length} more`);
    throw new SecurityError("policy-invalid", shown.join("\n"), { details: { count } });
  }

  /** @param chain Files from the policy to this one, which is the last; empty for the built-in. */
  async load(text: string, name: string, chain: readonly string[]): Promise<FileDraft> {
    this.#loaded.add(name);
    const root = parseToml(text, name);
    const source = new PolicySource(name, text, {
      isMain: chain.length === 1,
      problems: this.#problems,
      notes: this.#notes,
    });
    const place = tomlPlaces(text);
    const spdx = "licenses" in root ? await loadSpdx() : undefined;
    const parents: TomlNode[] = [];
    let baseline: string | undefined;

    const fields = new Map<string, Read<Draft>>();
    for (const [key, section] of Object.entries(SECTIONS)) {
      fields.set(key, (node) => {
        // SECTIONS pairs each section's name with the fields of that section.
        const read = readTable(node.withCheck(section.check), section.fields);
        return read && key !== "output" ? { [key]: read } as Draft : undefined;
      });
    }
    fields.set("licenses", (node) => {
      const licenses = spdx && readLicenses(node.withCheck("licenses"), spdx);
      return licenses && { licenses };
    });
    fields.set("extends", (node) => void parents.push(...(extended(node) ?? [])));
    fields.set("baseline", (node) => void (baseline = pathInside("project")(node)));
    for (const [key, read] of EARLIER_ROOT_KEYS) fields.set(key, read);

    let sections = readTable(new TomlNode(root, "", place, source, "bans"), fields) ?? {};
    let below: FileDraft = { sections: {} };
    for (const parent of parents) {
      const { sections, baseline } = await this.#extend(parent, name, chain);
      below = {
        sections: merge(below.sections, sections),
        ...(baseline ?? below.baseline) && { baseline: baseline ?? below.baseline! },
      };
    }
    sections = merge(below.sections, sections);
    baseline ??= below.baseline;
    return { sections, ...(baseline !== undefined && { baseline }) };
  }

  async #extend(node: TomlNode, from: string, chain: readonly string[]): Promise<FileDraft> {
    const nothing: FileDraft = { sections: {} };
    const path = joined(from, String(node.value));
    if (path === undefined) {
      node.expected("the path of another file, relative to this one");
    } else if (chain.includes(path)) {
      node.fail(`extends itself: ${[...chain, path].join(" -> ")}`);
    } else if (chain.length > MAX_EXTENDS_DEPTH) {
      node.fail(`extends more than ${MAX_EXTENDS_DEPTH} files deep`);
    } else if (this.#loaded.has(path)) {
      // Two files may share one that they extend; reading it again would repeat its entries.
      return nothing;
    } else if (this.#loaded.size >= MAX_FILES) {
      node.fail(`the policy is made of more than ${MAX_FILES} files`);
    } else if (this.#resolve === undefined) {
      node.fail("extends cannot be used here, as no other file can be read");
    } else {
      const text = await read(this.#resolve, path, node);
      if (text !== undefined) return await this.load(text, path, [...chain, path]);
    }
    return nothing;
  }
}

async function read(
  resolve: (path: string) => Promise<string>,
  path: string,
  node: TomlNode,
): Promise<string | undefined> {
  try {
    return await resolve(path);
  } catch (error) {
    const why = error instanceof SecurityError ? `: ${error.message}` : "";
    return node.fail(`cannot read ${path}, which it extends${why}`);
  }
}

function parseToml(text: string, name: string): Record<string, unknown> {
  const file = printable(name);
  if (text.length > MAX_POLICY_LENGTH) {
    throw new SecurityError(
      "policy-invalid",
      `${file}: longer than ${MAX_POLICY_LENGTH} characters`,
      { details: { count: 1 } },
    );
  }
  try {
    return parse(text, { maxDepth: 32 });
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    // The rest of the message shows lines of the file, which the place makes superfluous.
    const why = cause.message.split("\n")[0]!.replace("Invalid TOML document: ", "");
    throw new SecurityError(
      "policy-invalid",
      `${file}:${cause.line}:${cause.column}: ${printable(why)}`,
      { details: { count: 1, line: cause.line, column: cause.column }, cause },
    );
  }
}

/** `extends`: one path or a list of them. */
function extended(node: TomlNode): readonly TomlNode[] | undefined {
  const items = node.items() ?? [node];
  return items.filter((item) => readString(item) !== undefined);
}

/**
 * A path relative to the folder of `from`, or `undefined` where `to` is no such path.
 *
 * It may lead out of the project, to what the members of a repository share: who writes the policy
 * is trusted. An address is none, so that no policy changes unless a file here does.
 */
function joined(from: string, to: string): string | undefined {
  if (/[\\:\0]|^\//.test(to)) return undefined;
  const isAbsolute = /^(?:\/|[A-Za-z]:)/.test(from);
  const segments = from.split("/").slice(0, -1);
  for (const segment of to.split("/")) {
    if (segment === "..") {
      if (isAbsolute && segments.length === 1) return undefined;
      if (segments.length === 0 || segments.at(-1) === "..") segments.push(segment);
      else segments.pop();
    } else if (segment !== "." && segment !== "") {
      segments.push(segment);
    }
  }
  const isFile = !["", ".", ".."].includes(to.split("/").at(-1)!) && segments.at(-1) !== "..";
  return isFile ? segments.join("/") : undefined;
}

/** What stands in [graph] and [output] today stood at the root of cargo-deny's older files. */
const EARLIER_ROOT_KEYS: readonly [string, Read<Draft>][] = [
  [
    "exclude",
    legacy((node) => {
      const graph = SECTIONS.graph.fields.get("exclude")!(node);
      return graph && { graph };
    }, "Write it in [graph]."),
  ],
  ...["targets", "all-features", "no-default-features", "features", "feature-depth"].map(
    (key): [string, Read<Draft>] => [key, notApplicable("it is about how Rust crates are built")],
  ),
];
