/** Makes many guarded calls that end early, and tells when it has nothing more to do. */
import { withDeadline } from "../../src/runtime/with_deadline.ts";

const [way, count = "0"] = Deno.args;
const { signal } = new AbortController();
for (let call = 0; call < Number(count); call++) {
  if (way === "withDeadline") {
    await withDeadline(
      () => call % 1000 === 0 ? new Promise((resolve) => setTimeout(resolve)) : Promise.resolve(),
      { timeoutMs: 3000, signal },
    );
  } else if (way === "AbortSignal.timeout") {
    const timeout = AbortSignal.timeout(3000);
    await Promise.race([
      Promise.resolve(),
      new Promise((_, reject) => timeout.addEventListener("abort", reject)),
    ]);
  } else {
    // Nothing else keeps the program alive until the deadline.
    await withDeadline(() => new Promise(() => {}), { timeoutMs: 50 }).catch(({ code }) =>
      console.log(code)
    );
  }
}
console.log(Date.now());
