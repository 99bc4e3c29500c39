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

/**
 * What the name of a secret ends with, whatever it is the secret of, and in whatever form: `db_password`,
 * `stripeSecretKey`, `refreshTokens`, `privateKeyPem`.
 */
const ENDINGS = new RegExp(
  "(?:password|passwd|pwd|passphrase|secret|token|cookie|authorization|credential|sessionid|clientassertion|" +
    "codeverifier|otp|(?:api|private|secret|access|signing|encryption|master|hmac|account|shared)key)s?" +
    "(?:pem|value|header)?$|passwordhash$|^(?:password|passwd)",
);
/** Within a longer word, such as `bypass`, it is none. */
const PASS = /[^\p{L}\p{N}](?:pass|Pass|PASS)$|[a-z]Pass$/u;
/** What may also be counted: numbers under it are none. */
const COUNTED = /tokens$/;

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
    return this.#names.has(plain) || ENDINGS.test(plain) || PASS.test(name);
  }

  /** Whether a number by this name is a secret, too: `maxTokens` is none. */
  hasNumber(name: string): boolean {
    return this.has(name) && !COUNTED.test(plainName(name));
  }
}
