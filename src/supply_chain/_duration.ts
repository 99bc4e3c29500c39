const NUMBER = "(\\d{1,9}(?:\\.\\d{1,9})?)";
const DURATION = new RegExp(
  `^P(?:${NUMBER}W|(?:${NUMBER}Y)?(?:${NUMBER}M)?(?:${NUMBER}D)?` +
    `(T(?:${NUMBER}H)?(?:${NUMBER}M)?(?:${NUMBER}S)?)?)$`,
);

const DAY = 86_400;

/**
 * Seconds of an ISO 8601 duration such as `P90D`, `P1Y2M` or `PT36H`, or `undefined`.
 *
 * A year is 365 days and a month 30.43 days, as in cargo-deny.
 */
export function durationSeconds(text: string): number | undefined {
  const match = text.match(DURATION);
  // The pattern leaves every part optional, so `P` and `P1DT` pass it and name no time.
  if (match === null || !/\d[A-Z]$/.test(text)) return undefined;
  const [, weeks, years, months, days, , hours, minutes, seconds] = match;
  const number = (part: string | undefined) => Number(part ?? 0);
  return number(weeks) * 7 * DAY + number(years) * 365 * DAY + number(months) * 30.43 * DAY +
    number(days) * DAY + number(hours) * 3600 + number(minutes) * 60 + number(seconds);
}
