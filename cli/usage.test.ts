import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from 'commander';
import { services } from '#services/all.ts';
import { newUser, runRelevo } from '#tools/testing/cli.ts';
import { buildProgram } from './main.ts';

/** What the command line says before it does anything. */
const user = await newUser();

const commandsOf = (command: Command, path: string[] = []): { path: string[]; command: Command }[] =>
  command.commands.flatMap((sub) => {
    const at = [...path, sub.name()];
    return sub.commands.length > 0 ? commandsOf(sub, at) : [{ path: at, command: sub }];
  });

test('the help of every command says what it does and shows an example', async () => {
  const commands = commandsOf(await buildProgram()).filter(({ path }) => path[0] !== 'help');
  assert.ok(commands.length >= 20);
  for (const { path, command } of commands) {
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text) });
    command.outputHelp();
    assert.ok(command.description().length > 10, path.join(' '));
    assert.match(help, new RegExp(`Examples?:\n.*\\./relevo ${path.join(' ')}\\b`, 's'), path.join(' '));
  }
});

test('help goes to standard output and is no failure', async () => {
  for (const words of ['--help', 'migrate --help', 'migrate start --help', 'help keys']) {
    const { status, stdout } = await user.relevo(words);
    assert.equal(status, 0, words);
    assert.match(stdout, /Usage: relevo/);
  }
});

test('what is not understood ends with 2 and says what would be', async () => {
  const mistakes: Record<string, RegExp> = {
    'migrate strat x': /migrate|strat/,
    'migrate start': /missing required argument|required option/,
    'migrate start file': /required option '--cell/,
    'migrate start file --cell andina': /does not name a cell|cell_name/s,
    'migrate start file --cell andina/prod': /environments are demo, staging, production/,
    'migrate status andina-1': /id/,
    'tenant add Andina': /cannot name a tenant/,
    'portfolio sample out --cell andina/demo --cards 0': /whole number from 1/,
    'portfolio sample out --cell andina/demo --kind half': /full, delta, mock/,
    'keys import file --cell andina/demo --as nobody': /tenant, cell/,
    'keys import nowhere --cell andina/demo --as tenant': /cannot be read/,
    'describe nothing': /no service|Services:/s,
    'no-such-command': /unknown command/,
  };
  for (const [words, says] of Object.entries(mistakes)) {
    const { status, stdout, stderr } = await user.relevo(words);
    assert.equal(status, 2, `${words}: ${stderr}`);
    assert.match(stderr, says, words);
    assert.equal(stdout, '', words);
  }
});

test('a mistake is one JSON document for a program', async () => {
  for (const words of ['migrate start --cell x/demo', 'describe nothing', 'migrate status andina-1']) {
    const { error } = await user.json<{ error: { code: string; message: string } }>(words, 2);
    assert.match(error.code, /^[a-z_]+$/);
    assert.ok(error.message.length > 5);
  }
});

test('all bad settings are told together', async () => {
  const environment = { RELEVO_WORKERS: 'many', RELEVO_LEASE_SECONDS: '0', RELEVO_DATABASE_URL: 'nowhere' };
  const { status, stderr } = await user.relevo('migrate list', environment);
  assert.equal(status, 2);
  assert.match(stderr, /3 settings need attention/);
  for (const name of Object.keys(environment)) assert.match(stderr, new RegExp(`  ${name}  `));
  assert.doesNotMatch(stderr, /nowhere/);
});

test('a database that cannot be reached is 1, in words, without its password', async () => {
  const { status, stderr } = await runRelevo(['migrate', 'list'], {
    RELEVO_HOME: user.home,
    RELEVO_DATABASE_URL: 'postgresql://me:s3cret@localhost:1/postgres',
  });
  assert.equal(status, 1);
  assert.match(stderr, /cannot be reached/);
  assert.doesNotMatch(stderr, /s3cret|at .*\.ts:\d/);
});

test('describe tells what each reader understood of a service', async () => {
  for (const service of services) {
    const described = await user.json<{ service: string; operations: { name: string; callers: string[] }[] }>(
      `describe ${service.name}`,
    );
    assert.equal(described.service, service.name);
    assert.deepEqual(
      described.operations.map(({ name, callers }) => [name, callers]),
      Object.entries(service.operations).map(([name, { callers }]) => [name, callers]),
    );
  }
  const { stdout } = await user.relevo('describe ledger');
  assert.match(stdout, /stateAccounts/);
});
