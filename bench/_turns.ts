/** Contenders that take turns in one process, and tables of their medians. */

/** What is measured. */
export interface Contender {
  readonly name: string;
  /** One call; a promise is awaited. */
  readonly run: () => unknown;
}

/** One line of a table. */
export interface Turn {
  readonly name: string;
  /** The median of a call, in microseconds. */
  readonly micros: number;
  /** The median of its ratios to the first contender in the same round. */
  readonly ratio: number;
}

/** How long to measure. */
export interface TurnsOptions {
  /** Rounds that count. @default {41} */
  readonly rounds?: number;
  /** Calls of each contender in a round. @default {100} */
  readonly calls?: number;
}

const WARM_UP = 8;

/** Measures contenders against the first one, all in turns so that none has a quieter machine. */
export async function takeTurns(
  contenders: readonly Contender[],
  { rounds = 41, calls = 100 }: TurnsOptions = {},
): Promise<Turn[]> {
  const samples = contenders.map((): number[] => []);
  for (let round = -WARM_UP; round < rounds; round++) {
    for (let at = 0; at < contenders.length; at++) {
      // Another order in every round, so that nobody always runs after the same one.
      const index = (at + round + contenders.length * WARM_UP) % contenders.length;
      const { run } = contenders[index]!;
      const start = performance.now();
      for (let call = 0; call < calls; call++) {
        const result = run();
        if (result instanceof Promise) await result;
      }
      const elapsed = performance.now() - start;
      if (round >= 0) samples[index]!.push(elapsed / calls * 1000);
    }
  }
  return contenders.map(({ name }, index) => ({
    name,
    micros: median(samples[index]!),
    ratio: median(samples[index]!.map((micros, round) => micros / samples[0]![round]!)),
  }));
}

/** The number in the middle. */
export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

/** A table in Markdown. */
export function formatTurns(title: string, turns: readonly Turn[]): string {
  const width = Math.max(title.length, ...turns.map(({ name }) => name.length));
  const line = (name: string, micros: string, ratio: string) =>
    `| ${name.padEnd(width)} | ${micros.padStart(10)} | ${ratio.padStart(5)} |`;
  return [
    line(title, "median", "ratio"),
    `| ${"-".repeat(width)} | ---------: | ----: |`,
    ...turns.map(({ name, micros, ratio }) =>
      line(name, `${micros.toFixed(2)} µs`, ratio.toFixed(2))
    ),
  ].join("\n");
}

const tables: string[] = [];
addEventListener("unload", () => tables.forEach((table) => console.log(`\n${table}`)));

/** Declares a benchmark that measures once, though Deno calls it more often; its table comes at the end. */
export function benchOnce(name: string, measure: () => Promise<string>): void {
  let isDone = false;
  Deno.bench({
    name,
    n: 1,
    warmup: 0,
    async fn() {
      if (!isDone) tables.push(await measure());
      isDone = true;
    },
  });
}

/** What Web Crypto calls the algorithms that are measured. */
export const SIGNATURES: Readonly<
  Record<string, { readonly name: string; readonly hash?: string }>
> = {
  ES256: { name: "ECDSA", hash: "SHA-256" },
  Ed25519: { name: "Ed25519" },
};
