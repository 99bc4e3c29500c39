import type { Colors } from "picocolors/types";

/** What picocolors reads from the environment as soon as it is loaded, beside `NO_COLOR`. */
const VARIABLES = ["FORCE_COLOR", "TERM", "CI"] as const;

/** The colours of a report. */
export type Paint = Pick<Colors, "bold" | "dim" | "red" | "yellow" | "green" | "cyan">;

const plain = (text: string | number | null | undefined): string => String(text);
const PLAIN: Paint = {
  bold: plain,
  dim: plain,
  red: plain,
  yellow: plain,
  green: plain,
  cyan: plain,
};

const picocolors = await load();

/**
 * Colours for a terminal, or none.
 *
 * Without permission to read `NO_COLOR` nobody can tell whether colours are wanted, so there are
 * none: a report must not fail, or ask for a permission, for the sake of its colours.
 */
export function paint(color: boolean): Paint {
  return color && picocolors !== undefined ? picocolors.createColors(true) : PLAIN;
}

async function load(): Promise<typeof import("picocolors") | undefined> {
  if (!mayRead()) return undefined;
  try {
    return (await import("picocolors")).default;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

function mayRead(): boolean {
  // Other runtimes have no such permission.
  if (!("Deno" in globalThis)) return true;
  const state = (variable: string) => Deno.permissions.querySync({ name: "env", variable }).state;
  // A variable that is denied may be one that the permission set ignores: reading it tells.
  return state("NO_COLOR") === "granted" &&
    VARIABLES.every((variable) => state(variable) !== "prompt");
}
