import { enableCompileCache } from 'node:module';
import { describeFailure } from '#services/migrations/work/failure.ts';
import { readHandoff, type Told } from './handoff.ts';
import { serveCell, type ServingCell } from './serve-cell.ts';

// A cell that sleeps is woken by a request: most of what that takes is loading the code.
enableCompileCache();

const LOOK_MS = 1_000;

const tell = (told: Told): void => void process.stdout.write(`${JSON.stringify(told)}\n`);

const { file, idleSeconds, ...handed } = await readHandoff(process.stdin);
const name = `${file.tenant}/${file.environment}`;
const serving = await serveCell({ file, idleSeconds, ...handed }, (what, error) => {
  const why = error === undefined ? 'ended' : describeFailure(error);
  process.stderr.write(`${new Date().toISOString()} serving ${name}: ${what}: ${why}\n`);
});
tell({ state: 'serving', port: serving.port, http_port: serving.httpPort });
const looking =
  idleSeconds > 0 && handed.network === null ? lookWhetherIdle(serving, idleSeconds) : undefined;

// Whoever started it holds the other end, and lets go of it to end it, however that happens.
process.stdin.resume().once('close', () => void end());

async function end(): Promise<void> {
  clearInterval(looking);
  const answered = await serving.close();
  tell({ state: 'stopped', answered });
}

/** Says once that nobody asks; what comes in spite of that is answered. */
function lookWhetherIdle({ activity }: ServingCell, seconds: number): NodeJS.Timeout {
  const timer = setInterval(() => {
    if (activity.underWay > 0 || performance.now() - activity.lastMs < seconds * 1_000) return;
    clearInterval(timer);
    tell({ state: 'idle' });
  }, LOOK_MS);
  return timer;
}
