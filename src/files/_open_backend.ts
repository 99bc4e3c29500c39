/**
 * The choice of a backend: once, when a validator opens, and never again.
 *
 * @module
 */

import type { BackendFactory, FileBackend, Protection } from "./backends/backend.ts";
import { fileError } from "./_errors.ts";
import { openBestEffort } from "./backends/best_effort.ts";
import { missingForFdVerified, openFdVerified } from "./backends/fd_verified.ts";

const RANKS: ReadonlyMap<Protection, number> = new Map([
  ["best-effort", 0],
  ["fd-verified", 1],
  ["kernel", 2],
]);

/** Throws unless it is one of the names. */
export function requireProtection(protection: Protection): void {
  if (RANKS.has(protection)) return;
  const names = [...RANKS.keys()].map((name) => `"${name}"`).join(", ");
  throw new TypeError(`'protection' must be one of ${names}`);
}

/**
 * Opens the backend that was given, or else the best one that needs no FFI.
 *
 * @param least The least protection that is acceptable.
 * @param factory What the caller configured.
 * @throws {SecurityError} `protection-unavailable`, with a message that says what is missing.
 */
export async function openBackend(
  least: Protection,
  factory: BackendFactory | undefined,
): Promise<FileBackend> {
  if (factory !== undefined) {
    const backend = await factory();
    if (isEnough(backend.protection, least)) return backend;
    backend.close();
    throw fileError("protection-unavailable", {
      message: `Protection ${least} is asked for, and 'backend' gives ${backend.protection}`,
    });
  }
  if (least === "kernel") {
    throw fileError("protection-unavailable", {
      message:
        "Protection kernel needs 'backend: openat2()' of @bartizan/security/openat2, and --allow-ffi",
      details: { missing: ["openat2"] },
    });
  }
  // When it is asked for, its own error says what is missing.
  if (least === "fd-verified" || missingForFdVerified().length === 0) {
    try {
      return await openFdVerified();
    } catch (error) {
      // A system without /proc, or with another one: less is acceptable then.
      if (least === "fd-verified") throw error;
    }
  }
  return await openBestEffort();
}

function isEnough(protection: Protection, least: Protection): boolean {
  return (RANKS.get(protection) ?? -1) >= (RANKS.get(least) ?? 0);
}
