import type { CheckContext } from "../_check.ts";
import { durationSeconds } from "../_duration.ts";
import { specMatches } from "../policy/package_spec.ts";
import type { BuiltGraph } from "../project/graph.ts";
import type { Lockfile } from "../project/lockfile.ts";
import type { ConfigFile } from "../project/project.ts";
import type { Finding } from "../report.ts";
import { Collector } from "./_collector.ts";
import { lookalikesOf } from "./_lookalike.ts";

/** What the check needs beyond the context. */
export interface IntegrityInput {
  readonly lock: Lockfile | null;
  /** The path at which the lockfile was looked for, relative to the project. */
  readonly lockPath: string;
  readonly built: BuiltGraph;
}

/** Whether the lockfile pins every byte, says what the configuration says, and names no look-alike. */
export function checkIntegrity(context: CheckContext, input: IntegrityInput): Finding[] {
  const collector = new Collector(context, "integrity");
  const config = context.project.configs.find(({ member, kind }) =>
    member === "" && kind === "deno"
  );
  checkLockfile(context, collector, input, config);
  checkHashes(context, collector, input);
  checkDrift(context, collector, input);
  checkMinimumAge(context, collector, config);
  checkLookalikes(context, collector);
  return collector.done();
}

function checkLockfile(
  { policy, project }: CheckContext,
  collector: Collector,
  { lock, lockPath }: IntegrityInput,
  config: ConfigFile | undefined,
): void {
  const field = config?.value["lock"];
  if (lock === null) {
    // A project without dependencies needs none.
    if (project.configs.every(({ dependencies }) => dependencies.length === 0)) return;
    collector.add(policy.integrity.missingLock, "missing-lockfile", {
      message: field === false
        ? "deno.json turns the lockfile off, so nothing pins what is installed"
        : `there is no ${lockPath}, so nothing pins what is installed`,
      location: config && locationOf(config, '"lock"'),
      help: "Run `deno install` and commit deno.lock.",
    });
    return;
  }
  const frozen = typeof field === "object" && field !== null &&
    (field as Readonly<Record<string, unknown>>)["frozen"] === true;
  if (!frozen) {
    collector.add(policy.integrity.frozen, "lockfile-not-frozen", {
      message: "the lockfile is not frozen: a run may add packages to it that nobody reviewed",
      location: config && locationOf(config, '"lock"'),
      help:
        'Set "lock": { "frozen": true } in deno.json; update with `deno install --frozen=false`.',
    });
  }
  for (const { section, id } of lock.malformedIds) {
    // `evil@v1.0.0` is 1.0.0 to Deno and something else to whoever compares texts.
    collector.add("deny", "malformed-entry", {
      message: `${id} is not how Deno writes a name and version that a registry could have`,
      location: lock.locate(section, id),
      help: "Find out who wrote it; make the lockfile anew with `deno install --frozen=false`.",
    });
  }
  for (const { path, key, offset } of lock.unknownFields) {
    collector.add(policy.integrity.unknownField, "unknown-lockfile-field", {
      message: `${[...path, key].join(".")} is no known field of a lockfile; it was not checked`,
      location: lock.locateOffset(offset),
      help: "Update Bartizan if Deno has added it; otherwise find out who wrote it.",
    });
  }
  for (const { path, key, offset } of lock.duplicateKeys) {
    // The reader takes the last of the two, whoever reviews the file sees the first.
    collector.add("deny", "duplicate-key", {
      message: `${[...path, key].join(".")} stands in the lockfile twice`,
      location: lock.locateOffset(offset),
      help: "Make the lockfile anew with `deno install --frozen=false`.",
    });
  }
}

/** The place of a text in a file, or of its first line. */
function locationOf(config: ConfigFile, text: string) {
  const before = config.text.slice(0, Math.max(config.text.indexOf(text), 0)).split("\n");
  return { file: config.path, line: before.length, column: before.at(-1)!.length + 1 };
}

/** SHA-2 of npm (Subresource Integrity), and the bare hex of JSR and remote modules. */
const STRONG = /^(?:sha(?:256|384|512)-[A-Za-z0-9+/]+={0,2}|[0-9a-f]{64})$/;

function checkHashes(
  { graph, policy }: CheckContext,
  collector: Collector,
  { lock, built }: IntegrityInput,
): void {
  const level = policy.integrity.missingHash;
  for (const node of graph.packages) {
    if (
      node.hasIntegrity || node.kind === "link" || built.linked.has(`${node.kind}:${node.name}`)
    ) {
      continue;
    }
    collector.add(level, "missing-integrity", {
      node,
      message: `the lockfile has no hash for ${node.label}`,
      help: "Make the lockfile anew with `deno install --frozen=false`.",
    });
  }
  if (lock === null) return;
  const weak = (kind: "npm" | "jsr" | "remote", key: string, hash: string | undefined) => {
    if (hash === undefined || hash === "" || hash.split(" ").some((one) => STRONG.test(one))) {
      return;
    }
    collector.add(level, "weak-integrity", {
      message: `the hash of ${key} is none of SHA-256, SHA-384 and SHA-512`,
      location: lock.locate(kind, key),
      help: "Make the lockfile anew with `deno install --frozen=false`.",
    });
  };
  for (const { id, integrity } of lock.npm.values()) weak("npm", id, integrity);
  for (const { id, integrity } of lock.jsr.values()) weak("jsr", id, integrity);
  for (const [address, hash] of lock.remote) weak("remote", address, hash);
}

