/**
 * Rules of alerts, checked and made ready.
 *
 * @module
 */

import { integerOption, wrongOption } from "../_internal/options.ts";
import type { AlertAction, AlertCondition, AlertRule } from "./alert.ts";
import type { AuditEvent } from "./audit_event.ts";

/** A rule as it is used. */
export interface ReadyRule {
  readonly name: string;
  readonly threshold: number;
  readonly windowMs: number;
  readonly coolDownMs: number;
  readonly maxAlertsPerMinute: number;
  readonly by: AlertRule["by"];
  readonly actions: readonly AlertAction[];
  /** Whether an event counts; may throw what a function of the user's throws. */
  readonly matches: (event: AuditEvent) => boolean;
}

const BY = ["principal", "source", "principal+source", "code", "global"];
const OUTCOMES = ["success", "denied", "failure", "error"];
const SEVERITIES = ["info", "notice", "warning", "error", "critical"];
const CONDITIONS = new Set(["kind", "outcome", "code", "severity"]);
/** `file.read`, or `file.*`. */
const KIND = /^[^*\s]+(?:\.\*)?$/;
const MAX_THRESHOLD = 1_000_000;
const MAX_SECONDS = 30 * 86_400;
const MAX_NAME = 100;
const MAX_ALERTS = 1_000_000;

/** Checks rules and makes them ready. */
export function readyRules(rules: unknown): ReadyRule[] {
  if (!Array.isArray(rules)) throw wrongOption("create alerts", "rules", "an array", rules);
  const ready = rules.map((rule: AlertRule, at) => readyRule(rule, at));
  const names = new Set(ready.map(({ name }) => name));
  if (names.size < ready.length) {
    throw wrongOption("create alerts", "rules", "rules with different names", rules);
  }
  return ready;
}

function readyRule(rule: AlertRule, at: number): ReadyRule {
  if (typeof rule !== "object" || rule === null) {
    throw wrongOption("create alerts", "rules", "objects", rule);
  }
  const { name = `rule ${at + 1}`, when, by, then } = rule;
  if (typeof name !== "string" || name === "" || name.length > MAX_NAME) {
    throw wrongOption("create alerts", "name", `1 to ${MAX_NAME} characters`, name);
  }
  const purpose = `create the alert ${JSON.stringify(name)}`;
  if (typeof by !== "function" && !BY.includes(by)) {
    throw wrongOption(purpose, "by", `a function or one of ${BY.join(", ")}`, by);
  }
  if (!Array.isArray(then) || !then.every((action) => typeof action === "function")) {
    throw wrongOption(purpose, "then", "an array of functions", then);
  }
  const seconds = (name: "withinSeconds" | "coolDownSeconds", least: number, otherwise: number) =>
    integerOption(purpose, name, rule[name], { otherwise, least, most: MAX_SECONDS });
  const withinSeconds = seconds("withinSeconds", 1, NaN);
  const ready = {
    name,
    // There is no default for these two: nobody else knows them.
    threshold: integerOption(purpose, "threshold", rule.threshold, {
      otherwise: NaN,
      least: 1,
      most: MAX_THRESHOLD,
    }),
    windowMs: withinSeconds * 1000,
    coolDownMs: seconds("coolDownSeconds", 0, withinSeconds) * 1000,
    maxAlertsPerMinute: integerOption(purpose, "maxAlertsPerMinute", rule.maxAlertsPerMinute, {
      otherwise: 100,
      least: 1,
      most: MAX_ALERTS,
    }),
    by,
    actions: [...then],
    matches: matcherOf(purpose, name, when),
  };
  if (Number.isNaN(ready.threshold)) throw wrongOption(purpose, "threshold", "a number", undefined);
  if (Number.isNaN(withinSeconds)) {
    throw wrongOption(purpose, "withinSeconds", "a number", undefined);
  }
  return ready;
}

function matcherOf(
  purpose: string,
  name: string,
  when: AlertRule["when"],
): (event: AuditEvent) => boolean {
  if (typeof when === "function") {
    return (event) => !isOwn(event.kind) && when(event) === true;
  }
  if (typeof when !== "object" || when === null) {
    throw wrongOption(purpose, "when", "an object or a function", when);
  }
  // A condition that is misspelt would hold for everything.
  const unknown = Object.keys(when).find((condition) => !CONDITIONS.has(condition));
  if (unknown !== undefined) {
    throw wrongOption(purpose, "when", "of 'kind', 'outcome', 'code' and 'severity'", unknown);
  }
  const kinds = listOf(purpose, "kind", when);
  if (kinds?.some((kind) => !KIND.test(kind))) {
    throw wrongOption(
      purpose,
      "when.kind",
      'a kind, or the beginning of kinds and ".*"',
      when.kind,
    );
  }
  const exact = new Set(kinds);
  const prefixes = kinds?.filter((kind) => kind.endsWith(".*")).map((kind) => kind.slice(0, -1));
  const outcomes = setOf(purpose, "outcome", when, OUTCOMES);
  const severities = setOf(purpose, "severity", when, SEVERITIES);
  const codes = setOf(purpose, "code", when);
  return (event) => {
    const { kind, outcome, code, severity } = event;
    if (prefixes === undefined) {
      if (isOwn(kind)) return false;
    } else if (!exact.has(kind) && !prefixes.some((prefix) => kind.startsWith(prefix))) {
      return false;
    }
    // Its own alerts, however they are named, would make it go on by itself.
    if (kind.startsWith("alert.") && event.details?.rule === name) return false;
    return (outcomes === undefined || outcomes.has(outcome)) &&
      (severities === undefined || severities.has(severity)) &&
      (codes === undefined || code !== undefined && codes.has(code));
  };
}

/** Kinds of what alerts and logs report about themselves. */
function isOwn(kind: string): boolean {
  return kind.startsWith("alert.") || kind.startsWith("audit.");
}

function listOf(
  purpose: string,
  name: keyof AlertCondition,
  when: AlertCondition,
): string[] | undefined {
  const value: unknown = when[name];
  if (value === undefined) return undefined;
  const list: unknown[] = Array.isArray(value) ? [...value] : [value];
  if (list.length === 0 || !list.every((item): item is string => typeof item === "string")) {
    throw wrongOption(purpose, `when.${name}`, "a string, or strings", value);
  }
  return list;
}

function setOf(
  purpose: string,
  name: keyof AlertCondition,
  when: AlertCondition,
  allowed?: readonly string[],
): ReadonlySet<string> | undefined {
  const list = listOf(purpose, name, when);
  const wrong = list?.find((item) => allowed?.includes(item) === false);
  if (wrong !== undefined) {
    throw wrongOption(purpose, `when.${name}`, `of ${allowed!.join(", ")}`, wrong);
  }
  return list && new Set(list);
}
