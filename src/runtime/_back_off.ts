import { integerOption, wrongOption } from "../_internal/options.ts";
import { MAX_BLOCK_MS } from "./_block_snapshot.ts";

/** How long blocks last that do not say it. */
export interface BackOffOptions {
  /** The first one, in milliseconds. @default {600_000} */
  readonly baseMs?: number;
  /** By how much the next one is longer, from 1 to 100. @default {2} */
  readonly factor?: number;
  /** The longest one, in milliseconds. @default {604_800_000} */
  readonly maxMs?: number;
  /** How long after the end of a block the next one counts as another one, in milliseconds. @default {86_400_000} */
  readonly forgetAfterMs?: number;
}

/** Reads the options. */
export function readBackOff(options: BackOffOptions = {}): Required<BackOffOptions> {
  const { factor = 2 } = options;
  const duration = (name: "baseMs" | "maxMs" | "forgetAfterMs", otherwise: number) =>
    integerOption("make a BlockList", `backOff.${name}`, options[name], {
      otherwise,
      least: 1,
      most: MAX_BLOCK_MS,
    });
  if (typeof factor !== "number") {
    throw wrongOption("make a BlockList", "backOff.factor", "a number", factor);
  }
  if (!(factor >= 1 && factor <= 100)) {
    throw new RangeError(
      `Cannot make a BlockList: 'backOff.factor' must be from 1 to 100: current value is ${factor}`,
    );
  }
  const baseMs = duration("baseMs", 600_000);
  const maxMs = duration("maxMs", Math.max(baseMs, 604_800_000));
  if (maxMs < baseMs) {
    throw new RangeError(
      `Cannot make a BlockList: 'backOff.maxMs' must be at least 'backOff.baseMs': current value is ${maxMs}`,
    );
  }
  return { baseMs, factor, maxMs, forgetAfterMs: duration("forgetAfterMs", 86_400_000) };
}
