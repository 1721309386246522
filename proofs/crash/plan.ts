import { CRASH_POINTS, type CrashPoint } from '#runtime/crash-point.ts';
import type { Random } from '../lab/random.ts';

/** Which process dies: the command an operator waits for, a worker process, all of them at once, the database. */
export type Victim = 'command' | 'worker' | 'everything' | 'database';

export type PlannedKill =
  /** At a named point, when the process comes there for the `times`th time. */
  | {
      readonly kind: 'point';
      readonly victim: 'command' | 'worker';
      readonly point: CrashPoint;
      readonly times: number;
    }
  /** When so much of the remaining work is done (`share`), or so long after the start of the command. */
  | {
      readonly kind: 'moment';
      readonly victim: Victim;
      readonly share: number | null;
      readonly delayMs: number;
    };

/** Points that a migration passes once; at all others a process comes by again and again. */
const ONCE: ReadonlySet<CrashPoint> = new Set([
  'verify:done',
  'load:entered',
  'load:all-queued',
  'load:done',
  'close:begun',
  'close:result-written',
  'close:recorded',
]);
/** Points of holds and tokens: fewer chunks pass them. */
const LINKS = /^(holds|tokens):/;
const isOfLoader = (point: CrashPoint) => /^(verify|load):/.test(point);

/** Every point, in the command itself and in worker processes, at its first and at a later time. */
export function everyPoint(random: Random): PlannedKill[] {
  return CRASH_POINTS.flatMap((point): PlannedKill[] => {
    const victims = isOfLoader(point) ? (['command'] as const) : (['command', 'worker'] as const);
    const times = ONCE.has(point) ? [1] : [1, random.between(2, LINKS.test(point) ? 2 : 4)];
    return victims.flatMap((victim) =>
      times.map((time): PlannedKill => ({ kind: 'point', victim, point, times: time })),
    );
  });
}

export function atMoment(random: Random, victim: Victim): PlannedKill {
  // One in four early: while the file is verified, entered and brought into the queue.
  const early = random.next() < 0.25;
  return {
    kind: 'moment',
    victim,
    share: early ? null : random.next() * 0.9,
    delayMs: early ? random.between(250, 700) : random.between(0, 25),
  };
}

/** Kills of one migration happen in the order in which it passes their places. */
export function inOrder(kills: readonly PlannedKill[]): PlannedKill[] {
  const place = (kill: PlannedKill): number => {
    if (kill.kind === 'moment') return kill.share === null ? 2 : 10 + kill.share;
    if (isOfLoader(kill.point)) return CRASH_POINTS.indexOf(kill.point) / 10;
    if (LINKS.test(kill.point)) return 20 + kill.times;
    if (kill.point.startsWith('close:')) return 30 + CRASH_POINTS.indexOf(kill.point);
    return 5 + kill.times;
  };
  return [...kills].sort((a, b) => place(a) - place(b));
}

export const textOf = (kill: PlannedKill): string =>
  kill.kind === 'point'
    ? `${kill.victim} at ${kill.point}${kill.times > 1 ? `#${kill.times}` : ''}`
    : `${kill.victim} ${kill.share === null ? `${kill.delayMs} ms after its start` : `at ${Math.round(kill.share * 100)} % of what was left`}`;
