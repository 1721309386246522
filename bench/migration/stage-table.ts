import type { Measured } from '../meter/meter.ts';
import type { ContenderRun } from '../lab/contender.ts';
import type { StagesResult } from './stages.ts';
import { TIMED } from './timed-cell.ts';

export interface StageRow {
  readonly stage: 'verify' | 'load' | 'work' | 'close';
  /** Null for the whole stage; its parts follow it. */
  readonly part: string | null;
  readonly seconds: number;
  readonly nodeCpuSeconds: number | null;
  readonly postgresCpuSeconds: number | null;
}

/** The stages and what is known of their parts. A part that is a difference says so. */
export function stageRows({ parts, result }: ContenderRun<StagesResult>): StageRow[] {
  const of = (name: string) => parts.find(({ part }) => part === name)!.measured;
  const [decrypt, verify, load, work, close] = ['decrypt', 'verify', 'load', 'work', 'close'].map(of);
  const timed = Object.values(TIMED).map((part) => [part, result.work[part] ?? 0] as const);
  const rest = work.seconds - timed.reduce((sum, [, seconds]) => sum + seconds, 0);
  return [
    whole('verify', verify),
    row('verify', 'decrypt, verify signature', decrypt.seconds, decrypt.nodeCpuSeconds),
    row('verify', 'split, check, census, keep aside', ...difference(verify, decrypt)),
    whole('load', load),
    whole('work', work),
    ...timed.map(([part, seconds]) => row('work', part, seconds, null)),
    row('work', 'split, check, lay out columns, outcomes', Math.max(0, rest), null),
    whole('close', close),
  ];
}

const row = (
  stage: StageRow['stage'],
  part: string,
  seconds: number,
  nodeCpuSeconds: number | null,
): StageRow => ({ stage, part, seconds, nodeCpuSeconds, postgresCpuSeconds: null });

const whole = (stage: StageRow['stage'], measured: Measured): StageRow => ({
  stage,
  part: null,
  seconds: measured.seconds,
  nodeCpuSeconds: measured.nodeCpuSeconds,
  postgresCpuSeconds: measured.postgresCpuSeconds,
});

function difference(more: Measured, less: Measured): [seconds: number, nodeCpuSeconds: number | null] {
  const cpu =
    more.nodeCpuSeconds === null || less.nodeCpuSeconds === null
      ? null
      : Math.max(0, more.nodeCpuSeconds - less.nodeCpuSeconds);
  return [Math.max(0, more.seconds - less.seconds), cpu];
}
