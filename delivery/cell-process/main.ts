import { describeFailure } from '#services/migrations/work/failure.ts';
import { CellPipe } from './cell-pipe.ts';
import type { Handoff } from './handoff.ts';
import { loadAhead } from './load-ahead.ts';
import { serveCell, type ServingCell } from './serve-cell.ts';

const LOOK_MS = 1_000;
/** A process that is handed nothing for so long is a spare one, and has time. */
const SPARE_AFTER_MS = 300;

// What waking a cell takes is mostly loading the code. Node's compile cache would save half of it, but under
// `--permission` it wants a right to write the folder, and who may write it gives code to every other cell's process.
const loadMs = performance.now();
const pipe = new CellPipe(process.stdin, process.stdout);
const spare = setTimeout(() => {
  void loadAhead().then(() => pipe.tell({ state: 'ready' }));
}, SPARE_AFTER_MS);
const handoff = await pipe.handoff;
clearTimeout(spare);
if (handoff) await serve(handoff);

async function serve({ file, idleSeconds, ...handed }: Handoff): Promise<void> {
  const handedAt = performance.now();
  const name = `${file.tenant}/${file.environment}`;
  const serving = await serveCell(
    { file, idleSeconds, ...handed },
    {
      fileNow: () => pipe.fileNow(),
      onTrouble: (what, error) => {
        const why = error === undefined ? 'ended' : describeFailure(error);
        process.stderr.write(`${new Date().toISOString()} serving ${name}: ${what}: ${why}\n`);
      },
    },
  );
  const ms = (value: number) => Math.round(value);
  pipe.tell({
    state: 'serving',
    port: serving.port,
    http_port: serving.httpPort,
    load_ms: ms(loadMs),
    serve_ms: ms(performance.now() - handedAt),
  });
  const looking =
    idleSeconds > 0 && handed.network === null ? lookWhetherIdle(serving, idleSeconds) : undefined;
  await pipe.letGo;
  clearInterval(looking);
  pipe.tell({ state: 'stopped', answered: await serving.close() });
}

/** Says once that nobody asks; what comes in spite of that is answered. */
function lookWhetherIdle({ activity }: ServingCell, seconds: number): NodeJS.Timeout {
  const timer = setInterval(() => {
    if (activity.underWay > 0 || performance.now() - activity.lastMs < seconds * 1_000) return;
    clearInterval(timer);
    pipe.tell({ state: 'idle' });
  }, LOOK_MS);
  return timer;
}
