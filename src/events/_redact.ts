/**
 * Secrets within text, found by their shape.
 *
 * Whoever is under attack writes down what the attacker sent, so every expression here takes linear time:
 * once its first letters are there it matches, and what it took is not looked at again. Whether that is a
 * secret is decided after the match.
 *
 * @module
 */

/** What stands in the place of a secret. */
export const REDACTED = "[redacted]";

type Rule = (text: string, isCut: boolean) => string;

/** Tokens that services mark: GitHub, Slack, Stripe, OpenAI, AWS, Google, GitLab, npm, PyPI, and so on. */
const MARKS =
  "gh[opusr]_|github_pat_|xox[a-z]-|xapp-|[sr]k_(?:live|test)_|sk-|whsec_|A[KS]IA|AIza|ya29\\.|glpat-|npm_|" +
  "pypi-|dop_v1_|hf_|SG\\.|shpat_|AGE-SECRET-KEY-";

/** Names of parameters that are secrets in a query or a form, and ordinary words elsewhere. */
const PARAMETERS = "code|sig|signature|x-amz-signature|key|auth|sid|ticket|jwt|state|nonce";

/** Names that are secrets wherever a value is given to them. */
const NAMES = "pass(?:word|wd|phrase|code)|(?<![a-z])pass(?==)|pwd|secret|token|" +
  "(?:api|private|secret|access|signing|encryption|account|master|hmac|shared)[-_. ]?key|" +
  "session[-_]?id|session(?==)|sessid|credentials?|assertion|code[-_]?verifier|saml_?response|" +
  "(?<![a-z])(?:otp|pin|sid)";

/** What can only be a secret when one of these is there. */
const SHAPES = new RegExp(`ey[JA]|ew[o0]|bearer|dpop|basic|-BEGIN|${MARKS}`, "i");
const SEPARATORS = /[:=%<]|--/;

