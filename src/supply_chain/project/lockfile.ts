import type { FindingLocation } from "../report.ts";
import { LineIndex } from "../_text.ts";
import { scanJson, type ScannedKey } from "./_json_scan.ts";
import {
  field,
  type JsonObject,
  type LockfileVersion,
  LockReader,
  unreadable,
} from "./_lock_reader.ts";
import { canonicalVersion, JSR_NAME, NPM_NAME, parseNpmId } from "./npm_id.ts";
import { parseRequest } from "./specifier.ts";

/** A lockfile of 64 MiB holds some 250,000 packages; more is not a lockfile but an attack. */
export const MAX_LOCKFILE_BYTES: number = 64 * 1024 * 1024;

/** The deepest real lockfile nests seven levels (`overrides`); a parser needs a stack for more. */
const MAX_DEPTH = 64;

/** A quarter of a million packages have some 750,000; 60 MB of `[]` would have thirty million. */
const MAX_CONTAINERS = 4_000_000;

/** The longest real id, with the peers of its peers, has some 2,000 characters. */
const MAX_ID_LENGTH = 16_384;

/** Entries of what is listed for the report: who finds a thousand need not see the rest. */
const MAX_LISTED = 1_000;

/** A package of the npm registry, as the lockfile has it. */
export interface LockedNpm {
  /** The key: name, version and resolved peers. */
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly integrity: string | undefined;
  /** Ids of the packages it depends on, optional ones included. */
  readonly dependencies: readonly string[];
  readonly deprecated: boolean;
  readonly scripts: boolean;
  readonly tarball: string | undefined;
  /** Operating systems that it is for, in Node's names; `!name` excludes one. Empty: all. */
  readonly os: readonly string[];
  /** Processors that it is for, likewise. */
  readonly cpu: readonly string[];
}

/** A package of JSR, as the lockfile has it. */
export interface LockedJsr {
  /** The key: `@scope/name@version`. */
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly integrity: string | undefined;
  /** Requests for the packages it depends on, such as `npm:preact@^10`; the range may be absent. */
  readonly dependencies: readonly string[];
}

/** Requests of one folder of the workspace. */
export interface LockedMember {
  /** From its deno.json. */
  readonly dependencies: readonly string[];
  /** From its package.json. */
  readonly packageJson: readonly string[];
}

/** A lockfile of any version, in the terms of version 5. */
export interface Lockfile {
  /** Path relative to the project, with `/`. */
  readonly path: string;
  readonly version: LockfileVersion;
  readonly npm: ReadonlyMap<string, LockedNpm>;
  readonly jsr: ReadonlyMap<string, LockedJsr>;
  /** Hash by address of a remote module. */
  readonly remote: ReadonlyMap<string, string>;
  readonly redirects: ReadonlyMap<string, string>;
  /** What each request resolved to: an npm id, or the key of a JSR package. */
  readonly specifiers: ReadonlyMap<string, string>;
  /** `undefined` in versions and projects that record none. */
  readonly workspace: {
    readonly root: LockedMember;
    readonly members: ReadonlyMap<string, LockedMember>;
    /** Requests by the key of a linked package, such as `jsr:@scope/name@1.0.0`. */
    readonly links: ReadonlyMap<string, readonly string[]>;
  } | undefined;
  /** Of package.json, as they were when the lockfile was written; `undefined` when there were none. */
  readonly overrides: unknown;
  /** Ids whose name or version no registry could have, so that readers disagree on what they mean. */
  readonly malformedIds: readonly { readonly section: "npm" | "jsr"; readonly id: string }[];
  /** Fields that no version of the format has had so far. */
  readonly unknownFields: readonly ScannedKey[];
  /** Keys that an object has twice. */
  readonly duplicateKeys: readonly ScannedKey[];
  /** Where a key of a section stands. */
  locate(section: "npm" | "jsr" | "remote" | "specifiers", key: string): FindingLocation;
  /** Where an offset of the text stands. */
  locateOffset(offset: number): FindingLocation;
}

