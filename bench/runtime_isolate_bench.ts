/** What it costs to have work done by a process that can be killed. */

import { IsolatePool, SecurityError } from "@bartizan/security";
import { benchOnce, formatTurns, median, takeTurns } from "./_turns.ts";

const source = "export default (n) => { while (n === 0); return n; }";
const module = `data:application/javascript,${encodeURIComponent(source)}`;
const worker = `data:application/javascript,${
  encodeURIComponent("onmessage = ({ data }) => postMessage(data);")
}`;

function askWorker(): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const other = new Worker(worker, { type: "module" });
  other.onmessage = ({ data }) => {
    other.terminate();
    resolve(data);
  };
  other.postMessage(1);
  return promise;
}

benchOnce("isolated work", async () => {
  await using pool = new IsolatePool(module);
  await pool.warm();
  const turns = await takeTurns([
    { name: "a new Worker, which no deadline can stop", run: askWorker },
    { name: "IsolatePool.run() on a warm process", run: () => pool.run(1) },
    {
      name: "IsolatePool.run() on a new process",
      async run() {
        await using fresh = new IsolatePool(module);
        await fresh.run(1);
      },
    },
  ], { rounds: 15, calls: 3 });
  const late: number[] = [];
  for (let at = 0; at < 15; at++) {
    await pool.warm();
    const started = performance.now();
    const error: unknown = await pool.run(0, { timeoutMs: 50 }).catch((error) => error);
    if (!(error instanceof SecurityError)) throw error;
    late.push(performance.now() - started - 50);
  }
  return `${formatTurns("one job", turns)}\n\nA loop ends ${
    median(late).toFixed(1)
  } ms after its deadline, seen by the caller (median of 15).`;
});