function checkDrift(
  { policy, project }: CheckContext,
  collector: Collector,
  { lock, built }: IntegrityInput,
): void {
  if (lock === null) return;
  const level = policy.integrity.drift;
  const help = "Run `deno install --frozen=false` and commit deno.lock.";
  const packageJson = project.configs.find(({ path }) => path === "package.json");
  const overrides = packageJson?.value["overrides"];
  if (packageJson !== undefined && !equal(overrides, lock.overrides)) {
    collector.add(level, "lockfile-drift", {
      message: "the overrides of package.json are not those that the lockfile was made with",
      location: locationOf(packageJson, '"overrides"'),
      help,
    });
  }
  for (const { config, declared } of built.unlocked) {
    collector.add(level, "lockfile-drift", {
      message: `${config.path} asks for ${declared.specifier}, which the lockfile does not have`,
      location: declared.location,
      why: [[`file:${config.path}`, declared.specifier]],
      help,
    });
  }
  for (const { member, specifier } of built.stale) {
    const folder = member === "" ? "the project" : member;
    collector.add(level, "lockfile-drift", {
      message: `the lockfile has ${specifier} for ${folder}, which does not ask for it`,
      location: lock.locate("specifiers", specifier),
      help,
    });
  }
  for (const { from, to } of built.missing) {
    collector.add(level, "lockfile-drift", {
      node: from,
      message: `${from.label} depends on ${to}, which the lockfile does not have`,
      help,
    });
  }
}

/** Whether two values of JSON are the same, whatever the order of their keys; absent is empty. */
function equal(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  const sorted = (_key: string, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1))
      : value;
  return JSON.stringify(value ?? {}, sorted);
}

/** Deno waits a day before it takes a new version: most malicious ones are found within it. */
const DEFAULT_AGE_MINUTES = 24 * 60;

function checkMinimumAge(
  { now, policy }: CheckContext,
  collector: Collector,
  config: ConfigFile | undefined,
): void {
  const field = config?.value["minimumDependencyAge"];
  if (config === undefined || field === undefined || field === null) return;
  const isObject = typeof field === "object" && !Array.isArray(field);
  const options = isObject ? field as Readonly<Record<string, unknown>> : { age: field };
  const minutes = ageMinutes(options["age"], now);
  const add = (message: string) =>
    collector.add(policy.integrity.minimumDependencyAge, "minimum-dependency-age", {
      message,
      location: locationOf(config, '"minimumDependencyAge"'),
      help: "Leave minimumDependencyAge at its default of 24 hours, or make it longer.",
    });
  if (options["age"] !== undefined && (minutes === undefined || minutes < DEFAULT_AGE_MINUTES)) {
    add(
      minutes === undefined
        ? "minimumDependencyAge is neither minutes, a duration nor a date"
        : `minimumDependencyAge is shortened from 24 hours to ${minutes} minutes`,
    );
  }
  const excluded = Array.isArray(options["exclude"]) ? options["exclude"] : [];
  if (excluded.length > 0) {
    const names = excluded.map((name) => typeof name === "string" ? name : JSON.stringify(name));
    add(`minimumDependencyAge does not hold for ${names.join(", ")}`);
  }
}

/** Minutes of a number, a text of digits, an ISO 8601 duration, or since a date. */
function ageMinutes(age: unknown, now: Date): number | undefined {
  if (typeof age === "number") return age;
  if (typeof age !== "string") return undefined;
  if (/^\d+$/.test(age)) return Number(age);
  const seconds = durationSeconds(age);
  if (seconds !== undefined) return seconds / 60;
  const date = /^\d{4}-\d{2}-\d{2}/.test(age) ? Date.parse(age) : NaN;
  return Number.isNaN(date) ? undefined : Math.floor((now.getTime() - date) / 60_000);
}

function checkLookalikes({ graph, policy }: CheckContext, collector: Collector): void {
  const finders = { npm: lookalikesOf("npm"), jsr: lookalikesOf("jsr") };
  const seen = new Set<string>();
  for (const node of graph.packages) {
    const kind = node.kind === "jsr" ? "jsr" : node.npm === undefined ? undefined : "npm";
    const name = node.npm?.name ?? node.name;
    if (kind === undefined || seen.has(`${kind}:${name}`)) continue;
    seen.add(`${kind}:${name}`);
    const suspicion = finders[kind].suspicion(name);
    if (suspicion === undefined) continue;
    if (policy.integrity.allowTyposquat.some(({ spec }) => specMatches(spec, node))) continue;
    collector.add(policy.integrity.typosquat, "typosquat", {
      node,
      message: `${name} ${suspicion}`,
      help: `Check that ${name} is what was meant; then add it to integrity.allow-typosquat.`,
    });
  }
}
