/** Driving one operation against one tree, and looking at everything that it must not have done. */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { SecurityError } from "@bartizan/security";
import { FileSecurityValidator } from "../../src/files/file_security_validator.ts";
import type { SecurityPolicy } from "../../src/files/policy.ts";
import type { BackendUnderTest } from "./_backends.ts";
import {
  MINE,
  type OperationName,
  OPERATIONS,
  type OperationUnderTest,
} from "./_every_operation.ts";
import { makeTree, outsideOf, SECRET, snapshot, type Tree } from "./_tree.ts";

/** A tree, and what a client writes. */
export interface Case {
  readonly tree: readonly string[];
  readonly input: string;
}

/** Every inode outside: how `stat` shows that it has been there. */
function inodesOutside({ work, root }: Tree): Set<number> {
  const inodes = new Set<number>();
  const visit = (path: string): void => {
    const info = Deno.lstatSync(path);
    if (info.ino !== null) inodes.add(info.ino);
    if (!info.isDirectory) return;
    for (const { name } of Deno.readDirSync(path)) {
      if (`${path}/${name}` !== root) visit(`${path}/${name}`);
    }
  };
  visit(work);
  return inodes;
}

/** Whether an answer shows anything of what lies outside. */
function shows(answer: unknown, tree: Tree): boolean {
  if (answer === undefined) return false;
  const ino = (answer as { ino?: unknown } | null)?.ino;
  if (typeof ino === "number") return inodesOutside(tree).has(ino);
  if (typeof answer === "string" && answer.startsWith(tree.work)) {
    return answer !== tree.root && !answer.startsWith(`${tree.root}/`);
  }
  const told = JSON.stringify(answer);
  return [
    SECRET.slice(0, 20),
    "outside-name",
    "hollow",
    "ROOTLINK",
    tree.outside,
    `"size":${SECRET.length}`,
  ]
    .some((mark) => told.includes(mark));
}

/** Runs an operation of Deno's own API: whether it touched what lies outside. */
export async function reachesBare({ bare }: OperationUnderTest, attack: Case): Promise<boolean> {
  using tree = makeTree([...attack.tree, MINE]);
  const before = outsideOf(tree);
  const input = tree.expand(attack.input);
  const path = input.startsWith("/") ? input : `${tree.root}/${input}`;
  let answer: unknown;
  try {
    answer = await bare(path, tree);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
  }
  return shows(answer, tree) || String(outsideOf(tree)) !== String(before);
}

/** A tree with a validator on it. */
class Stage {
  readonly tree: Tree;
  readonly files: FileSecurityValidator;
  readonly #before: string;

  private constructor(tree: Tree, files: FileSecurityValidator) {
    this.tree = tree;
    this.files = files;
    this.#before = String(snapshot(tree.work));
  }

  static async open(
    { tree: lines }: Case,
    { backend }: BackendUnderTest,
    policy: SecurityPolicy,
  ): Promise<Stage> {
    const tree = makeTree([...lines, MINE]);
    const files = await FileSecurityValidator.open({ roots: [tree.rootLink], policy, backend });
    return new Stage(tree, files);
  }

  /** Whether it can serve again. */
  get untouched(): boolean {
    return String(snapshot(this.tree.work)) === this.#before;
  }

  async close(): Promise<void> {
    await this.files.close();
    this.tree[Symbol.dispose]();
  }
}

/**
 * Runs every operation of a validator, each on a tree that none has touched.
 *
 * @returns For each the code of its refusal, or `done`.
 */
export async function attemptAll(
  attack: Case,
  under: BackendUnderTest,
  policy: SecurityPolicy = {},
): Promise<Record<OperationName, string>> {
  const codes: Partial<Record<OperationName, string>> = {};
  let stage = await Stage.open(attack, under, policy);
  try {
    for (const operation of OPERATIONS) {
      codes[operation.name] = await attempt(operation, attack.input, stage);
      if (stage.untouched) continue;
      await stage.close();
      stage = await Stage.open(attack, under, policy);
    }
  } finally {
    await stage.close();
  }
  return codes as Record<OperationName, string>;
}

async function attempt(
  { name, guarded }: OperationUnderTest,
  input: string,
  { tree, files }: Stage,
): Promise<string> {
  const before = outsideOf(tree);
  let code = "done";
  try {
    const answer = await guarded(files, tree.expand(input));
    assert(!shows(answer, tree), `${name} showed what lies outside`);
  } catch (error) {
    assertInstanceOf(error, SecurityError, `${name}: ${error}`);
    const told = error.message + JSON.stringify(error.details);
    assert(!told.includes(tree.work), `${name} names the root to the client: ${told}`);
    code = error.code;
  }
  assertEquals(outsideOf(tree), before, `${name} changed what lies outside`);
  return code;
}
