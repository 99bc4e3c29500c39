// @ts-types="@types/semver"
import semver from "semver";
import { denoFolder, readVariable } from "../_environment.ts";
import type { LicenseClarification } from "../policy/policy.ts";
import { SpecIndex } from "../policy/package_spec.ts";
import type { PackageNode } from "../project/graph.ts";
import type { Project } from "../project/project.ts";
import { type DeclaredLicense, declaredLicense } from "./_declared.ts";
import { PackageLocator } from "./_locate_package.ts";
import { fieldOf, MANIFESTS, MAX_MANIFEST_BYTES, parseManifest } from "./_manifest.ts";
import type { PackageFiles } from "./_package_files.ts";
import { LicenseTexts, MAX_LICENSE_TEXT_LENGTH } from "./license_text.ts";
import { parseExpression } from "./spdx.ts";

/** Where a licence was learned from. */
export type LicenseSource =
  | "clarification"
  | "package.json"
  | "deno.json"
  | "license-file"
  | "none";

/** Why a package has no expression, or not the one that it declares. */
export type LicenseProblem =
  /** The package is in no place where Deno or npm install it. */
  | "not-installed"
  /** The package that is in its place says that it is another, or another version. */
  | "another-package"
  /** It declares no licence, and has no licence file. */
  | "no-license"
  /** It declares one in other words than SPDX's. */
  | "not-spdx"
  /** It declares `UNLICENSED`: all rights reserved. */
  | "proprietary"
  /** It refers to a file that it does not have. */
  | "file-missing"
  /** It has a licence file that resembles no licence enough. */
  | "low-confidence";

/** A clarification of the policy that is about a package, but did not hold. */
export interface RefusedClarification {
  readonly entry: LicenseClarification;
  readonly problem: "missing-file" | "hash-mismatch";
  /** The file, relative to the package. */
  readonly path: string;
}

/** What is known about the licence of a package. */
export interface LicenseFact {
  readonly from: LicenseSource;
  /** SPDX expression; absent when none is known. */
  readonly expression?: string;
  /** What the package itself says, when that is not the expression. */
  readonly declared?: string;
  /** The file that tells it, relative to the package; several are separated by a comma. */
  readonly file?: string;
  /** How near the texts of the licence files are, 0 to 1: the lowest of them. */
  readonly confidence?: number;
  readonly problem?: LicenseProblem;
  readonly refusedClarifications?: readonly RefusedClarification[];
}

/** Options of {@linkcode readLicenseFacts}. */
export interface ReadLicenseFactsOptions {
  /** Clarifications of the policy. @default {[]} */
  readonly clarify?: readonly LicenseClarification[];
  /** Least confidence, 0 to 1, at which a licence text counts as recognized. @default {0.8} */
  readonly confidenceThreshold?: number;
  /** Deno's cache folder, or `null` for none. @default {the folder of this Deno, where it may be read} */
  readonly denoDir?: string | null | undefined;
  /** Reads a variable of the environment. @default {Deno.env.get, where it is permitted} */
  readonly env?: ((name: string) => string | undefined) | undefined;
  /** Further folders with the layout of `vendor/`. @default {[]} */
  readonly vendorFolders?: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/**
 * What is known offline about the licences of packages: from `node_modules`, Deno's cache and
 * `vendor/`. Requires `--allow-read` for them; a place that may not be read is passed over.
 *
 * A clarification comes first, then what the package declares, then its licence files. A package with
 * several licence files is under all of them: whether they are a choice, only a person can tell.
 */
export async function readLicenseFacts(
  project: Project,
  nodes: Iterable<PackageNode>,
  options: ReadLicenseFactsOptions = {},
): Promise<Map<PackageNode, LicenseFact>> {
  const { env = readVariable, denoDir = denoFolder(env), vendorFolders = [] } = options;
  const locator = new PackageLocator(project, { denoDir, vendorFolders });
  const reader = new LicenseReader(options);
  const facts = new Map<PackageNode, LicenseFact>();
  for (const node of nodes) {
    options.signal?.throwIfAborted();
    facts.set(node, await reader.read(node, locator.placesOf(node)));
  }
  return facts;
}

const NOT_INSTALLED: LicenseFact = { from: "none", problem: "not-installed" };
const NO_LICENSE: LicenseFact = { from: "none", problem: "no-license" };
const ANOTHER: LicenseFact = { from: "none", problem: "another-package" };

const LICENSE_FILE = /^(?:licen[cs]es?|copying|unlicen[cs]e)(?:[-._][\w.-]*)?$/i;

/** How Deno vendors a name with capitals or without extension: with a hash, and an extension of its own. */
const VENDORED_LICENSE_FILE = /^#(?:licen[cs]e|copying)[\w.-]*_[0-9a-f]{5}(?:\.\w+)?$/;

/** A file of code or data is no text, whatever it is called. */
const NOT_TEXT = /\.(?:[cm]?[jt]sx?|json|css|map|html?|svg|png|docx?|pdf|spdx|xml|ya?ml)$/i;

/** More licence files than this are not read, so that not all of them are known. */
const MAX_LICENSE_FILES = 20;

/** Reads the licences of packages from their files. */
export class LicenseReader {
  readonly #clarify: SpecIndex<LicenseClarification>;
  readonly #threshold: number;
  readonly #texts = new LicenseTexts();

  constructor(options: Pick<ReadLicenseFactsOptions, "clarify" | "confidenceThreshold"> = {}) {
    this.#clarify = new SpecIndex(options.clarify ?? []);
    this.#threshold = options.confidenceThreshold ?? 0.8;
  }

