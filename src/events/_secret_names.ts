/**
 * Names under which secrets are kept: of headers, parameters, members of objects.
 *
 * @module
 */

/** Names as {@linkcode plainName} spells them. */
const NAMES =
  "authorization proxyauthorization cookie cookies setcookie setcookie2 password passwords passwd pwd pass " +
  "passphrase passcode secret secrets clientsecret token accesstoken refreshtoken idtoken apikey apikeys " +
  "xapikey accesskey secretkey secretaccesskey privatekey signingkey encryptionkey dpop session sessionid " +
  "sid sessid phpsessid jsessionid connectsid credential credentials assertion clientassertion " +
  "samlresponse codeverifier authorizationcode authcode devicecode otp totp pin pincode mfacode cvv cvc " +
  "bearer jwt idtokenhint connectionstring";

/** What the name of a secret ends with, whatever it is the secret of: `db_password`, `stripeSecretKey`. */
const ENDINGS =
  /(?:password|passwd|passphrase|secret|token|cookie|authorization|apikey|privatekey|secretkey|accesskey|credentials?|sessionid|clientassertion|codeverifier)$|^(?:password|passwd)/;

/** Headers; in a flat list of headers the value follows the name. */
const HEADERS: ReadonlySet<string> = new Set(
  "authorization proxyauthorization cookie setcookie xapikey dpop".split(" "),
);

/** Members of a JWK that make it private (RFC 7518, section 6). */
export const PRIVATE_JWK_MEMBERS: ReadonlySet<string> = new Set(
  ["d", "p", "q", "dp", "dq", "qi", "k", "oth", "priv"],
);

const NO_WORD = /[^\p{L}\p{N}]+/gu;

/** The same for `X-Api-Key`, `x_api_key`, `xApiKey` and full-width letters. */
export function plainName(name: string): string {
  return name.normalize("NFKC").toLowerCase().replace(NO_WORD, "");
}

/** Whether a name is one of a header that holds a secret. */
export function isSecretHeader(name: string): boolean {
  return HEADERS.has(plainName(name));
}

/** The names of one logger. */
export class SecretNames {
  readonly #names: ReadonlySet<string>;

  /** Takes further names of secrets, in any spelling. */
  constructor(further: readonly string[]) {
    this.#names = new Set([...NAMES.split(" "), ...further.map(plainName)]);
  }

  /** Whether what has this name is a secret. */
  has(name: string): boolean {
    const plain = plainName(name);
    return this.#names.has(plain) || ENDINGS.test(plain);
  }
}
