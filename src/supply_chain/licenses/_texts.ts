import deprecatedIds from "spdx-license-ids/deprecated.json" with { type: "json" };

/** A text of the SPDX list and the id that it stands for. */
export type LicenseText = readonly [license: string, text: string];

type Loader = readonly [
  license: string,
  load: () => Promise<{ readonly default: { readonly licenseText: string } }>,
];

/** The licences of nearly every package. */
const COMMON: readonly Loader[] = [
  ["MIT", () => import("spdx-license-list/licenses/MIT.json", { with: { type: "json" } })],
  ["ISC", () => import("spdx-license-list/licenses/ISC.json", { with: { type: "json" } })],
  [
    "Apache-2.0",
    () => import("spdx-license-list/licenses/Apache-2.0.json", { with: { type: "json" } }),
  ],
  [
    "BSD-2-Clause",
    () => import("spdx-license-list/licenses/BSD-2-Clause.json", { with: { type: "json" } }),
  ],
  [
    "BSD-3-Clause",
    () => import("spdx-license-list/licenses/BSD-3-Clause.json", { with: { type: "json" } }),
  ],
];

/** Other licences whose texts are so close to a common one that they could be taken for it. */
const LOOKALIKES: readonly Loader[] = [
  ["MIT-0", () => import("spdx-license-list/licenses/MIT-0.json", { with: { type: "json" } })],
  ["MIT-feh", () => import("spdx-license-list/licenses/MIT-feh.json", { with: { type: "json" } })],
  ["JSON", () => import("spdx-license-list/licenses/JSON.json", { with: { type: "json" } })],
  ["Xnet", () => import("spdx-license-list/licenses/Xnet.json", { with: { type: "json" } })],
  [
    "BSD-2-Clause-Views",
    () => import("spdx-license-list/licenses/BSD-2-Clause-Views.json", { with: { type: "json" } }),
  ],
  [
    "BSD-2-Clause-first-lines",
    () =>
      import("spdx-license-list/licenses/BSD-2-Clause-first-lines.json", {
        with: { type: "json" },
      }),
  ],
  [
    "BSD-3-Clause-Attribution",
    () =>
      import("spdx-license-list/licenses/BSD-3-Clause-Attribution.json", {
        with: { type: "json" },
      }),
  ],
  [
    "BSD-3-Clause-Clear",
    () => import("spdx-license-list/licenses/BSD-3-Clause-Clear.json", { with: { type: "json" } }),
  ],
  [
    "BSD-3-Clause-HP",
    () => import("spdx-license-list/licenses/BSD-3-Clause-HP.json", { with: { type: "json" } }),
  ],
  [
    "BSD-3-Clause-No-Military-License",
    () =>
      import("spdx-license-list/licenses/BSD-3-Clause-No-Military-License.json", {
        with: { type: "json" },
      }),
  ],
  [
    "BSD-3-Clause-No-Nuclear-License-2014",
    () =>
      import("spdx-license-list/licenses/BSD-3-Clause-No-Nuclear-License-2014.json", {
        with: { type: "json" },
      }),
  ],
  [
    "BSD-4-Clause",
    () => import("spdx-license-list/licenses/BSD-4-Clause.json", { with: { type: "json" } }),
  ],
  ["ECL-2.0", () => import("spdx-license-list/licenses/ECL-2.0.json", { with: { type: "json" } })],
  ["Pixar", () => import("spdx-license-list/licenses/Pixar.json", { with: { type: "json" } })],
  ["SHL-0.5", () => import("spdx-license-list/licenses/SHL-0.5.json", { with: { type: "json" } })],
  [
    "SHL-0.51",
    () => import("spdx-license-list/licenses/SHL-0.51.json", { with: { type: "json" } }),
  ],
];

/** The ids of the licences of nearly every package. */
export const COMMON_LICENSES: ReadonlySet<string> = new Set(COMMON.map(([license]) => license));

/** The common texts and those that resemble them by 0.9 or more: 0.1 MB in place of 5 MB. */
export function loadCommonTexts(): Promise<readonly LicenseText[]> {
  return Promise.all(
    [...COMMON, ...LOOKALIKES].map(async ([license, load]) =>
      [license, (await load()).default.licenseText] as const
    ),
  );
}

/** Every text of the SPDX list, save those under an id that another one has replaced. */
export async function loadAllTexts(): Promise<readonly LicenseText[]> {
  const { default: list } = await import("spdx-license-list/full.js");
  return Object.entries(list)
    .filter(([license]) => !license.endsWith("+") && !deprecatedIds.includes(license))
    .map(([license, { licenseText }]) => [license, licenseText] as const);
}