/** Sections of a lockfile by version. Deno merges what belongs to another version into its own. */
const SECTIONS: Readonly<Record<Exclude<Lockfile["version"], "1">, readonly string[]>> = {
  2: ["version", "remote", "redirects", "npm"],
  3: ["version", "remote", "redirects", "packages", "workspace"],
  4: ["version", "specifiers", "jsr", "npm", "redirects", "remote", "workspace"],
  5: ["version", "specifiers", "jsr", "npm", "redirects", "remote", "workspace"],
};

const ALL_SECTIONS: ReadonlySet<string> = new Set(Object.values(SECTIONS).flat());

const KNOWN_FIELDS = {
  packages: new Set(["specifiers", "jsr", "npm"]),
  npm: new Set([
    ...["integrity", "dependencies", "optionalDependencies", "optionalPeers", "os", "cpu"],
    ...["tarball", "deprecated", "scripts", "bin"],
  ]),
  jsr: new Set(["integrity", "dependencies"]),
  workspace: new Set([
    ...["dependencies", "packageJson", "members", "links", "patches", "npmOverrides"],
  ]),
};

/**
 * Reads the text of a deno.lock of version 1 to 5.
 *
 * @param path How errors and findings name the file.
 * @throws {SecurityError} `lockfile-unreadable` with line and expectation if the text is no lockfile;
 * `lockfile-version-unknown` if its version is not one of 1 to 5.
 */
export function parseLockfile(text: string, path: string): Lockfile {
  const lines = once(() => new LineIndex(text));
  const locateOffset = (offset: number) => ({ file: path, ...lines().at(offset) });
  const scan = scanJson(text, {
    maxDepth: MAX_DEPTH,
    maxContainers: MAX_CONTAINERS,
    maxDuplicates: MAX_LISTED,
  });
  if (scan.exceeded !== undefined) {
    const { line, column } = lines().at(scan.exceeded.offset);
    const expectation = scan.exceeded.limit === "maxDepth"
      ? `expected at most ${MAX_DEPTH} levels of nesting`
      : `expected at most ${MAX_CONTAINERS} objects and arrays`;
    throw unreadable(path, line, column, expectation);
  }
  const reader = new LockReader(path, scan.offsets, lines);
  const root = reader.object(reader.json(text), []);
  const version = reader.version(root);
  const packages = version === "3" ? reader.object(field(root, "packages"), ["packages"]) : root;
  const base = version === "3" ? ["packages"] : [];
  // Version 2 nests the packages of npm, as it knew no other kind.
  const npmBase = version === "2" ? ["npm", "packages"] : [...base, "npm"];
  const npmSection = version === "2"
    ? reader.object(field(reader.object(field(root, "npm"), ["npm"]), "packages"), npmBase)
    : reader.object(field(packages, "npm"), npmBase);
  const unknownFields: ScannedKey[] = [];
  const note: Note = (path, known, object) => {
    for (const key in object) {
      if (!known.has(key) && unknownFields.length < MAX_LISTED) {
        unknownFields.push({ path, key, offset: reader.offset(path, key) });
      }
    }
  };

  if (version === "1") {
    for (const key of Object.keys(root)) {
      if (!/^https?:\/\//.test(key)) {
        throw reader.error([], key, 'expected a field "version", or the addresses of version 1');
      }
    }
  }
  const remote = version === "1"
    ? reader.strings(root, [])
    : reader.strings(reader.object(field(root, "remote"), ["remote"]), ["remote"]);
  if (version !== "1") {
    const known = new Set(SECTIONS[version]);
    for (const key of Object.keys(root)) {
      // Deno's migration would take packages from it that a reader of this version does not see.
      if (!known.has(key) && ALL_SECTIONS.has(key)) {
        throw reader.error([], key, `expected no such section in version ${version}`);
      }
    }
    note([], known, root);
    if (version === "2") {
      note(
        ["npm"],
        new Set(["specifiers", "packages"]),
        reader.object(field(root, "npm"), ["npm"]),
      );
    }
    if (version === "3") note(["packages"], KNOWN_FIELDS.packages, packages);
  }
  const malformedIds: { section: "npm" | "jsr"; id: string }[] = [];

  const npm = readNpm(reader, npmSection, npmBase, version, note, malformedIds);
  const jsr = new Map<string, LockedJsr>();
  for (
    const [id, value] of Object.entries(reader.object(field(packages, "jsr"), [...base, "jsr"]))
  ) {
    const entryPath = [...base, "jsr", id];
    const parsed = id.length > MAX_ID_LENGTH ? undefined : parseNpmId(id);
    if (parsed === undefined || !id.startsWith("@")) {
      throw reader.error([...base, "jsr"], id, 'expected a key of the form "@scope/name@version"');
    }
    const entry = reader.object(value, entryPath);
    const version = canonicalVersion(id.slice(parsed.name.length + 1));
    if (`${parsed.name}@${version}` !== id || !JSR_NAME.test(parsed.name)) {
      malformedIds.push({ section: "jsr", id });
    }
    note(entryPath, KNOWN_FIELDS.jsr, entry);
    jsr.set(id, {
      id,
      name: parsed.name,
      version,
      integrity: reader.string(entry, "integrity", entryPath),
      dependencies: reader.list(entry, "dependencies", entryPath),
    });
  }

  const workspaceValue = field(root, "workspace");
  if (workspaceValue !== undefined) {
    note(["workspace"], KNOWN_FIELDS.workspace, reader.object(workspaceValue, ["workspace"]));
  }
  const sections: Readonly<Record<string, readonly string[]>> = {
    npm: npmBase,
    jsr: [...base, "jsr"],
    remote: version === "1" ? [] : ["remote"],
    specifiers: version === "2" ? ["npm", "specifiers"] : [...base, "specifiers"],
  };
  return {
    path,
    version,
    npm,
    jsr,
    remote,
    redirects: reader.strings(reader.object(field(root, "redirects"), ["redirects"]), [
      "redirects",
    ]),
    specifiers: readSpecifiers(reader, version, root, packages),
    overrides: overridesIn(reader, workspaceValue),
    malformedIds,
    workspace: workspaceValue === undefined ? undefined : readWorkspace(reader, workspaceValue),
    unknownFields,
    duplicateKeys: scan.duplicates,
    locate: (section, key) => locateOffset(reader.offset(sections[section]!, key)),
    locateOffset,
  };
}

