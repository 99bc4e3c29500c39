import { Ajv, type Options, type ValidateFunction } from "ajv";

const MODULES = new URL("../../../node_modules/", import.meta.url);
const CYCLONEDX = "@cyclonedx/cyclonedx-library/res/schema/";

/** Formats that the schemas use, as far as the writers have them. */
const FORMATS: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ["date-time", (text) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text)],
  ["uri", (text) => URL.canParse(text) && isAsciiUri(text)],
  ["uri-reference", isAsciiUri],
  ["iri-reference", (text) => !/[\s<>"{}|\\^`]|#.*#|%(?![\da-f]{2})/i.test(text)],
  ["idn-email", (text) => text.includes("@")],
]);

function isAsciiUri(text: string): boolean {
  return /^(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*$/.test(text);
}

/** Validates against the schema of CycloneDX 1.6, with those of SPDX and JSF that it refers to. */
export async function cycloneDxValidator(): Promise<ValidateFunction> {
  const ajv = newAjv();
  for (const name of ["spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json"]) {
    const schema = await readJson(CYCLONEDX + name);
    ajv.addSchema({ ...schema, $id: `http://cyclonedx.org/schema/${name}` });
  }
  return ajv.compile(await readJson(`${CYCLONEDX}bom-1.6.SNAPSHOT.schema.json`));
}

/** Validates against the schema of SARIF 2.1.0. */
export async function sarifValidator(): Promise<ValidateFunction> {
  const { $schema, id: _, ...schema } = await readJson(
    "@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json",
  );
  // Says draft-04, and uses nothing that draft-07 reads in another way.
  if ($schema !== "http://json-schema.org/draft-04/schema#") throw new Error("another schema");
  // One of its patterns is no regular expression in Unicode mode.
  return newAjv({ unicodeRegExp: false }).compile(schema);
}

/** Asserts that a document is valid, and says where it is not. */
export function assertValid(validate: ValidateFunction, document: unknown): void {
  if (validate(document)) return;
  const errors = validate.errors?.slice(0, 5).map(({ instancePath, message, params }) =>
    `${instancePath} ${message} ${JSON.stringify(params).slice(0, 200)}`
  );
  throw new Error(`not valid:\n${errors?.join("\n")}`);
}

function newAjv(options: Options = {}): Ajv {
  // The schemas have annotations of their own, such as meta:enum.
  const ajv = new Ajv({ ...options, strict: false });
  for (const [name, validate] of FORMATS) ajv.addFormat(name, validate);
  return ajv;
}

async function readJson(path: string): Promise<Record<string, unknown>> {
  return JSON.parse(await Deno.readTextFile(new URL(path, MODULES)));
}
