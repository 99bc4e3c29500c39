/**
 * Stands in for npm: `pack` puts the tarball of the first argument into the working folder.
 *
 * With `--hang` it writes half of it and then takes its time, as a slow network would.
 */
const [tarball, mode, ...rest] = Deno.args;
if (tarball === undefined || !rest.includes("pack")) Deno.exit(2);
const data = await Deno.readFile(tarball);
if (mode === "--hang") {
  await Deno.writeFile("carrier-1.0.0.tgz", data.subarray(0, data.length / 2));
  await new Promise((resolve) => setTimeout(resolve, 2000));
} else {
  await Deno.writeFile("carrier-1.0.0.tgz", data);
}