type Note = (path: readonly string[], known: ReadonlySet<string>, object: JsonObject) => void;

function readNpm(
  reader: LockReader,
  section: JsonObject,
  base: readonly string[],
  version: string,
  note: Note,
  malformedIds: { section: "npm" | "jsr"; id: string }[],
): Map<string, LockedNpm> {
  const idByName = new Map<string, string>();
  const parsedIds: { id: string; name: string; version: string }[] = [];
  for (const id of Object.keys(section)) {
    const parsed = id.length > MAX_ID_LENGTH ? undefined : parseNpmId(id);
    if (parsed === undefined) throw reader.error(base, id, 'expected a key "name@version"');
    const { name, peers } = parsed;
    // Deno takes `v1.0.0` and `=1.0.0`, too, and asks the registry for 1.0.0: so the checks do.
    const version = canonicalVersion(parsed.version);
    if (`${name}@${version}${peers}` !== id || !NPM_NAME.test(name)) {
      malformedIds.push({ section: "npm", id });
    }
    parsedIds.push({ id, name, version });
    // Where a name that stands alone has several versions, which Deno never writes, it takes the last.
    const other = idByName.get(name);
    if (other === undefined || other < id) idByName.set(name, id);
  }
  const npm = new Map<string, LockedNpm>();
  for (const { id, name, version: exact } of parsedIds) {
    const path = [...base, id];
    const entry = reader.object(section[id], path);
    note(path, KNOWN_FIELDS.npm, entry);
    let dependencies: string[];
    if (version === "2" || version === "3") {
      const deps = reader.object(field(entry, "dependencies"), [...path, "dependencies"]);
      dependencies = [...reader.strings(deps, [...path, "dependencies"]).values()];
    } else {
      dependencies = [];
      for (const section of ["dependencies", "optionalDependencies"]) {
        for (const text of reader.list(entry, section, path)) {
          dependencies.push(resolveNpmDependency(text, idByName));
        }
      }
      for (const peer of reader.list(entry, "optionalPeers", path)) {
        // A request rather than an id when nobody provides the peer: an edge only if it is there.
        if (Object.hasOwn(section, peer)) dependencies.push(peer);
      }
    }
    npm.set(id, {
      id,
      name,
      version: exact,
      integrity: reader.string(entry, "integrity", path),
      dependencies,
      deprecated: field(entry, "deprecated") === true,
      scripts: field(entry, "scripts") === true,
      tarball: reader.string(entry, "tarball", path),
      os: reader.list(entry, "os", path),
      cpu: reader.list(entry, "cpu", path),
    });
  }
  return npm;
}

