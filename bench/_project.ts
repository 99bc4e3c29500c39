/**
 * Writes a project with `count` npm packages: as in a real one, each depends on a few others, and a
 * quarter of the names have advisories in the generated database.
 */
export async function writeProject(folder: string, count: number): Promise<string> {
  const path = `${folder}/project-${count}`;
  await Deno.mkdir(path);
  const nameOf = (index: number) => index % 4 === 0 ? `package-${index}` : `clean-${index}`;
  const npm: Record<string, unknown> = {};
  for (let index = 0; index < count; index++) {
    const below = [index * 3 + 1, index * 3 + 2, index * 3 + 3].filter((other) => other < count);
    npm[`${nameOf(index)}@${index % 9}.4.0`] = {
      integrity: `sha512-${btoa(String(index).padStart(64, "0"))}==`,
      ...(below.length > 0 && { dependencies: below.map(nameOf) }),
    };
  }
  const request = `npm:${nameOf(0)}@0`;
  await Deno.writeTextFile(
    `${path}/deno.lock`,
    JSON.stringify(
      {
        version: "5",
        specifiers: { [request]: "0.4.0" },
        npm,
        workspace: { dependencies: [request] },
      },
      null,
      2,
    ),
  );
  const config = { imports: { first: `npm:${nameOf(0)}@^0` }, lock: { frozen: true } };
  await Deno.writeTextFile(`${path}/deno.json`, JSON.stringify(config));
  return path;
}
