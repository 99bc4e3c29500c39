import { join } from "@std/path";
import { findNodeAtLocation, parseTree } from "jsonc-parser";
import type { PackageNode } from "../project/graph.ts";
import type { ConfigFile, Project } from "../project/project.ts";
import type { FindingLocation } from "../report.ts";
import { LineIndex } from "../_text.ts";
import { declaredLicense } from "./_declared.ts";
import { fieldOf } from "./_manifest.ts";
import { FolderFiles, realFolder } from "./_package_files.ts";
import type { LicenseFact, LicenseReader } from "./license_facts.ts";

/** A member of the project that others may get hold of, or that states its licence. */
export interface Member {
  readonly node: PackageNode;
  readonly fact: LicenseFact;
  /** Marked as not to be published, or published to a private registry only. */
  readonly isPrivate: boolean;
  readonly location: FindingLocation;
}

/**
 * The project's own packages and their licences.
 *
 * A configuration that neither declares a licence nor can be published is that of an application:
 * nobody receives it, so there is nothing to check. `UNLICENSED` in the project's own package keeps
 * others from using it, and is no risk for the project.
 */
export async function readMembers(
  project: Project,
  reader: LicenseReader,
  isPrivateRegistry: (address: string) => boolean,
): Promise<readonly Member[]> {
  const members: Member[] = [];
  for (const folder of new Set(project.configs.map(({ member }) => member))) {
    const configs = project.configs.filter(({ kind, member }) =>
      member === folder && kind !== "import-map"
    );
    const declaring = configs.find(({ value }) => declaredLicense(value) !== undefined);
    const publishable = configs.find(isPublishable);
    const config = declaring ?? publishable;
    if (config === undefined) continue;
    const node = nodeOf(publishable ?? config);
    const fact = await factOf(project, reader, config);
    if (fact.problem === "proprietary") continue;
    const isPrivate = configs.some((it) => isMarkedPrivate(it, isPrivateRegistry));
    members.push({ node, fact, isPrivate, location: placeOf(config) });
  }
  return members;
}

async function factOf(
  { root, configs }: Project,
  reader: LicenseReader,
  config: ConfigFile,
): Promise<LicenseFact> {
  // What a member does not say, the root says for it.
  const holders = new Set([config, ...configs.filter(({ member }) => member === "")]);
  for (const { member, path, value } of holders) {
    const folder = realFolder(join(root, member));
    if (folder === undefined) continue;
    const files = new FolderFiles(folder);
    const declared = declaredLicense(value);
    const fact = declared === undefined
      ? await reader.fromFiles(files)
      : await reader.fromDeclaration(declared, path.split("/").at(-1)!, files);
    if (fact !== undefined) return fact;
  }
  return { from: "none", problem: "no-license" };
}

function isPublishable({ kind, value }: ConfigFile): boolean {
  const isNamed = typeof fieldOf(value, "name") === "string" &&
    typeof fieldOf(value, "version") === "string";
  return isNamed && (kind === "package-json" || fieldOf(value, "exports") !== undefined);
}

function isMarkedPrivate(
  { kind, value }: ConfigFile,
  isPrivateRegistry: (address: string) => boolean,
): boolean {
  if (kind === "deno") return fieldOf(value, "publish") === false;
  const registry = fieldOf(fieldOf(value, "publishConfig"), "registry");
  return fieldOf(value, "private") === true ||
    (typeof registry === "string" && isPrivateRegistry(registry));
}

function nodeOf({ path, value }: ConfigFile): PackageNode {
  const text = (key: string) => {
    const field = fieldOf(value, key);
    return typeof field === "string" ? field : undefined;
  };
  return {
    kind: "config",
    label: `file:${path}`,
    name: text("name") ?? path,
    version: text("version") ?? "",
    entries: 0,
    hasIntegrity: true,
    deprecated: false,
    scripts: false,
    dependencies: [],
    dependents: [],
    dev: false,
  };
}

/** The line of the licence, else that of the name. */
function placeOf({ path, text }: ConfigFile): FindingLocation {
  const tree = parseTree(text, [], { allowTrailingComma: true });
  const field = ["license", "licenses", "name"]
    .map((key) => tree && findNodeAtLocation(tree, [key])).find((node) => node !== undefined);
  return { file: path, ...new LineIndex(text).at(field?.offset ?? 0) };
}
