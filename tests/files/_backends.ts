/** The ways of touching files that this process can have, for tests that must hold for each. */
import type { BackendFactory, Protection } from "../../src/files/backends/backend.ts";
import { openat2 } from "../../src/files/openat2.ts";
import { openBestEffort } from "../../src/files/backends/best_effort.ts";
import { openFdVerified } from "../../src/files/backends/fd_verified.ts";

/** A backend under test. */
export interface BackendUnderTest {
  readonly protection: Protection;
  readonly backend: BackendFactory;
}

const KINDS = ["read", "write", "net", "env", "sys", "run", "ffi", "import"] as const;

/** Deno lets only a process with every permission look into `/proc`. */
export const hasEveryPermission: boolean = KINDS.every((name) =>
  Deno.permissions.querySync({ name } as Deno.PermissionDescriptor).state === "granted"
);

const ALL: readonly BackendUnderTest[] = [
  { protection: "kernel", backend: openat2() },
  { protection: "fd-verified", backend: openFdVerified },
  { protection: "best-effort", backend: openBestEffort },
];

async function whyNot({ protection, backend }: BackendUnderTest): Promise<string | undefined> {
  if (protection === "fd-verified" && !hasEveryPermission) {
    return "this process has not every permission; all_permissions_test.ts runs it in one that has";
  }
  try {
    (await backend()).close();
    return undefined;
  } catch (error) {
    return String(error);
  }
}

/** What can be tested here. What cannot is named, with the reason. */
export async function availableBackends(): Promise<readonly BackendUnderTest[]> {
  const available: BackendUnderTest[] = [];
  for (const one of ALL) {
    const reason = await whyNot(one);
    if (reason === undefined) available.push(one);
    else console.log(`skipped: ${one.protection} (${reason})`);
  }
  return available;
}
