import { once, EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CellProcesses, WakingTimes } from '#delivery/supervisor/cell-processes.ts';
import { ask } from './ask.ts';
import type { GatewayLab } from './lab.ts';

/** As a cell's terms have it, in seconds. */
const IDLE_SECONDS = 1;
const REST_MS_MAX = 30_000;
/** For the process that rests to end, and the spare one to have loaded. */
const SETTLE_MS = 3_000;

export interface Wake {
  /** Otherwise the gateway refused it, because the process took longer than it waits. */
  readonly isAnswered: boolean;
  /** From a client's new connection to the gateway until it has the whole answer. */
  readonly ms: number;
  /** Of it: from when a process was taken until it served. */
  readonly processMs: number;
  /** Of that: from the handoff until it served. */
  readonly serveMs: number;
  /** From the start of a process until it had loaded its code; before the request, where it was a spare one. */
  readonly loadMs: number;
}

/** First requests to a cell asleep: its process falls asleep by itself each time, as it would in service. */
export async function wakes(lab: GatewayLab, count: number, spares: number): Promise<Wake[]> {
  if (count === 0) return [];
  const events = new EventEmitter();
  let took: WakingTimes | undefined;
  const earlier = lab.processes;
  const processes: CellProcesses = lab.newProcesses(IDLE_SECONDS, {
    spares,
    onAwake: (_, times) => (took = times),
    onResting: () => events.emit('resting'),
  });
  await lab.headers('gateway', 'cell');
  lab.lead('cell');
  lab.processes = processes;
  const measured: Wake[] = [];
  try {
    void lab.door.forget({ cell: lab.cell, colour: 'blue' });
    for (let i = 0; i < count; i++) {
      await sleep(SETTLE_MS);
      took = undefined;
      const resting = once(events, 'resting', { signal: AbortSignal.timeout(REST_MS_MAX) });
      const way = { ...(await lab.way('gateway', 'cell')), agent: false as const };
      const since = performance.now();
      const { status } = await ask(way);
      const ms = performance.now() - since;
      // On a machine that is busy enough the gateway gives up first; the process comes all the same, and rests.
      await resting;
      // Assigned by what is told meanwhile.
      const { ms: processMs, serveMs, loadMs } = took as unknown as WakingTimes;
      measured.push({ ms, processMs, serveMs, loadMs, isAnswered: status === 200 });
    }
  } finally {
    await processes.stop();
    lab.processes = earlier;
  }
  return measured;
}