  /** The licence of a package that is installed in some places. */
  async read(node: PackageNode, places: readonly PackageFiles[]): Promise<LicenseFact> {
    const refused: RefusedClarification[] = [];
    for (const entry of this.#clarify.matching(node)) {
      const problem = await refusalOf(entry, places);
      if (problem === undefined) return { from: "clarification", expression: entry.expression };
      refused.push(problem);
    }
    const fact = await this.#fromPlaces(node, places);
    return refused.length === 0 ? fact : { ...fact, refusedClarifications: refused };
  }

  async #fromPlaces(node: PackageNode, places: readonly PackageFiles[]): Promise<LicenseFact> {
    let fact = NOT_INSTALLED;
    for (const place of places) {
      const found = await this.#declared(place, node) ?? await this.fromFiles(place);
      // Another place may have the package itself.
      if (found !== undefined && found !== ANOTHER) return found;
      if (found === ANOTHER || await place.exists()) fact = found ?? NO_LICENSE;
    }
    return fact;
  }

  async #declared(place: PackageFiles, { npm }: PackageNode): Promise<LicenseFact | undefined> {
    for (const file of npm === undefined ? MANIFESTS : ["package.json"]) {
      const bytes = await place.read(file, MAX_MANIFEST_BYTES);
      const manifest = bytes && parseManifest(file, bytes);
      if (npm !== undefined && isAnother(manifest, npm)) return ANOTHER;
      const declared = declaredLicense(manifest);
      if (declared !== undefined) return await this.fromDeclaration(declared, file, place);
    }
    return undefined;
  }

  /** The licence that a manifest declares; what is no SPDX expression is looked up in the files. */
  async fromDeclaration(
    declared: DeclaredLicense,
    file: string,
    place: PackageFiles,
  ): Promise<LicenseFact> {
    const from = file === "package.json" ? "package.json" : "deno.json";
    const { kind, text } = declared;
    if (kind === "proprietary") return { from, file, declared: text, problem: "proprietary" };
    if (kind === "file") {
      const path = declared.path.replace(/^(?:\.\/)+/, "");
      const exists = await place.read(path, MAX_CLARIFIED_BYTES) !== undefined;
      if (!exists) return { from, file, declared: text, problem: "file-missing" };
      return { ...await this.#match(place, [path]), declared: text };
    }
    if (parseExpression(text) !== undefined) return { from, file, expression: text };
    const fact = await this.fromFiles(place);
    return fact?.expression === undefined
      ? { from, file, declared: text, problem: "not-spdx" }
      : { ...fact, declared: text, problem: "not-spdx" };
  }

  /** The licence that the licence files of a package tell; `undefined` when it has none. */
  async fromFiles(place: PackageFiles): Promise<LicenseFact | undefined> {
    const names = (await place.list()).filter((name) =>
      (LICENSE_FILE.test(name) && !NOT_TEXT.test(name)) || VENDORED_LICENSE_FILE.test(name)
    );
    return names.length === 0 ? undefined : await this.#match(place, names);
  }

  /** All of the files together: none of them may be left unexplained. */
  async #match(place: PackageFiles, paths: readonly string[]): Promise<LicenseFact> {
    const licenses = new Set<string>();
    let lowest = 1;
    for (const [index, path] of paths.entries()) {
      const bytes = index < MAX_LICENSE_FILES
        ? await place.read(path, MAX_LICENSE_TEXT_LENGTH)
        : undefined;
      const match = bytes && await this.#texts.match(new TextDecoder().decode(bytes));
      const confidence = match?.confidence ?? 0;
      if (match === undefined || confidence < this.#threshold) {
        return { from: "license-file", file: path, confidence, problem: "low-confidence" };
      }
      licenses.add(match.license);
      lowest = Math.min(lowest, confidence);
    }
    const expression = [...licenses].sort().join(" AND ");
    return { from: "license-file", file: paths.join(", "), expression, confidence: lowest };
  }
}

/**
 * Whether a package.json is that of another package than the lockfile names, or of another version:
 * the licence of whatever lies in a folder of the right name proves nothing.
 */
function isAnother(manifest: unknown, npm: { readonly name: string; readonly version: string }) {
  const name = fieldOf(manifest, "name");
  const version = fieldOf(manifest, "version");
  if (typeof name === "string" && name !== npm.name) return true;
  // The registry drops what a version has besides: `v1.0.0`, `1.0.0+build`.
  const clean = (text: string) => semver.clean(text, { loose: true }) ?? text;
  return typeof version === "string" && clean(version) !== clean(npm.version);
}

/** Why a clarification does not hold: it does when every file that it names is as it was. */
async function refusalOf(
  entry: LicenseClarification,
  places: readonly PackageFiles[],
): Promise<RefusedClarification | undefined> {
  let first: RefusedClarification | undefined;
  for (const place of entry.licenseFiles.length === 0 ? [] : places) {
    const refusal = await refusalIn(entry, place);
    if (refusal === undefined) return undefined;
    first ??= refusal;
  }
  const [file] = entry.licenseFiles;
  return file === undefined
    ? undefined
    : first ?? { entry, problem: "missing-file", path: file.path };
}

async function refusalIn(
  entry: LicenseClarification,
  place: PackageFiles,
): Promise<RefusedClarification | undefined> {
  for (const { path, hash } of entry.licenseFiles) {
    const bytes = await place.read(path, MAX_CLARIFIED_BYTES);
    if (bytes === undefined) return { entry, problem: "missing-file", path };
    const actual = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
    if (actual !== hash.toLowerCase()) return { entry, problem: "hash-mismatch", path };
  }
  return undefined;
}

/** A person has read these, so they may be larger than what is compared with licence texts. */
const MAX_CLARIFIED_BYTES = 4 * 1024 * 1024;
