import { assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { SecurityError } from "@bartizan/security";
import { FileSecurityValidator } from "../../src/files/file_security_validator.ts";
import type { SecurityPolicy } from "../../src/files/policy.ts";
import { CASES } from "../supply_chain/cases.ts";
import { availableBackends, type BackendUnderTest } from "./_backends.ts";
import { makeTree, outsideOf, specialKinds, type Tree } from "./_tree.ts";

/** A line of the file of path cases. */
interface PathCase {
  readonly id: string;
  readonly why: string;
  readonly layer: "lexical" | "fs" | "url-path" | "file-url";
  readonly op?: "open" | "read" | "list" | "create" | "mkdir" | "remove";
  readonly root: string;
  readonly input: string;
  readonly tree?: readonly string[];
  readonly config?: SecurityPolicy & { readonly maxBytes?: number };
  readonly expected: "allow" | "deny";
  readonly reason?: string;
  readonly canonical?: string;
  readonly policy?: string;
  readonly alt?: { readonly expected: "allow" | "deny"; readonly canonical?: string };
}

/** Which of the documented behaviours this project has chosen where there are two. */
const CHOICES: Readonly<Record<string, "expected" | "alt">> = {
  "dotdot-after-file": "alt", // dotdot is resolved in the text
  "dotdot-after-symlink": "alt", // likewise
  "hardlink": "expected",
  "max-symlinks": "expected", // the kernel's limit of 40
  "nofollow-remove": "expected", // the link itself is removed
  "path-max": "expected",
  "reenter-root": "expected", // refused
  "root-alias": "expected", // either spelling of a root
};

/** The codes that stand for the reasons. */
const CODES: Readonly<Record<string, RegExp>> = {
  escape: /^path-outside-root$/,
  forbidden: /^path-forbidden$/,
  extension: /^extension-denied$/,
  loop: /^symlink-loop$/,
  name_too_long: /^name-too-long$/,
  not_a_directory: /^not-a-directory$/,
  not_regular: /^special-file$/,
  root_op: /^root-operation$/,
};

function readCases(): readonly PathCase[] {
  const file = new URL("paths.jsonl", CASES);
  try {
    const lines = Deno.readTextFileSync(file).trim().split("\n");
    return lines.map((line): PathCase => JSON.parse(line));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return [];
  }
}

/** Those that need a disk, or a policy. */
const cases = readCases().filter(({ layer, config }) => layer === "fs" || config !== undefined);
if (cases.length === 0) console.log("skipped: the file of path cases is not present");

function chosen(one: PathCase): PathCase {
  if (one.policy === undefined) return one;
  const choice = CHOICES[one.policy];
  if (choice === undefined) throw new Error(`no choice is made for ${one.policy}`);
  if (choice === "expected" || one.alt === undefined) return one;
  const { reason: _reason, ...rest } = one;
  return { ...rest, ...one.alt };
}

/** The tree of a case; what only a policy decides gets the file that it is about. */
function build({ layer, tree, input }: PathCase): Tree {
  if (layer === "fs") return makeTree(tree ?? []);
  const made = makeTree([]);
  const path = new URL(`file://${made.root}/${input}`).pathname;
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  Deno.writeTextFileSync(path, "inside");
  return made;
}

function policyOf({ config = {} }: PathCase, tree: Tree): SecurityPolicy {
  const { maxBytes, forbiddenPaths, ...rest } = config;
  return {
    ...rest,
    ...(maxBytes === undefined ? {} : { maxFileSizeBytes: maxBytes }),
    ...(forbiddenPaths === undefined ? {} : { forbiddenPaths: forbiddenPaths.map(tree.expand) }),
  };
}

async function act(files: FileSecurityValidator, op: PathCase["op"], input: string): Promise<void> {
  switch (op) {
    case "create":
      return void await files.writeFile(input, "created", { createNew: true });
    case "mkdir":
      return void await files.mkdir(input, { recursive: true });
    case "remove":
      return void await files.remove(input);
    case "list":
      return void await files.list(input);
    case "read":
      return void await files.readFile(input);
    default: {
      const { isDirectory } = await files.stat(input);
      if (isDirectory) await files.list(input);
      else await files.readFile(input);
    }
  }
}

/** Where something is, links in the last component not followed. */
function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

async function check(original: PathCase, { backend }: BackendUnderTest): Promise<void> {
  const one = chosen(original);
  using tree = build(one);
  const root = one.layer === "fs" ? tree.expand(one.root) : tree.root;
  const input = tree.expand(one.input);
  const before = outsideOf(tree);
  const policy = policyOf(one, tree);
  await using files = await FileSecurityValidator.open({ roots: [root], policy, backend });
  let code = "done";
  try {
    await act(files, one.op, input);
  } catch (error) {
    assertInstanceOf(error, SecurityError, String(error));
    code = error.code;
  }
  assertEquals(outsideOf(tree), before, "something outside was changed");
  if (one.expected === "deny") {
    return assertMatch(code, one.reason === undefined ? /^(?!done$)/ : CODES[one.reason]!);
  }
  assertEquals(code, "done");
  if (one.canonical === undefined) return;
  const real = Deno.realPathSync(root);
  const canonical = one.canonical === "." ? real : `${real}/${one.canonical}`;
  if (one.op === "remove") assertEquals(isThere(canonical), false);
  else assertEquals(await files.validate(input), canonical);
  if (one.op === "create") assertEquals(Deno.readTextFileSync(canonical), "created");
}

for (const under of await availableBackends()) {
  for (const one of cases) {
    const special = one.tree?.map((line) => line.split(" ")[0]).find((kind) =>
      kind === "fifo" || kind === "sock"
    );
    const ignore = special !== undefined && !specialKinds.some((kind) => kind === special);
    const name = `${under.protection}: ${one.id}: ${one.why}`;
    if (ignore) console.log(`skipped: ${name} (a ${special} cannot be made here)`);
    Deno.test({ name, ignore, fn: () => check(one, under) });
  }
}
