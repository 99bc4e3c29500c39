/**
 * What Deno grants for a path, asked so that it never prompts.
 *
 * @module
 */

import { missingPermission } from "../required_permissions.ts";

type Access = "read" | "write";

/**
 * Asks what is granted before the disk is touched by a path: Deno itself would ask the user at the terminal,
 * and whoever answers there is not whom a client's path should reach.
 *
 * The status of a whole kind of permission follows every change, that of a path does not: an unrestricted
 * permission costs a glance, and a path is asked about every time.
 */
export class Granted {
  readonly #kinds: Readonly<Record<Access, Deno.PermissionStatus>> = {
    read: Deno.permissions.querySync({ name: "read" }),
    write: Deno.permissions.querySync({ name: "write" }),
  };

  /** Whether a path may be used. */
  has(name: Access, path: string): boolean {
    const kind = this.#kinds[name];
    if (kind.state === "granted" && !kind.partial) return true;
    return Deno.permissions.querySync({ name, path }).state === "granted";
  }

  /** Throws `permission-missing`, with the flag, when a path may not be used. */
  demand(name: Access, path: string): void {
    if (!this.has(name, path)) throw missingPermission(name, path);
  }

  /**
   * The same for a path that is renamed: neither it nor anything below may be denied. Deno asks about the path
   * alone, and what is denied would be so no longer under its new name.
   */
  demandWhole(name: Access, path: string): void {
    const kind = this.#kinds[name];
    if (kind.state === "granted" && !kind.partial) return;
    const { state, partial } = Deno.permissions.querySync({ name, path });
    if (state !== "granted" || partial) throw missingPermission(name, path);
  }
}
