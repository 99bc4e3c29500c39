import type { OsvEvent, OsvRecord } from "../../../src/supply_chain/advisories/osv.ts";

type Key = readonly [number[], string[] | null];

/** Numbers and pre-release identifiers of a version. */
export function keyOf(version: string): Key {
  const [main, ...pre] = version.split("+")[0]!.split("-");
  const numbers = main!.split(".").map(Number);
  while (numbers.length < 3) numbers.push(0);
  return [numbers, pre.length > 0 ? pre.join("-").split(".") : null];
}

/** Precedence by section 11 of SemVer, written without the engine. */
export function naive(a: string, b: string): number {
  const [left, leftPre] = keyOf(a);
  const [right, rightPre] = keyOf(b);
  for (let index = 0; index < 3; index++) {
    if (left[index] !== right[index]) return left[index]! - right[index]!;
  }
  if (leftPre === null || rightPre === null) {
    return Number(leftPre === null) - Number(rightPre === null);
  }
  for (let index = 0; index < leftPre.length && index < rightPre.length; index++) {
    const x = leftPre[index]!;
    const y = rightPre[index]!;
    if (x === y) continue;
    const xNumber = /^\d+$/.test(x);
    const yNumber = /^\d+$/.test(y);
    if (xNumber && yNumber) return BigInt(x) < BigInt(y) ? -1 : 1;
    if (xNumber !== yNumber) return xNumber ? -1 : 1;
    return x < y ? -1 : 1;
  }
  return leftPre.length - rightPre.length;
}

/** The pseudocode of the OSV specification, to the letter; it shares nothing with the engine. */
export function isVulnerable(of: OsvRecord, name: string, version: string): boolean {
  if (of.withdrawn) return false;
  return (of.affected ?? []).some((entry) => {
    if (entry.package?.ecosystem !== "npm" || entry.package.name !== name) return false;
    if (entry.versions?.includes(version)) return true;
    return (entry.ranges ?? []).some((range) => {
      const bound = (event: OsvEvent) =>
        event.introduced ?? event.fixed ?? event.last_affected ?? event.limit!;
      const limits = range.events.filter((event) => event.limit !== undefined);
      if (
        limits.length > 0 &&
        !limits.some(({ limit }) => limit === "*" || naive(version, limit!) < 0)
      ) return false;
      let vulnerable = false;
      const sorted = range.events.filter((event) => event.limit === undefined).sort((a, b) => {
        const first = Number(b.introduced === "0") - Number(a.introduced === "0");
        return first !== 0 ? first : naive(bound(a), bound(b));
      });
      for (const event of sorted) {
        if (
          event.introduced !== undefined &&
          (event.introduced === "0" || naive(version, event.introduced) >= 0)
        ) {
          vulnerable = true;
        } else if (event.fixed !== undefined && naive(version, event.fixed) >= 0) {
          vulnerable = false;
        } else if (event.last_affected !== undefined && naive(version, event.last_affected) > 0) {
          vulnerable = false;
        }
      }
      return vulnerable;
    });
  });
}
