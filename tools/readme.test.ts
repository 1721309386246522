import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '#runtime/postgres/testing/homes.ts';

/**
 * The READMEs promise that their commands work. Blocks marked `sh` are run as they stand, `console` blocks are
 * shown only, `text` blocks are output. Each section of level two is one script, so that a reader may begin with
 * any of them; sections that need a program which is not here are skipped, by name.
 *
 * Both languages must hold the same blocks, so running one of them runs both.
 */
const root = fileURLToPath(new URL('../', import.meta.url));
/** Lines that a test run must not begin again. */
const LEFT_OUT = /^npm (test|run)\b/;
const NEEDS_GPG = /^gpg /m;
const SECONDS_MAX = 120;

interface Block {
  readonly language: string;
  readonly text: string;
}

interface Section {
  readonly title: string;
  readonly blocks: readonly Block[];
}

function sectionsOf(markdown: string): Section[] {
  return markdown.split(/^## /m).map((part) => ({
    title: part.split('\n', 1)[0],
    blocks: [...part.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map(([, language, text]) => ({ language, text })),
  }));
}

const read = async (name: string) => sectionsOf(await readFile(join(root, name), 'utf8'));

const commandsOf = (sections: readonly Section[]) =>
  sections.flatMap(({ blocks }) => blocks.filter(({ language }) => language !== 'text'));

test('both READMEs hold the same commands', async () => {
  assert.deepEqual(commandsOf(await read('README.es.md')), commandsOf(await read('README.md')));
});

test('the commands of the README work', async (t) => {
  const folder = await temporaryFolder(t);
  const home = join(folder, 'home');
  await mkdir(join(folder, 'tmp'));
  const hasGpg = spawnSync('gpg', ['--version']).status === 0;
  for (const { title, blocks } of await read('README.md')) {
    const script = blocks
      .filter(({ language }) => language === 'sh')
      .flatMap(({ text }) => text.split('\n'))
      .filter((line) => !LEFT_OUT.test(line))
      .join('\n');
    if (script.trim() === '') continue;
    const skip = NEEDS_GPG.test(script) && !hasGpg && 'gpg is not installed';
    await t.test(title, { skip }, async () => {
      const { status, output } = await runScript(script, { RELEVO_HOME: home, TMPDIR: join(folder, 'tmp') });
      assert.equal(status, 0, output);
    });
  }
});

/** Runs a script line by line, as a reader would, up to the first line that fails. */
function runScript(script: string, env: Record<string, string>): Promise<{ status: number; output: string }> {
  const { RELEVO_DATABASE_URL: _, ...inherited } = process.env;
  const child = spawn('sh', ['-eux', '-c', script], {
    cwd: root,
    env: { ...inherited, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: SECONDS_MAX * 1000,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (output += String(piece)));
  return new Promise((resolve) => child.on('close', (status) => resolve({ status: status ?? -1, output })));
}
