import { FLIP_CRASH_POINTS } from '#runtime/crash-point.ts';
import type { Stage } from '#rehearsal/stage.ts';
import type { Direction } from '#services/authorisations/cutover/direction.ts';
import type { Report } from '../lab/report.ts';
import { documentOf, endOf } from '../lab/command.ts';
import type { Lab } from '../lab/lab.ts';

interface FlipDocument {
  readonly mode: string;
  readonly recovered: boolean;
}

const FLIP_MS_MAX = 60_000;
const OPERATOR = 'ana.quispe';

/**
 * Has the flip of a range die at each of its crash points in turn, and gives the command again. A flip that dies before
 * its commit has changed nothing; after it, the command that is given again finds it done and completes the trail.
 */
export async function crashThroughFlip(
  lab: Lab,
  stage: Stage,
  range: string,
  direction: Direction,
  report: Report,
): Promise<void> {
  const command = direction === 'cutover' ? 'flip' : 'rollback';
  const args = [
    'cutover',
    command,
    '--cell',
    stage.cellName,
    '--range',
    range,
    '--operator',
    OPERATOR,
    '--json',
  ];
  for (const point of FLIP_CRASH_POINTS) {
    const died = await endOf(lab.start(args, { RELEVO_CRASH_AT: point }), FLIP_MS_MAX);
    report.holds(
      `${direction} of ${range}: the command dies at ${point}`,
      died?.signal === 'SIGKILL',
      died === null ? 'it hung' : died.signal === 'SIGKILL' ? 'killed there' : `${died.code}: ${died.stdout}`,
    );
  }
  const again = await endOf(lab.start(args), FLIP_MS_MAX);
  const flipped = again?.code === 0 ? documentOf<FlipDocument>(again) : null;
  const mode = direction === 'cutover' ? 'own' : 'relay';
  report.holds(
    `${direction} of ${range}: the same command again finds what was done`,
    flipped?.mode === mode && flipped.recovered,
    flipped === null
      ? `ended with ${again?.code}: ${again?.stdout}${again?.stderr}`
      : `${flipped.mode}, ${flipped.recovered ? 'recovered' : 'flipped anew'}`,
  );
}
