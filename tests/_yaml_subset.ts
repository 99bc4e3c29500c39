/**
 * Parses the part of YAML that this repository's workflows are written in, and refuses the rest.
 *
 * Block mappings and sequences with an indentation of two, flow sequences of plain scalars, plain
 * and double-quoted scalars, and comments of their own line. Tabs, duplicate keys and anything
 * unusual are errors, so that what passes here means the same to every YAML parser.
 */

/** A scalar is its text: nothing here depends on YAML's ideas about types. */
export type Yaml = string | null | readonly Yaml[] | { readonly [key: string]: Yaml };

interface Line {
  readonly number: number;
  readonly indent: number;
  readonly text: string;
}

/** The document, or an error that names the line. */
export function parseYaml(source: string): Yaml {
  const lines: Line[] = [];
  source.split("\n").forEach((raw, index) => {
    const text = raw.trimStart();
    const line = { number: index + 1, indent: raw.length - text.length, text };
    if (/[\t\r]/.test(raw) || raw !== raw.trimEnd()) throw problem(line, "tabs, or trailing space");
    if (text !== "" && !text.startsWith("#")) lines.push(line);
  });
  const value = block(lines, 0);
  if (lines.length > 0) throw problem(lines[0]!, "wrong indentation");
  return value;
}

function block(lines: Line[], indent: number): Yaml {
  const first = lines[0];
  if (first === undefined || first.indent < indent) return null;
  return first.text.startsWith("- ") ? sequence(lines, indent) : mapping(lines, indent);
}

function sequence(lines: Line[], indent: number): Yaml[] {
  const items: Yaml[] = [];
  while (lines[0]?.indent === indent && lines[0].text.startsWith("- ")) {
    const { number, text } = lines[0];
    // What follows "- " is a mapping whose first key stands two columns further in.
    lines[0] = { number, indent: indent + 2, text: text.slice(2) };
    items.push(mapping(lines, indent + 2));
  }
  return items;
}

function mapping(lines: Line[], indent: number): Yaml {
  const entries = new Map<string, Yaml>();
  for (let line = lines[0]; line?.indent === indent; line = lines[0]) {
    const [, key, rest] = /^([A-Za-z][\w-]*):(?: (.+))?$/.exec(line.text) ?? [];
    if (key === undefined) throw problem(line, "expected a key");
    if (entries.has(key)) throw problem(line, `"${key}" is there twice`);
    lines.shift();
    entries.set(key, rest === undefined ? block(lines, indent + 2) : scalar(rest, line));
  }
  return Object.fromEntries(entries);
}

function scalar(text: string, line: Line): Yaml {
  if (text.startsWith("[") && text.endsWith("]")) {
    return text.slice(1, -1).split(", ").map((item) => scalar(item, line));
  }
  if (/^"[^"\\]*"$/.test(text)) return text.slice(1, -1);
  if (/^[-?:,[\]{}#&*!|>'"%@`]|: | #|:$/.test(text)) throw problem(line, "needs quotes");
  return text;
}

function problem(line: Line, message: string): Error {
  return new SyntaxError(`line ${line.number}: ${message}`);
}