/** The id that `name`, `name@id` or `alias@npm:name@id` stands for. */
function resolveNpmDependency(text: string, idByName: ReadonlyMap<string, string>): string {
  const at = text.indexOf("@", 1);
  if (at < 0) return idByName.get(text) ?? text;
  return text.startsWith("npm:", at + 1) ? text.slice(at + 5) : text;
}

function overridesIn(reader: LockReader, workspace: unknown): unknown {
  const fields = reader.object(workspace, ["workspace"]);
  const packageJson = reader.object(field(fields, "packageJson"), ["workspace", "packageJson"]);
  return field(fields, "npmOverrides") ?? field(packageJson, "overrides");
}

function readSpecifiers(
  reader: LockReader,
  version: string,
  root: JsonObject,
  packages: JsonObject,
): Map<string, string> {
  const path = version === "2"
    ? ["npm", "specifiers"]
    : version === "3"
    ? ["packages", "specifiers"]
    : ["specifiers"];
  const section = version === "2"
    ? field(reader.object(field(root, "npm"), ["npm"]), "specifiers")
    : field(packages, "specifiers");
  const specifiers = new Map<string, string>();
  for (const [key, value] of reader.strings(reader.object(section, path), path)) {
    // Version 2 writes `name@range` and `name@id`; 3 prefixes both; 4 and 5 keep only what follows
    // the name on the right.
    const request = version === "2" ? `npm:${key}` : key;
    const parsed = parseRequest(request);
    if (parsed === undefined) throw reader.error(path, key, 'expected "npm:…" or "jsr:…"');
    const id = version === "2"
      ? value
      : version === "3"
      ? value.replace(/^(?:npm|jsr):/, "")
      : `${parsed.name}@${value}`;
    specifiers.set(request, id);
  }
  return specifiers;
}

function readWorkspace(reader: LockReader, value: unknown): NonNullable<Lockfile["workspace"]> {
  const path = ["workspace"];
  const workspace = reader.object(value, path);
  const member = (value: unknown, path: readonly string[]): LockedMember => {
    const fields = reader.object(value, path);
    const packageJson = reader.object(field(fields, "packageJson"), [...path, "packageJson"]);
    return {
      dependencies: reader.list(fields, "dependencies", path),
      packageJson: reader.list(packageJson, "dependencies", [...path, "packageJson"]),
    };
  };
  const members = new Map<string, LockedMember>();
  const memberPath = [...path, "members"];
  for (
    const [name, value] of Object.entries(reader.object(field(workspace, "members"), memberPath))
  ) {
    members.set(name, member(value, [...memberPath, name]));
  }
  const links = new Map<string, string[]>();
  for (const section of ["patches", "links"]) {
    for (
      const [key, value] of Object.entries(
        reader.object(field(workspace, section), [...path, section]),
      )
    ) {
      const linkPath = [...path, section, key];
      const link = reader.object(value, linkPath);
      links.set(
        key,
        ["dependencies", "optionalDependencies", "peerDependencies"].flatMap((field) =>
          reader.list(link, field, linkPath)
        ),
      );
    }
  }
  return { root: member(value, path), members, links };
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
