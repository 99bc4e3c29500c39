/** Runs `vendor()` with the options in the first argument, and prints what came of it. */
import { vendor, VendorError } from "../../tools/vendor.ts";

const reported: string[] = [];
try {
  const options = JSON.parse(Deno.args[0] ?? "");
  const outcome = await vendor({ ...options, report: (line) => reported.push(line) });
  console.log(JSON.stringify({ outcome, reported }));
} catch (error) {
  if (!(error instanceof VendorError)) throw error;
  console.log(JSON.stringify({ error: error.message, reported }));
}
