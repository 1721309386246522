import { setTimeout as pause } from 'node:timers/promises';
import { ServingProcess } from '#rehearsal/serving-process.ts';
import type { Stage } from '#rehearsal/stage.ts';
import type { Lab } from '../lab/lab.ts';
import type { Report } from '../lab/report.ts';

/** What a scene may break. */
export interface Scene {
  readonly lab: Lab;
  readonly stage: Stage;
  readonly report: Report;
  readonly seconds: number;
}

const SECOND_MS = 1_000;
/** Longer than the earlier processor may think, by far. */
const SLOW = { fixedMs: 1_200, jitterMs: 300 };

/** One of the serving processes dies with all that is under way in it, and another takes its place. */
export async function killServing({ lab, stage, seconds }: Scene, name: string): Promise<void> {
  await stage.phase(name, 'a serving process is killed and another one started', {
    seconds,
    play: async () => {
      await pause(SECOND_MS / 2);
      const [victim] = stage.serving;
      await victim.kill();
      await pause(SECOND_MS);
      stage.serving[0] = await ServingProcess.start(stage.cellName, lab.environment);
      stage.network.cutConnections(); // so that the new one gets its share
    },
  });
}

/** A serving process dies at a given place of its work on messages. */
export async function dieAt(
  { lab, stage, report, seconds }: Scene,
  name: string,
  point: string,
): Promise<void> {
  await stage.phase(name, `a serving process dies at ${point}`, {
    seconds,
    play: async () => {
      const doomed = await ServingProcess.start(stage.cellName, {
        ...lab.environment,
        RELEVO_CRASH_AT: `${point}#20`,
      });
      const [former] = stage.serving;
      stage.serving[0] = doomed;
      await former.stop();
      stage.network.cutConnections();
      const since = performance.now();
      while (!doomed.hasEnded && performance.now() - since < 20 * SECOND_MS) await pause(20);
      report.holds(
        `a serving process dies at ${point}`,
        doomed.hasEnded,
        doomed.hasEnded ? 'killed there' : 'it lives',
      );
      await doomed.kill();
      stage.serving[0] = await ServingProcess.start(stage.cellName, lab.environment);
      stage.network.cutConnections();
    },
  });
}

/** The earlier processor takes longer than it may: it is stood in for, and decides all the same, later. */
export const slowProcessor = ({ stage, seconds }: Scene): Promise<unknown> =>
  stage.phase('slow', 'the earlier processor answers too late: stand-in, and advices', {
    seconds: seconds + 2,
    play: async () => void stage.processorServer.slow(seconds * SECOND_MS, SLOW),
  });

/** It takes effect there, and nobody hears of it. */
export const muteProcessor = ({ stage, seconds }: Scene): Promise<unknown> =>
  stage.phase('mute', 'the earlier processor acts and never answers', {
    seconds: seconds + 2,
    play: async () => void stage.processorServer.mute(seconds * SECOND_MS),
  });

export const cutLink = ({ stage, seconds }: Scene): Promise<unknown> =>
  stage.phase('cut link', 'the link to the earlier processor breaks, again and again, and then for a while', {
    seconds: seconds + 2,
    play: async () => {
      for (let i = 0; i < 5; i++) {
        stage.processorServer.cutConnections();
        await pause(SECOND_MS / 3);
      }
      await stage.processorServer.refuse((seconds / 2) * SECOND_MS);
    },
  });

export const cutNetwork = ({ stage, seconds }: Scene): Promise<unknown> =>
  stage.phase('cut network', 'connections of the network break with messages under way', {
    seconds,
    play: async () => {
      for (let i = 0; i < 4; i++) {
        stage.network.cutConnections(i % 2 === 0 ? 1 : undefined);
        await pause(SECOND_MS / 2);
      }
    },
  });

/** While the range is own, the earlier processor cannot be told: advices wait. */
export const processorAway = ({ stage, seconds }: Scene): Promise<unknown> =>
  stage.phase('untold', 'decided here while the earlier processor is away: advices wait', {
    seconds: seconds + 1,
    play: async () => {
      await stage.processorServer.refuse(seconds * SECOND_MS);
    },
  });
