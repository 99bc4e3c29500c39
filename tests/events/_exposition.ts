/** A strict parser of the text format of Prometheus, version 0.0.4: whatever is not in its grammar throws. */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly help: string;
  readonly type: string;
  readonly samples: Sample[];
}

const SUFFIXES = ["_bucket", "_sum", "_count"];
const NUMBER = /^(?:[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|\+Inf|-Inf|NaN)$/;
// deno-lint-ignore no-control-regex -- none of them may be there.
const RAW = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;

export function parseExposition(text: string): Map<string, Family> {
  if (!text.endsWith("\n")) throw new SyntaxError("the last line has no end");
  if (!text.isWellFormed()) throw new SyntaxError("a lone surrogate");
  if (RAW.test(text)) throw new SyntaxError("a character that acts or hides");
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let help: { name: string; text: string } | undefined;
  let current: { name: string; family: Family } | undefined;
  for (const line of text.slice(0, -1).split("\n")) {
    if (line === "") continue;
    const helpLine = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/.exec(line);
    if (helpLine !== null) {
      help = { name: helpLine[1]!, text: unescape(helpLine[2]!, "\\n") };
      continue;
    }
    const type = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$/.exec(line);
    if (type !== null) {
      const name = type[1]!;
      if (help?.name !== name || families.has(name)) throw new SyntaxError(`out of order: ${line}`);
      current = { name, family: { help: help.text, type: type[2]!, samples: [] } };
      families.set(name, current.family);
      continue;
    }
    const sample = parseSample(line);
    const isOf = current !== undefined &&
      (current.family.type === "histogram"
        ? SUFFIXES.some((suffix) => sample.name === current!.name + suffix)
        : sample.name === current.name);
    if (!isOf) throw new SyntaxError(`a sample of another metric: ${line}`);
    const identity = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
    if (seen.has(identity)) throw new SyntaxError(`twice: ${line}`);
    seen.add(identity);
    current!.family.samples.push(sample);
  }
  for (const [name, family] of families) {
    if (family.type === "histogram") checkHistogram(name, family);
  }
  return families;
}

function parseSample(line: string): Sample {
  const start = /^([a-zA-Z_:][a-zA-Z0-9_:]*)/.exec(line);
  if (start === null) throw new SyntaxError(`no sample: ${line}`);
  const labels: Record<string, string> = {};
  let rest = line.slice(start[0].length);
  if (rest.startsWith("{")) {
    rest = rest.slice(1);
    while (!rest.startsWith("}")) {
      const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)"(,|(?=\}))/.exec(rest);
      if (label === null || Object.hasOwn(labels, label[1]!)) {
        throw new SyntaxError(`label: ${line}`);
      }
      labels[label[1]!] = unescape(label[2]!, '\\"n');
      rest = rest.slice(label[0].length);
    }
    rest = rest.slice(1);
  }
  const value = rest.slice(1);
  if (rest[0] !== " " || !NUMBER.test(value)) throw new SyntaxError(`value: ${line}`);
  return { name: start[1]!, labels, value: numberOf(value) };
}

function numberOf(text: string): number {
  return text.endsWith("Inf") ? Number(text.replace("Inf", "Infinity")) : Number(text);
}

function unescape(text: string, allowed: string): string {
  return text.replace(/\\(.?)/gs, (_, escaped: string) => {
    if (escaped === "" || !allowed.includes(escaped)) throw new SyntaxError(`escape: ${text}`);
    return escaped === "n" ? "\n" : escaped;
  });
}

function checkHistogram(name: string, { samples }: Family): void {
  const last = new Map<string, { le: number; count: number }>();
  const others = (labels: Readonly<Record<string, string>>) => {
    const { le: _, ...rest } = labels;
    return JSON.stringify(Object.entries(rest).sort());
  };
  for (const { name: sample, labels, value } of samples) {
    const key = others(labels);
    if (sample === `${name}_bucket`) {
      const le = numberOf(labels.le ?? "none");
      const before = last.get(key) ?? { le: -Infinity, count: 0 };
      if (!(le > before.le && value >= before.count)) {
        throw new SyntaxError(`not monotone: ${name}`);
      }
      last.set(key, { le, count: value });
    } else if (sample === `${name}_count`) {
      const top = last.get(key);
      if (top?.le !== Infinity || top.count !== value) throw new SyntaxError(`no +Inf: ${name}`);
    }
  }
}
