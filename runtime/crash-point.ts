/**
 * Places where the crash proof kills a process, in the order in which a migration passes them.
 * `npm run prove -- crash` goes through this list; naming a place here and calling it is all a new one needs.
 */
export const CRASH_POINTS = [
  'verify:done',
  'load:entered',
  'load:chunk-queued',
  'load:all-queued',
  'load:done',
  'chunk:leased',
  'chunk:parsed',
  'cards:inserted',
  'cards:imported',
  'cardholders:imported',
  'accounts:opened',
  'accounts:stated',
  'holds:placed',
  'holds:imported',
  'tokens:imported',
  'chunk:imported',
  'chunk:recorded',
  'chunk:finished',
  'close:begun',
  'close:result-written',
  'close:recorded',
] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];

/** `RELEVO_CRASH_AT=cards:imported#3`: the third time this process comes there. Set by the crash proof alone. */
const [place, times] = (process.env['RELEVO_CRASH_AT'] ?? '').split('#');
let left = Number(times ?? 1);

/** Does nothing, unless this is the place and the time at which the crash proof wants this process to die. */
export function crashPoint(here: CrashPoint): void {
  if (here === place && --left === 0) process.kill(process.pid, 'SIGKILL');
}
