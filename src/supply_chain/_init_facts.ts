import { registryOf } from "./_registry.ts";
import type { AuditResult } from "./audit.ts";
import type { InitFacts } from "./init.ts";
import { groupOf } from "./project/remote_group.ts";

/** What an audit found out about a project, as far as its first policy depends on it. */
export function initFacts({ graph, licenses, project }: AuditResult): InitFacts {
  const byLicense = new Map<string, string[]>();
  const unlicensed: string[] = [];
  const hosts = new Set<string>();
  const repositories = new Set<string>();
  const scopes = new Set<string>();
  const registries = new Set<string>();
  for (const node of graph.packages) {
    if (node.kind === "npm" || node.kind === "jsr") {
      const scope = node.name.startsWith("@") ? node.name.split("/")[0]! : "";
      if (scope !== "") scopes.add(scope);
      registries.add(registryOf(node, project.npmrc));
    }
    const git = node.url === undefined ? undefined : groupOf(node.url)?.git;
    if (git !== undefined) repositories.add(`https://${git.host}/${git.owner}/${git.repository}`);
    else if (node.url !== undefined && URL.canParse(node.url)) hosts.add(new URL(node.url).host);
    const expression = licenses.get(node)?.expression;
    if (expression === undefined) unlicensed.push(node.label);
    else if (byLicense.has(expression)) byLicense.get(expression)!.push(node.label);
    else byLicense.set(expression, [node.label]);
  }
  return {
    licenses: byLicense,
    unlicensed,
    registries: [...registries].sort(),
    repositories: [...repositories].sort(),
    hosts: [...hosts].sort(),
    scopes: [...scopes].sort(),
  };
}
