import { answerWithin } from "../_internal/answer_within.ts";
import { integerOption, MAX_TIMEOUT_MS, wrongOption } from "../_internal/options.ts";
import { escapeJson } from "./_json_line.ts";
import { readHeaders, readUrl } from "./_webhook_options.ts";
import type { AlertAction } from "./alert.ts";

/** Options of {@linkcode webhookAction}. */
export interface WebhookActionOptions {
  /** Where to send to: `https:`, or `http:` to this machine; without a user, a password or a fragment. */
  readonly url: string | URL;
  /** Further headers, such as `Authorization`. @default {{}} */
  readonly headers?: Readonly<Record<string, string>>;
  /** How long the answer may take, in milliseconds; the alerts have a limit of their own. @default {5000} */
  readonly timeoutMs?: number;
  /** What sends. @default {globalThis.fetch} */
  readonly fetch?: (url: URL, init: RequestInit) => Promise<Response>;
}

/**
 * Makes an action that posts an alert, as JSON, to a web hook.
 *
 * Everything of the alert is sent, the last event with its identifiers included. Redirects are refused, as the headers
 * and the alert would follow them; so is any answer but 2xx. Requires `--allow-net` for the host.
 *
 * @example
 * ```ts
 * import { webhookAction } from "@bartizan/security";
 * import { assertThrows } from "@std/assert";
 *
 * const tell = webhookAction({ url: "https://alerts.example/hook" });
 * // createAlerts({ rules: [{ …, then: [tell] }] })
 * assertThrows(() => webhookAction({ url: "http://alerts.example/hook" }), TypeError);
 * ```
 *
 * @param options Where to send to.
 * @returns The action.
 * @throws {TypeError} If the URL or another option is none that may be used.
 * @throws {RangeError} If a number is out of range.
 */
export function webhookAction(options: WebhookActionOptions): AlertAction {
  const purpose = "make a web hook";
  const { fetch: send = globalThis.fetch } = options;
  const url = readUrl(purpose, options.url, false);
  const headers = readHeaders(purpose, options.headers);
  if (typeof send !== "function") throw wrongOption(purpose, "fetch", "a function", send);
  const timeoutMs = integerOption(purpose, "timeoutMs", options.timeoutMs, {
    otherwise: 5000,
    least: 1,
    most: MAX_TIMEOUT_MS,
  });
  return async (alert, limits) => {
    const body = escapeJson(JSON.stringify(alert));
    const status = await answerWithin(async (signal) => {
      const init = { method: "POST", headers, body, redirect: "error", signal } as const;
      const response = await send(url, init);
      // It may go on without end.
      response.body?.cancel().catch(() => {});
      return response.ok ? undefined : response.status;
    }, { timeoutMs, signal: limits.signal });
    if (status !== undefined) throw new Error(`The web hook has answered ${status}`);
  };
}
