import { assert, assertEquals } from "@std/assert";
import { attemptAll, reachesBare } from "./_attempt.ts";
import { type Attack, ATTACKS } from "./_attacks.ts";
import { availableBackends } from "./_backends.ts";
import { type OperationName, OPERATIONS } from "./_every_operation.ts";

const backends = await availableBackends();

/** Operations on a name rather than on what it leads to. */
const ON_NAME: ReadonlySet<OperationName> = new Set([
  "write",
  "write new",
  "remove",
  "remove all below",
  "rename from",
  "rename to",
  "copy to",
  "mkdir",
  "mkdir with parents",
]);

/** What may come of an operation. */
function allowed(attack: Attack, name: OperationName): readonly string[] {
  const codes = ["path-outside-root"];
  if (attack.absent === true) codes.push("not-found");
  if (attack.onLink === true && ON_NAME.has(name)) codes.push("done", "already-exists");
  return codes;
}

for (const attack of ATTACKS) {
  Deno.test(`control: Deno's own API reaches outside by ${attack.name}`, async () => {
    const reached: OperationName[] = [];
    for (const operation of OPERATIONS) {
      if (await reachesBare(operation, attack)) reached.push(operation.name);
    }
    assertEquals(reached.toSorted(), attack.reaches.toSorted());
  });
}

for (const under of backends) {
  for (const attack of ATTACKS) {
    Deno.test(`${under.protection}: no operation gets out by ${attack.name}`, async () => {
      const found = await attemptAll(attack, under);
      for (const { name } of OPERATIONS) {
        const codes = allowed(attack, name);
        assert(codes.includes(found[name]), `${name}: ${found[name]} is none of ${codes}`);
      }
    });

    const links = attack.tree.some((line) => line.includes(" => "));
    if (!links) continue;
    Deno.test(`${under.protection}: nor where links are denied, by ${attack.name}`, async () => {
      const found = await attemptAll(attack, under, { symlinks: "deny" });
      for (const { name } of OPERATIONS) {
        const codes = attack.onLink === true && ON_NAME.has(name)
          ? ["symlink-denied", "done", "already-exists"]
          : ["symlink-denied"];
        assert(codes.includes(found[name]), `${name}: ${found[name]} is none of ${codes}`);
      }
    });
  }
}
