/**
 * What the context of a validator is made of, and what operations say to it and get from it.
 *
 * @module
 */

import type { AuditReporter } from "../events/audit_event.ts";
import type { FileBackend, Located } from "./backends/backend.ts";
import type { Limits } from "./_limits.ts";
import type { GrantedPaths } from "./required_permissions.ts";
import type { Platform } from "./_root_paths.ts";
import type { FileRoot } from "./_root_table.ts";

/** What every operation takes. */
export interface OperationOptions {
  /** Aborts the operation; it rejects with the signal's reason. @default {undefined} */
  readonly signal?: AbortSignal;
  /** On whose behalf; the audit event keeps at most 1024 code units. @default {undefined} */
  readonly principal?: string;
}

/** What an object is looked up for. */
export interface LocateUse {
  /** Something below will be changed: refuses read-only roots. @default {false} */
  readonly change?: boolean;
  /**
   * The name will be that of a file: the extension rules apply to it even though there is nothing yet.
   * Only `locateParent()` asks; `locate()` sees what there is. @default {false}
   */
  readonly file?: boolean;
  /** A root, or a directory that holds one, will be removed or replaced: refuses it. @default {false} */
  readonly replaces?: boolean;
}

/** The directory that holds, or will hold, what a client named. */
export interface LocatedParent {
  /** The directory; the caller closes it. */
  readonly parent: Located;
  /** The last component; neither followed nor looked up. */
  readonly name: string;
  /** Canonical path of the name in the directory. */
  readonly path: string;
  /** The innermost root of that path. */
  readonly root: FileRoot;
}

/** Everything that a {@linkcode FileContext} is made of. */
export interface FileContextParts {
  readonly backend: FileBackend;
  /** Where relative paths start, in order. */
  readonly starts: readonly FileRoot[];
  /** Every root, those that are only reached from another one included. */
  readonly roots: readonly FileRoot[];
  readonly limits: Limits;
  readonly permissions: GrantedPaths;
  /** Absent when nobody listens: then no event is made. */
  readonly reporter?: AuditReporter;
  readonly platform: Platform;
}