/** Of `{"`, and of a brace before a line end or a space. */
const JWT = /(?:ey[JA]|ewo[gJ]|ew0K)[\w.~-]*/g;
const MARKED = new RegExp(`(?<![A-Za-z0-9])(${MARKS})([\\w.-]*)`, "g");
const SCHEME = /\b(bearer|dpop|basic)((?:[\s+:="']|%20|%3a|%3d){1,8})([\w.~+/=-]+)/gi;
const PEM =
  /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[^]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|$)/g;
/** Up to its end, as a password may have anything in it; a port is none. */
const USER_INFO = /(:\/\/[^\s/?#:@]*:)(?!\d{1,5}(?:[/?#\s"'<>,;)]|$))([^\s"'<>]*)/g;
const SEPARATOR = `\\\\*(?:["'\\]]|%22|%5d)?\\s*(?:=>|[:=]|%3[ad])\\s*`;
const QUOTED = `\\\\*"(?:[^"\\\\]|\\\\[^])*(?:"|\\\\?$)|\\\\*'(?:[^'\\\\]|\\\\[^])*(?:'|\\\\?$)`;
const PARAMETER = new RegExp(
  `([?&#;]|%3f|%26|%23)(${PARAMETERS})(=|%3d)(?:${QUOTED}|[^&#\\s"'<>]+)`,
  "gi",
);
/** A line that begins with a space goes on with the header before it. */
const HEADER = new RegExp(
  `((?:proxy-?)?authorization|(?:set-?)?cookie)(${SEPARATOR})` +
    `(${QUOTED}|[^\\r\\n]+(?:\\r?\\n[ \\t][^\\r\\n]*)*)`,
  "gi",
);
const JWK_MEMBER = /(["'])(d|p|q|dp|dq|qi|k|priv)(\1\s*:\s*)(["'])[\w+/=-]+/g;

/** What follows a name or a scheme in ordinary sentences, such as `DPoP proof` and `token: expired`. */
const WORDS: ReadonlySet<string> = new Set(
  ("access and auth authentication authorization binding bound challenge credential credentials denied empty " +
    "error expected expired failed false for has header headers in invalid is key keys missing mismatch must " +
    "nonce nonces none not null of or proof proofs realm refused replayed required revoked scheme schemes " +
    "thumbprint to token tokens true undefined unknown was with without wrong").split(" "),
);

/** Finds secrets in texts. */
export class SecretShapes {
  readonly #rules: readonly Rule[];
  readonly #pairRules: readonly Rule[];
  readonly #queryRules: readonly Rule[];

  /** Takes further names of secrets, as words separated by anything. */
  constructor(further: readonly string[]) {
    const names = [NAMES, ...further.map(namePattern).filter((source) => source !== "")].join("|");
    const pair = new RegExp(`(${names})(${SEPARATOR})(${QUOTED}|[^\\s&"'<>]+)`, "giu");
    // Schemes go before what may follow them.
    this.#rules = [
      (text) => text.replace(PEM, REDACTED),
      (text) => text.replace(SCHEME, scheme),
      (text, isCut) =>
        text.replace(JWT, (match, at) => jwt(match, isCutAt(match, at, text, isCut))),
      (text, isCut) =>
        text.replace(
          MARKED,
          (match, mark: string, rest: string, at: number) =>
            isToken(rest) || isCutAt(match, at, text, isCut) ? mark + REDACTED : match,
        ),
    ];
    const flag = new RegExp(
      `(--(?:[a-z]{1,16}[-_])?(?:${names})\\s+)(?:${QUOTED}|[^\\s&"'<>]+)`,
      "giu",
    );
    const element = new RegExp(`(<(?:\\w{1,16}:)?(?:${names})>)[^<]+`, "giu");
    this.#queryRules = [
      (text) => text.replace(PARAMETER, `$1$2$3${REDACTED}`),
      (text) =>
        text.replace(
          pair,
          (_, name, separator, value) => name + separator + given(separator, value),
        ),
    ];
    this.#pairRules = [
      userInfo,
      (text) => text.replace(HEADER, header),
      ...this.#queryRules,
      (text) => text.replace(flag, `$1${REDACTED}`),
      (text) => text.replace(element, `$1${REDACTED}`),
      (text) => isJwk(text) ? text.replace(JWK_MEMBER, `$1$2$3$4${REDACTED}`) : text,
    ];
  }

  /** The text without secrets; `isCut` when it is only the beginning of one, and a secret may end early. */
  redact(text: string, isCut: boolean): string {
    const result = this.redactSure(text, isCut);
    return SEPARATORS.test(text) ? applied(this.#pairRules, result, isCut) : result;
  }

  /** The same without what is a secret only by what stands before it. */
  redactSure(text: string, isCut: boolean): string {
    return SHAPES.test(text) ? applied(this.#rules, text, isCut) : text;
  }

  /** The same for what may be an address on the web: what stands before a value counts in its query only. */
  redactUrl(text: string, isCut: boolean): string {
    let result = this.redactSure(text, isCut);
    if (result.includes("://")) result = userInfo(result, isCut);
    const at = result.search(/[?#]/);
    return at < 0
      ? result
      : result.slice(0, at) + applied(this.#queryRules, result.slice(at), isCut);
  }
}

function applied(rules: readonly Rule[], text: string, isCut: boolean): string {
  let result = text;
  for (const rule of rules) result = rule(result, isCut);
  return result;
}

function userInfo(text: string, isCut: boolean): string {
  return text.replace(USER_INFO, (match, name: string, rest: string, at: number) => {
    const [authority = ""] = rest.split(/[/?#]/, 1);
    const end = authority.includes("@") ? authority.lastIndexOf("@") : rest.indexOf("@");
    if (end >= 0) return name + REDACTED + rest.slice(end);
    return isCutAt(match, at, text, isCut) ? name + REDACTED : match;
  });
}

/** `cardNumber` is `card_number`, `Card Number` and so on. */
function namePattern(name: string): string {
  const words = name.replace(/([\p{Ll}\p{N}])(?=\p{Lu})/gu, "$1 ").split(/[^\p{L}\p{N}]+/u);
  return words.filter((word) => word !== "").join("[-_. ]?");
}

function isCutAt(match: string, at: number, text: string, isCut: boolean): boolean {
  return isCut && at + match.length === text.length;
}

/** A header that says an algorithm has more than eight characters. */
function jwt(match: string, isCutHere: boolean): string {
  return match.indexOf(".") >= 8 || isCutHere ? REDACTED : match;
}

/** Names have no digits and no capitals, or are short: `sk-learn`, `npm_config_registry`. */
function isToken(rest: string): boolean {
  return rest.length >= 12 && /[0-9A-Z]/.test(rest);
}

function scheme(match: string, name: string, separator: string, value: string): string {
  const word = value.replace(/[.:=]+$/, "").toLowerCase();
  if (WORDS.has(word)) return match;
  if (/^basic$/i.test(name) && /^[a-z]*$/.test(word) && word === value) return match;
  return name + separator + REDACTED;
}

/** A header ends with its line; its scheme is worth keeping. */
function header(_match: string, name: string, separator: string, value: string): string {
  return /^(?:bearer|dpop|basic) \[redacted\]$/i.test(value)
    ? name + separator + value
    : name + separator + given(separator, value);
}

function given(separator: string, value: string): string {
  const quote = /^\\*["']/.exec(value)?.[0] ?? "";
  const bare = value.slice(quote.length);
  if (bare.startsWith(REDACTED)) return value;
  const isSentence = quote === "" && separator.includes(":");
  if (isSentence && WORDS.has(value.replace(/[.,;)]+$/, "").toLowerCase())) return value;
  return quote + REDACTED + (quote === "" || !bare.endsWith(quote.at(-1) ?? "") ? "" : quote);
}

/** Whether a text seems to hold a JWK as JSON. */
function isJwk(text: string): boolean {
  return text.includes('"kty"') || text.includes("'kty'");
}
