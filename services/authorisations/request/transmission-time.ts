const DAY_MS = 24 * 3600 * 1000;
/** A leap year's half: no time has all its neighbours of other years further away than this. */
const HALF_A_YEAR_MS = 183 * DAY_MS;

/**
 * The instant of field 7, `MMDDhhmmss` in UTC. It names no year: it is the one that brings it nearest to `now`, so
 * that a message of 31 December that comes on 1 January is seconds old and not a year early. Null when there is no
 * such time, as on 29 February where the nearest year has none.
 */
export function transmissionTime(field: string, now: Date): Date | null {
  // Thousands of messages are of the same second.
  if (field === last.field && Math.abs(now.getTime() - last.nowMs) < SAME_MS) return last.time;
  const time = timeOf(field, now);
  last = { field, nowMs: now.getTime(), time };
  return time;
}

const SAME_MS = 60_000;
let last: { field: string; nowMs: number; time: Date | null } = { field: '', nowMs: 0, time: null };

function timeOf(field: string, now: Date): Date | null {
  if (!/^\d{10}$/.test(field)) return null;
  const [month, day, hour, minute, second] = [0, 2, 4, 6, 8].map((at) => Number(field.slice(at, at + 2)));
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return null;
  const inYear = (year: number) => Date.UTC(year, month - 1, day, hour, minute, second);
  const distance = (time: number) => Math.abs(time - now.getTime());
  let nearest = inYear(now.getUTCFullYear());
  if (distance(nearest) >= HALF_A_YEAR_MS - DAY_MS) {
    const others = [now.getUTCFullYear() - 1, now.getUTCFullYear() + 1].map(inYear);
    nearest = [nearest, ...others].reduce((a, b) => (distance(b) < distance(a) ? b : a));
  }
  // A day that its month does not have would have run on into the next month.
  const time = new Date(nearest);
  return time.getUTCDate() === day ? time : null;
}
