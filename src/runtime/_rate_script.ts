import { type RedisScript, replyText } from "../_internal/redis_send.ts";
import { type Debts, MOST_LIMITS } from "./_gcra.ts";
import type { RateRule } from "./rate_store.ts";

/**
 * `KEYS` are the limits of one key, in one slot of a cluster; `ARGV[1]` is the cost, and five numbers of each
 * limit follow. Answers whether it is allowed, and the debts before, as pairs of whole microseconds and a rest.
 *
 * The time is the server's own: machines whose clocks disagree would otherwise disagree about limits, and the
 * one whose clock is ahead would fill them for all. It may be set back, too, and then more than a burst seems
 * to be owed, which nobody can: it is written down as a burst at once, or the key would be refused for as long
 * as the clock went back. Every key is written with its end of life: who owes nothing has no key. For a key that
 * holds something else, nothing is taken and `{-1}` is the answer: an error would look like one of the server.
 */
const TEXT = `local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local cost = tonumber(ARGV[1])
local asked = math.max(cost, 1)
local allowed = 1
local reply, micros, rests = {0}, {}, {}
local function keep(key, micros, rest)
  local value = string.format('%.0f:%.0f', now + micros, rest)
  redis.call('SET', key, value, 'PX', string.format('%.0f', math.ceil(micros / 1000) + 1))
end
for i = 1, #KEYS do
  local at = i * 5 - 3
  local requests, step, part = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local most, mostrest = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local debt, rest = 0, 0
  local held = redis.pcall('GET', KEYS[i])
  if held then
    local a, b
    if type(held) == 'string' then a, b = string.match(held, '^(%d+):(%d+)$') end
    if not a or tonumber(b) >= requests then return {-1} end
    debt, rest = a - now, tonumber(b)
    if debt < 0 then debt, rest = 0, 0 end
    if debt > most or debt == most and rest > mostrest then
      debt, rest = most, mostrest
      keep(KEYS[i], debt, rest)
    end
  end
  reply[i * 2], reply[i * 2 + 1] = debt, rest
  local parts = rest + asked * part
  debt, rest = debt + asked * step + math.floor(parts / requests), parts % requests
  if debt > most or debt == most and rest > mostrest then allowed = 0 end
  micros[i], rests[i] = debt, rest
end
if allowed == 1 and cost > 0 then
  for i = 1, #KEYS do keep(KEYS[i], micros[i], rests[i]) end
end
reply[1] = allowed
return reply`;

/** The script, and the name that EVALSHA has for it. */
export const RATE_SCRIPT: RedisScript = {
  text: TEXT,
  sha1: "700e690087e900fa88440812b18dd7d2e1993dd0",
};

/**
 * Writes the numbers of limits down.
 *
 * @param rules The limits.
 * @returns What follows the cost.
 */
export function ruleArguments(rules: readonly RateRule[]): readonly string[] {
  return rules.flatMap((rule) =>
    [rule.requests, rule.intervalMicros, rule.intervalRest, rule.burstMicros, rule.burstRest]
      .map(String)
  );
}

/**
 * Reads a reply.
 *
 * @param reply The reply, as whichever client gives it.
 * @param rules The limits that were asked about.
 * @param debts Where to put the debts before.
 * @returns Whether it is allowed, or `undefined` when it is no reply of the script.
 */
export function readReply(
  reply: unknown,
  rules: readonly RateRule[],
  { micros, rests }: Debts,
): boolean | undefined {
  if (
    !Array.isArray(reply) || reply.length !== rules.length * 2 + 1 || rules.length > MOST_LIMITS
  ) {
    return undefined;
  }
  for (let at = 0; at < rules.length; at++) {
    const rule = rules[at]!;
    const debt = count(reply[at * 2 + 1], rule.burstMicros);
    const rest = count(reply[at * 2 + 2], rule.requests - 1);
    if (debt === undefined || rest === undefined) return undefined;
    micros[at] = debt;
    rests[at] = rest;
  }
  const allowed = count(reply[0], 1);
  return allowed === undefined ? undefined : allowed === 1;
}

function count(value: unknown, most: number): number | undefined {
  const number = typeof value === "number" ? value : Number(replyText(value) || NaN);
  return Number.isSafeInteger(number) && number >= 0 && number <= most ? number : undefined;
}
