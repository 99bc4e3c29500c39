/** Real lockfiles and advisories, which are checked and measured against where they are present. */
export const CASES: URL = new URL("../../../shared/cases/", import.meta.url);
