/**
 * Lint rules of this repository's own: which file may import which.
 *
 * They keep the picture of the architecture true: imports point down and never sideways, what starts
 * with `_` stays in its folder, and a dependency is imported only where it was agreed to be.
 *
 * @module
 */

/** What each layer may import from besides itself. */
const LAYERS: ReadonlyMap<string, readonly string[]> = new Map([
  ["errors", []],
  ["_internal", ["errors"]],
  ["events", ["errors", "_internal"]],
  ["files", ["errors", "_internal", "events"]],
  ["dpop", ["errors", "_internal", "events"]],
  ["runtime", ["errors", "_internal", "events"]],
  ["transport", ["errors", "_internal", "events", "files", "dpop", "runtime"]],
  ["guard", ["errors", "_internal", "events", "files", "dpop", "runtime", "transport"]],
  ["mod", ["errors", "_internal", "events", "files", "dpop", "runtime", "transport", "guard"]],
  ["supply_chain", ["errors", "_internal"]],
]);

/** Where published code may import a package: a folder ends with `/`, anything else is one file. */
const PACKAGES: ReadonlyMap<string, string> = new Map([
  ["@std/path", "src/"],
  ["@std/fs", "src/"],
  ["@std/log", "src/events/std_log_sink.ts"],
  ["jose", "src/"],
  ["ws", "src/transport/"],
  ["@types/semver", "src/supply_chain/"],
  ["@types/spdx-expression-parse", "src/supply_chain/"],
  ["@types/spdx-satisfies", "src/supply_chain/"],
  ["ae-cvss-calculator", "src/supply_chain/"],
  ["fflate", "src/supply_chain/"],
  ["jsonc-parser", "src/supply_chain/"],
  ["packageurl-js", "src/supply_chain/"],
  ["picocolors", "src/supply_chain/"],
  ["semver", "src/supply_chain/"],
  ["smol-toml", "src/supply_chain/"],
  ["spdx-expression-parse", "src/supply_chain/"],
  ["spdx-license-ids", "src/supply_chain/"],
  ["spdx-license-list", "src/supply_chain/"],
  ["spdx-satisfies", "src/supply_chain/"],
]);

/** The project's own names in the import map. */
const OWN_NAMES: ReadonlyMap<string, string> = new Map([
  ["@bartizan/security", "mod.ts"],
  ["@bartizan/security/audit", "src/supply_chain/mod.ts"],
  ["@bartizan/security/openat2", "src/files/openat2.ts"],
  ["@bartizan/security/verify", "src/events/verify.ts"],
]);

const ROOT = (import.meta.dirname ?? "").replaceAll("\\", "/").replace(/tools$/, "");

/** Path below the repository, with `/`; the linter names files by their absolute path. */
function repositoryPath(filename: string): string {
  const path = filename.replaceAll("\\", "/");
  return path.startsWith(ROOT) ? path.slice(ROOT.length) : path;
}

