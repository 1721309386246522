const SECOND_MS = 1000;
const HALF_YEAR_MS = 183 * 86_400 * SECOND_MS;

const two = (value: number): string => String(value).padStart(2, '0');

/** Field 7, `MMDDhhmmss` in UTC. */
export function toField7(ms: number): string {
  const at = new Date(ms);
  return (
    two(at.getUTCMonth() + 1) +
    two(at.getUTCDate()) +
    two(at.getUTCHours()) +
    two(at.getUTCMinutes()) +
    two(at.getUTCSeconds())
  );
}

/** The moment of a field 7. It names no year: the one is meant that brings it nearest to `now`. NaN for no time. */
export function fromField7(text: string, now: number): number {
  if (!/^\d{10}$/.test(text)) return NaN;
  const [month, day, hour, minute, second] = [0, 2, 4, 6, 8].map((at) => Number(text.slice(at, at + 2)));
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59) return NaN;
  const ms = Date.UTC(new Date(now).getUTCFullYear(), month - 1, day, hour, minute, second);
  const years = ms - now > HALF_YEAR_MS ? -1 : now - ms > HALF_YEAR_MS ? 1 : 0;
  if (years === 0) return ms;
  return Date.UTC(new Date(now).getUTCFullYear() + years, month - 1, day, hour, minute, second);
}

/** `2026-11-20T06:00:00Z`, as portfolio files write it. */
export const toInstant = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** The last whole second up to `ms`. */
export const wholeSecond = (ms: number): number => Math.floor(ms / SECOND_MS) * SECOND_MS;
