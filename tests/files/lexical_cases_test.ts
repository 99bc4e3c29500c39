import { assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import {
  pathFromFileUrl,
  pathFromUrlPathname,
  resolveWithin,
  SecurityError,
} from "@bartizan/security";
import { relativeWithin } from "../../src/files/resolve_within.ts";
import { CASES } from "../supply_chain/cases.ts";

type Platform = "posix" | "windows";

/** A line of the file of path cases; those that need a disk or a policy have a test of their own. */
interface LexicalCase {
  readonly id: string;
  readonly why: string;
  readonly layer: "lexical" | "fs" | "url-path" | "file-url";
  readonly platform: Platform | "any";
  readonly root: string;
  readonly roots?: readonly string[];
  readonly input: string;
  readonly config?: unknown;
  readonly expected: "allow" | "deny";
  readonly reason?: string;
  readonly canonical?: string;
  readonly policy?: string;
}

/** The policies of which `expected`, not `alt`, is the documented behaviour. */
const CHOSEN = new Set([
  "backslash-on-posix", // a byte of a name
  "control-chars", // likewise
  "device-with-extension", // refused
  "invisible-chars", // characters of a name
  "root-slash-allowed", // any directory can be a root
  "root-with-dotdot", // cleaned once
  "short-names", // refused
  "verbatim-prefix-inside", // refused
]);

/** Code and `details.reason` of the errors that stand for a reason. */
const REASONS: Readonly<Record<string, RegExp>> = {
  // What could lead out by another reading of the text is refused without being read that way.
  escape: /^path-outside-root|: (encoded-separator|namespace)$/,
  scheme: /: scheme$/,
  empty: /: empty$/,
  nul: /: nul$/,
  ill_formed: /: ill-formed$/,
  malformed_percent: /: malformed-percent$/,
  colon: /: colon$/,
  invalid_char: /: invalid-char$/,
  device_name: /: device-name$/,
  namespace: /: namespace$/,
  short_name: /: short-name$/,
  trailing_dot_space: /: trailing-dot-space$/,
};

function readCases(): readonly LexicalCase[] {
  const file = new URL("paths.jsonl", CASES);
  try {
    const lines = Deno.readTextFileSync(file).trim().split("\n");
    return lines.map((line): LexicalCase => JSON.parse(line));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log("skipped: the file of path cases is not present");
    return [];
  }
}

function decode(one: LexicalCase, platform: Platform): string {
  if (one.layer === "url-path") return pathFromUrlPathname(one.input);
  if (one.layer === "file-url") return pathFromFileUrl(one.input, { platform });
  return one.input;
}

/** The path below the root, or why it was refused. */
function attempt(one: LexicalCase, root: string, platform: Platform): string {
  try {
    const path = decode(one, platform);
    const resolved = resolveWithin(root, path, { platform });
    assertEquals(resolveWithin(root, resolved, { platform }), resolved);
    return `allow: ${relativeWithin(root, path, platform) || "."}`;
  } catch (error) {
    assertInstanceOf(error, SecurityError, String(error));
    return `${error.code}: ${error.details.reason ?? ""}`;
  }
}

function check(one: LexicalCase, platform: Platform): void {
  // The cases for every platform are written with a root of POSIX.
  const native = (root: string) =>
    platform === "windows" && one.platform === "any" ? `C:${root.replaceAll("/", "\\")}` : root;
  const results = (one.roots ?? [one.root]).map((root) => attempt(one, native(root), platform));
  if (one.expected === "allow") {
    const result = results.find((result) => result.startsWith("allow: "));
    if (one.canonical !== undefined) assertEquals(result, `allow: ${one.canonical}`);
    else assertMatch(result ?? results.join(), /^allow: /);
    return;
  }
  const reason = REASONS[one.reason ?? ""];
  if (reason === undefined) throw new Error(`no code stands for ${one.reason}`);
  for (const result of results) assertMatch(result, reason);
}

for (const one of readCases()) {
  if (one.layer === "fs" || one.config !== undefined) continue;
  if (one.policy !== undefined && !CHOSEN.has(one.policy)) {
    throw new Error(`no choice is made for ${one.policy}`);
  }
  const platforms = one.platform === "any" ? ["posix", "windows"] as const : [one.platform];
  for (const platform of platforms) {
    Deno.test(`${platform}: ${one.id}: ${one.why}`, () => check(one, platform));
  }
}
