import { openCell } from '#delivery/cells/open-cell.ts';
import { parseCellName } from '#delivery/cells/cell-name.ts';
import { readAllSettings } from '#delivery/local/settings.ts';
import { serveAuthorisations } from '#delivery/local/serve-authorisations.ts';
import { acquireServer } from '#runtime/postgres/server.ts';

/**
 * A process that serves a cell as `relevo serve` does, but for its clock, which the simulation sets. It dies where
 * RELEVO_CRASH_AT says, or when the simulation kills it, or with the simulation.
 */
const PASSED_ON_EVERY_MS = 5;

const [home, cellText, startsAt] = process.argv.slice(2);
let nowMs = Number(startsAt);
let setAtMs = performance.now();

process.on('message', (toldMs: number) => {
  nowMs = toldMs;
  setAtMs = performance.now();
});
process.on('disconnect', () => process.exit());

const server = await acquireServer({ home, databaseUrl: process.env['RELEVO_DATABASE_URL'] });
const cell = await openCell(server, home, parseCellName(cellText));
const serving = await serveAuthorisations(cell, readAllSettings(process.env), {
  process: `simulated ${process.pid}`,
  host: '127.0.0.1',
  port: 0,
  framing: 'binary',
  now: () => Math.floor(nowMs + performance.now() - setAtMs),
  onTrouble: (what, error) => process.stderr.write(`${what}: ${(error as Error).message}\n`),
});
process.send!({ port: serving.port });

let passedOn = 0;
setInterval(() => {
  if (serving.pipeline.counts.passedOn === passedOn) return;
  ({ passedOn } = serving.pipeline.counts);
  process.send!({ passedOn });
}, PASSED_ON_EVERY_MS);
