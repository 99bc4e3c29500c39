import { assertEquals } from "@std/assert";
import { attemptAll, reachesBare } from "./_attempt.ts";
import { type Attack, ATTACKS } from "./_attacks.ts";
import { availableBackends } from "./_backends.ts";
import { type OperationName, OPERATIONS } from "./_every_operation.ts";

const backends = await availableBackends();

/** What comes of an operation on a name that is a link, rather than on what the link leads to. */
const ON_LINK: Partial<Record<OperationName, string>> = {
  "write new": "already-exists",
  "mkdir": "already-exists",
  "remove": "done",
  "remove all below": "done",
  "rename from": "done",
  "rename to": "done",
};

/** What has to come of every operation: what is outside is refused, whether it is there or not. */
function expectedCodes({ onLink }: Attack, refusal: string): Record<string, string> {
  const codes = OPERATIONS.map(({ name }): [string, string] => [name, refusal]);
  return { ...Object.fromEntries(codes), ...(onLink === true ? ON_LINK : {}) };
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
      assertEquals({ ...found }, expectedCodes(attack, "path-outside-root"));
    });

    const links = attack.tree.some((line) => line.includes(" => "));
    if (!links) continue;
    Deno.test(`${under.protection}: nor where links are denied, by ${attack.name}`, async () => {
      const found = await attemptAll(attack, under, { symlinks: "deny" });
      assertEquals({ ...found }, expectedCodes(attack, "symlink-denied"));
    });
  }
}
