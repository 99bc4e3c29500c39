import type { FindingLocation } from "../report.ts";

/** A dependency that a file of the project declares. */
export interface DeclaredDependency {
  /** The name that the code imports it by. */
  readonly alias: string;
  /** With its scheme: `npm:lodash@^4`, `jsr:@std/path@^1`, `https://…`. */
  readonly specifier: string;
  /** Declared for development only. */
  readonly dev: boolean;
  readonly location: FindingLocation;
}

/** A configuration file of the project or of one of its members. */
export interface ConfigFile {
  /** Path relative to the project, with `/`. */
  readonly path: string;
  readonly kind: "deno" | "package-json" | "import-map";
  /** Folder of the member relative to the project; empty for the root. */
  readonly member: string;
  readonly text: string;
  /** The parsed file. Keys come from outside: read them with `Object.hasOwn` or `Map`s. */
  readonly value: Readonly<Record<string, unknown>>;
  readonly dependencies: readonly DeclaredDependency[];
}

/** What .npmrc files say about registries. */
export interface Npmrc {
  /** The default registry, when it is set. */
  readonly registry?: string;
  /** Registry by scope, such as `@acme`, in lower case. */
  readonly scopes: ReadonlyMap<string, string>;
  /** Scopes in lower case that some file maps to a registry of its own: their names are confidential. */
  readonly privateScopes: ReadonlySet<string>;
}

/** A Deno project on disk. */
export interface Project {
  /** Absolute path of its folder: the root of the workspace, where it is one. */
  readonly root: string;
  readonly name: string;
  /** The root's files first, then those of the members in the order of the workspace. */
  readonly configs: readonly ConfigFile[];
  readonly npmrc: Npmrc;
  /** What belongs to the configuration and was not read, in words: a remote import map. */
  readonly unread: readonly string[];
}