/** The file that a specifier means, or `undefined` when it is not one of this repository. */
function target(importer: string, specifier: string): string | undefined {
  const own = OWN_NAMES.get(specifier);
  if (own !== undefined) return own;
  if (!/^\.{1,2}\//.test(specifier)) return undefined;
  return new URL(specifier, `file:///${importer}`).pathname.slice(1);
}

/** The layer of a file, `undefined` for what is not published. */
function layerOf(path: string): string | undefined {
  if (path === "mod.ts") return "mod";
  return /^src\/([^/]+?)(?:\.ts)?(?:\/|$)/.exec(path)?.[1];
}

function packageOf(specifier: string): string | undefined {
  if (/^(\.{0,2}\/|node:)/.test(specifier)) return undefined;
  return /^(?:(?:npm|jsr):\/?)?((?:@[^/]+\/)?[^/@]+)/.exec(specifier)?.[1];
}

type Report = (message: string, hint?: string) => void;

/** A rule over every import, re-export, dynamic import and import type with a literal specifier. */
function importRule(
  check: (importer: string, specifier: string, report: Report) => void,
): Deno.lint.Rule {
  return {
    create(context) {
      const importer = repositoryPath(context.filename);
      const visit = (node: Deno.lint.Node, source: unknown) => {
        const specifier = (source as { value?: unknown } | null)?.value;
        if (typeof specifier !== "string") return;
        check(importer, specifier, (message, hint) => {
          context.report(hint === undefined ? { node, message } : { node, message, hint });
        });
      };
      return {
        ImportDeclaration: (node) => visit(node, node.source),
        ExportNamedDeclaration: (node) => visit(node, node.source),
        ExportAllDeclaration: (node) => visit(node, node.source),
        ImportExpression: (node) => visit(node, node.source),
        TSImportType: (node) => {
          const { argument } = node;
          if (argument.type === "TSLiteralType") visit(node, argument.literal);
        },
      };
    },
  };
}

function checkLayering(importer: string, specifier: string, report: Report): void {
  const imported = target(importer, specifier);
  const [from, to] = [layerOf(importer), imported === undefined ? undefined : layerOf(imported)];
  if (from === undefined || imported === undefined || from === to) return;
  const allowed = LAYERS.get(from);
  if (allowed === undefined) {
    report(`"${from}" is none of the layers`, "Say in tools/lint_layers.ts where it stands.");
  } else if (to === undefined || !allowed.includes(to)) {
    report(
      `"${from}" may not import from "${to ?? imported}"`,
      allowed.length === 0 ? "It imports nothing." : `It may import from ${allowed.join(", ")}.`,
    );
  }
}

function checkInternal(importer: string, specifier: string, report: Report): void {
  const imported = target(importer, specifier);
  if (imported === undefined) return;
  // A test sees what the folder that it mirrors sees: tests/files/ is src/files/, tests/tools/ is tools/.
  const seenFrom = [
    importer,
    importer.replace(/^tests\//, "src/"),
    importer.replace(/^tests\//, ""),
  ];
  const parts = imported.split("/");
  parts.forEach((part, at) => {
    const folder = parts.slice(0, at).map((name) => `${name}/`).join("");
    if (part.startsWith("_") && !seenFrom.some((path) => path.startsWith(folder))) {
      report(`"${part}" is internal to ${folder}`, "Import what that folder exports.");
    }
  });
}

function checkDependencies(importer: string, specifier: string, report: Report): void {
  if (layerOf(importer) === undefined) return;
  const name = packageOf(specifier);
  if (name === undefined || OWN_NAMES.has(specifier)) return;
  const place = PACKAGES.get(name);
  if (place === undefined) {
    report(`"${name}" is no dependency of published code`);
  } else if (!(place.endsWith("/") ? importer.startsWith(place) : importer === place)) {
    report(`"${name}" may be imported in ${place} only`);
  }
}

function checkExtensions(_importer: string, specifier: string, report: Report): void {
  if (/^\.{0,2}\//.test(specifier) && !/\.(?:[cm]?[jt]s|json)$/.test(specifier)) {
    report(`"${specifier}" lacks its file extension`);
  }
}

/** `mod.ts` has to load where `node:` modules do not exist: browsers and workerd. */
const noStaticNode: Deno.lint.Rule = {
  create(context) {
    const layer = layerOf(repositoryPath(context.filename));
    if (layer === undefined || layer === "supply_chain") return {};
    return {
      ImportDeclaration(node) {
        if (node.importKind !== "type" && node.source.value.startsWith("node:")) {
          const message = `"${node.source.value}" would keep mod.ts from loading in a browser`;
          context.report({ node, message, hint: "Import it dynamically where it is used." });
        }
      },
    };
  },
};

/** A library does not write to its user's console; the auditor is a command as well. */
const noConsole: Deno.lint.Rule = {
  create(context) {
    const layer = layerOf(repositoryPath(context.filename));
    if (layer === undefined || layer === "supply_chain") return {};
    return {
      "MemberExpression[object.name='console']"(node: Deno.lint.MemberExpression) {
        context.report({ node, message: "published code does not write to the console" });
      },
    };
  },
};

const noDefaultExport: Deno.lint.Rule = {
  create(context) {
    if (layerOf(repositoryPath(context.filename)) === undefined) return {};
    return {
      ExportDefaultDeclaration(node) {
        context.report({ node, message: "published code exports by name" });
      },
    };
  },
};

/** The plugin; Deno asks for it as the default export. */
const plugin: Deno.lint.Plugin = {
  name: "bartizan",
  rules: {
    "layering": importRule(checkLayering),
    "internal": importRule(checkInternal),
    "dependencies": importRule(checkDependencies),
    "extensions": importRule(checkExtensions),
    "no-static-node": noStaticNode,
    "no-console": noConsole,
    "no-default-export": noDefaultExport,
  },
};

export default plugin;
