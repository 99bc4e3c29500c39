import { specMatches } from "../policy/package_spec.ts";
import type { LicenseException, Policy, PositionedText } from "../policy/policy.ts";
import type { PackageNode } from "../project/graph.ts";
import {
  evaluate,
  type Evaluation,
  licenseMatches,
  parseExpression,
  type SpdxExpression,
  type SpdxLicense,
} from "./spdx.ts";

interface Allowed<Entry> {
  readonly entry: Entry;
  readonly licenses: readonly SpdxLicense[];
}

/** The licences that the policy accepts, and which of its entries a package made use of. */
export class AllowedLicenses {
  readonly #allow: readonly Allowed<PositionedText>[];
  readonly #exceptions: readonly Allowed<LicenseException>[];
  readonly #used = new Set<PositionedText | LicenseException>();
  /** Thousands of packages share a dozen expressions. */
  readonly #known = new Map<string, Evaluation>();

  constructor({ licenses: { allow, exceptions } }: Policy) {
    this.#allow = allow.map((entry) => ({ entry, licenses: singleLicenses([entry.text]) }));
    this.#exceptions = exceptions.map((entry) => ({
      entry,
      licenses: singleLicenses(entry.allow),
    }));
  }

  /** Whether the policy accepts a licence expression for a package. */
  evaluate(text: string, expression: SpdxExpression, node: PackageNode): Evaluation {
    const exceptions = this.#exceptions.filter(({ entry }) => specMatches(entry.spec, node));
    if (exceptions.length > 0) {
      return evaluate(
        expression,
        (license) => this.#find(this.#allow, license) || this.#find(exceptions, license),
      );
    }
    let evaluation = this.#known.get(text);
    if (evaluation === undefined) {
      evaluation = evaluate(expression, (license) => this.#find(this.#allow, license));
      this.#known.set(text, evaluation);
    }
    return evaluation;
  }

  #find(
    list: readonly Allowed<PositionedText | LicenseException>[],
    license: SpdxLicense,
  ): boolean {
    const found = list.filter(({ licenses }) => licenses.some((it) => licenseMatches(license, it)));
    for (const { entry } of found) this.#used.add(entry);
    return found.length > 0;
  }

  /** Entries of the allow list that no package needed. */
  unusedAllowed(): readonly PositionedText[] {
    return this.#allow.map(({ entry }) => entry).filter((entry) => !this.#used.has(entry));
  }

  /** Exceptions that no package needed. */
  unusedExceptions(): readonly LicenseException[] {
    return this.#exceptions.map(({ entry }) => entry).filter((entry) => !this.#used.has(entry));
  }
}

/** Entries that name one licence each; the policy's reader refuses others, and here they allow nothing. */
function singleLicenses(texts: readonly string[]): readonly SpdxLicense[] {
  return texts.map((text) => parseExpression(text))
    .filter((it): it is SpdxLicense => it !== undefined && !("conjunction" in it));
}
