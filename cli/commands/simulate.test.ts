import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runRelevo } from '#tools/testing/cli.ts';

const PROGRAM = fileURLToPath(new URL('../../relevo', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'relevo-simulate-'));
after(() => rm(folder, { recursive: true }));

/** `simulate processor` with its control lines: `say` writes one and waits for the answer. */
async function processor(...words: string[]) {
  const child = spawn(PROGRAM, ['simulate', 'processor', '--port', '0', ...words], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => (await lines.next()).value ?? '';
  const said = await next();
  return {
    said,
    port: /:(\d+)$/.exec(said)?.[1] ?? '',
    async say(line: string): Promise<string> {
      child.stdin.write(`${line}\n`);
      return next();
    },
    async end(): Promise<string> {
      child.kill('SIGINT');
      return next();
    },
  };
}

test('network and processor rehearse with each other; the processor writes what it has', async () => {
  const acting = await processor('--sample', '300', '--seed', '4');
  assert.match(acting.said, /^300 cards, \d+ open holds; listening at 127\.0\.0\.1:\d+$/);
  const words = `simulate network --port ${acting.port} --sample 300 --seed 4 --rate 200 --seconds 2 --json`;
  const ended = await runRelevo(words.split(' '), {});
  assert.equal(ended.status, 0, ended.stdout + ended.stderr);
  const report = JSON.parse(ended.stdout) as Record<string, number>;
  assert(report['sent'] > 200);
  assert.equal(report['answered'], report['sent']);
  assert.deepEqual([report['unanswered'], report['repeats_differing'], report['strays']], [0, 0, 0]);

  const path = join(folder, 'delta.csv');
  assert.match(await acting.say(`write delta ${path} 0`), /cards, \d+ holds as of .*Z, sequence 2$/);
  const lines = (await readFile(path, 'latin1')).trimEnd().split('\n');
  assert.match(lines[0], /^H,1,old-processor-delta-2,andina,demo,delta,2,old-processor,/);
  assert.match(lines.at(-1)!, /^T,\d+,\d+,0,/);
  assert.match(await acting.end(), /^0 connections, \d+ messages/);

  const from = await processor('--portfolio', path);
  assert.match(from.said, /^\d+ cards/);
  await from.end();
});

test('exit status 1 when something stays unanswered', async () => {
  const acting = await processor('--sample', '50', '--seed', '2');
  const words = `simulate network --port ${acting.port} --sample 50 --seed 2 --rate 50 --seconds 3 --budget-ms 50 --json`;
  const ending = runRelevo(words.split(' '), {});
  for (let status = ''; !/ [1-9]\d* messages/.test(status);) status = await acting.say('status');
  assert.equal(await acting.say('mute 60'), 'ok');
  const ended = await ending;
  assert.equal(ended.status, 1, ended.stdout + ended.stderr);
  assert((JSON.parse(ended.stdout) as Record<string, number>)['unanswered'] > 0);
  await acting.end();
});

test('what is missing or misread is told', async () => {
  const none = await runRelevo(['simulate', 'network', '--port', '1', '--json'], {});
  assert.equal(none.status, 2);
  assert.equal((JSON.parse(none.stdout) as { error: { code: string } }).error.code, 'no_cards');
  const mix = await runRelevo(['simulate', 'network', '--port', '1', '--mix', 'often=1'], {});
  assert.equal(mix.status, 2);
  assert.match(mix.stderr, /"often=1" is no share of a mix/);
});
