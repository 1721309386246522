import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Command } from 'commander';
import { databaseName } from '#delivery/cells/cell-name.ts';
import { onDatabase } from '#delivery/cells/on-database.ts';
import { openAudit } from '#delivery/cells/open-audit.ts';
import { openCell } from '#delivery/cells/open-cell.ts';
import { removeTenant } from '#delivery/local/remove-tenant.ts';
import { newUser } from '#tools/testing/cli.ts';
import { curveKey, fingerprintOf } from '#tools/testing/keys.ts';
import { atEnd, testServer } from '#tools/testing/server.ts';
import { buildProgram } from './main.ts';

/**
 * What each command enters into the audit trail of its cell. A command that is added fails here until somebody has
 * decided what it leaves, or why it leaves nothing.
 */
type Leaves =
  /** Seen below. */
  | { readonly actions: readonly string[] }
  /** Seen in another test, which names each of them. */
  | { readonly actions: readonly string[]; readonly seenIn: string }
  | { readonly nothing: string };

const READS = 'it reads what holds no card data';
const NO_CELL = 'it has nothing to do with a cell';
const BY_OTHERS = 'what it does is done by the code of the other commands, which enters it';

const table: Readonly<Record<string, Leaves>> = {
  demo: { nothing: BY_OTHERS },
  plan: { nothing: READS },
  apply: { actions: ['cell.upgraded', 'cell.terms_changed'], seenIn: 'platform.test.ts' },
  'tenant add': { actions: ['cell.made'] },
  'tenant list': { nothing: READS },
  'tenant show': { nothing: READS },
  'tenant remove': {
    actions: ['cell.export_begun', 'cell.removal_begun'],
    seenIn: '../delivery/removal/remove-tenant.test.ts',
  },
  'tenant certificate verify': { nothing: NO_CELL },
  'client add': { actions: ['clients.added'] },
  'client list': { nothing: READS },
  'client revoke': { actions: ['clients.revoked'] },
  'client renew': { actions: ['clients.secret_renewed'] },
  'keys import': { actions: ['keys.imported'] },
  'keys export': { actions: ['keys.exported'] },
  'keys list': { nothing: READS },
  'keys remove': { actions: ['keys.removed'] },
  'keys token': { actions: ['keys.token_shown'] },
  'keys rotate': { actions: ['keys.rotation_begun', 'keys.rotated'] },
  'portfolio sample': { actions: ['keys.imported'] },
  'portfolio validate': { actions: ['portfolio.opened'] },
  'migrate start': { actions: ['migration.started', 'migration.refused'] },
  'migrate list': { nothing: READS },
  'migrate status': { nothing: READS },
  'migrate watch': { nothing: READS },
  'migrate pause': { actions: ['migration.paused'] },
  'migrate resume': { actions: ['migration.resumed'] },
  'migrate cancel': { actions: ['migration.cancel_begun', 'migration.cancelled'] },
  'migrate result': { actions: ['migration.result_given'] },
  'migrate dead-letters': { nothing: READS },
  'migrate redrive': { actions: ['migration.redriven'] },
  worker: { nothing: 'it works what a migration has queued, whose start is entered' },
  serve: { nothing: 'it answers messages, each of which is on record with who decided what' },
  up: { nothing: 'what clients do through it is entered as they do it, each message is on record' },
  'controls set': { actions: ['controls.set'] },
  'controls list': { nothing: READS },
  'controls compare': { nothing: READS },
  'controls promote': { actions: ['controls.promoted'] },
  'range list': { nothing: READS },
  'range set': { actions: ['range.made', 'range.changed'] },
  'range remove': { actions: ['range.removed'] },
  'cutover check': { nothing: READS },
  'cutover approve': { actions: ['cutover.approved'], seenIn: 'cutover.test.ts' },
  'cutover flip': { actions: ['cutover.cutover_begun', 'cutover.flipped'], seenIn: 'cutover.test.ts' },
  'cutover rollback': {
    actions: ['cutover.rollback_begun', 'cutover.rolled_back'],
    seenIn: 'cutover.test.ts',
  },
  'cutover hand-back': {
    actions: ['cutover.hand_back_begun', 'cutover.handed_back'],
    seenIn: '../services/authorisations/hand-back/hand-back.test.ts',
  },
  'authorisations tail': { actions: ['messages.shown'] },
  backup: { actions: ['cell.keys_copied', 'cell.backed_up'] },
  restore: { actions: ['cell.drill_begun', 'cell.restored'] },
  'audit list': { nothing: READS },
  'audit verify': { nothing: READS },
  'audit head': { nothing: READS },
  rehearse: { nothing: BY_OTHERS },
  'simulate processor': { nothing: NO_CELL },
  'simulate network': { nothing: NO_CELL },
  'iso8583 describe': { nothing: NO_CELL },
  describe: { nothing: NO_CELL },
};

/** Of `apply cutover` the words that are no options; a group by itself does nothing. */
const commandsOf = (command: Command, words: readonly string[] = []): string[] =>
  command.commands.length === 0
    ? [words.join(' ')]
    : command.commands.flatMap((each) => commandsOf(each, [...words, each.name()]));

const user = await newUser();
const { tenant, home } = user;
const { server } = await testServer();
const name = { tenant, environment: 'staging' } as const;
const cellName = `${tenant}/staging`;
const operator = 'ana.quispe';
const file = (called: string) => join(home, called);

/** The actions that a command was seen to enter. */
const seen = new Map<string, Set<string>>();
let looked = 0n;

/** What was entered since it was last looked at; somebody has to have done it. */
async function entered(): Promise<{ action: string; subject: string; details: object }[]> {
  const cell = await openCell(server, home, name);
  try {
    const trail = await openAudit(cell, 'operators');
    const page = await trail.readEntries({
      order: 'oldest_first',
      beyond: looked,
      limit: 1_000,
      action: null,
    });
    looked = page.at(-1)?.seq ?? looked;
    return page.map(({ actor, action, subject, details }) => {
      assert.equal(actor, operator, action);
      return { action, subject, details: JSON.parse(details) as object };
    });
  } finally {
    await cell.close();
  }
}

/** Runs a command and answers what it entered. */
async function act(words: string, { status = 0, crashAt }: { status?: number; crashAt?: string } = {}) {
  const environment = {
    RELEVO_OPERATOR: operator,
    RELEVO_CHUNK_LINES: '10',
    ...(crashAt && { RELEVO_CRASH_AT: crashAt }),
  };
  if (crashAt) await user.relevo(words, environment);
  else await user.json(words, status, environment);
  const entries = await entered();
  const command = Object.keys(table).find((each) => words.startsWith(`${each} `) || words === each)!;
  const actions = seen.get(command) ?? new Set();
  for (const { action } of entries) actions.add(action);
  seen.set(command, actions);
  return entries.map(({ action, subject, details }) => ({ did: `${action} ${subject}`, details }));
}
const did = async (...args: Parameters<typeof act>) => (await act(...args)).map((each) => each.did);
const at = `--cell ${cellName}`;

const asSuperuser = (statement: string) =>
  onDatabase(server.adminUrl, databaseName(name), (client) => client.query(statement));

test('of every command it is decided what it enters into the trail', async () => {
  const commands = commandsOf(await buildProgram());
  assert.deepEqual(
    commands.filter((command) => !(command in table)),
    [],
    'undecided',
  );
  assert.deepEqual(
    Object.keys(table).filter((command) => !commands.includes(command)),
    [],
    'no such command',
  );
});

test('what is seen elsewhere is named there', async () => {
  for (const [command, leaves] of Object.entries(table))
    if ('seenIn' in leaves) {
      const text = await readFile(join(import.meta.dirname, leaves.seenIn), 'utf8');
      for (const action of leaves.actions) assert.ok(text.includes(action), `${command}: ${action}`);
    }
});

test('a tenant: its cells made', async () => {
  assert.deepEqual(await did(`tenant add ${tenant}`), [`cell.made ${cellName}`]);
});

test('clients: added, with a new secret, revoked', async () => {
  const scopes = '--scopes cards:read';
  const added = await act(`client add --name Office ${scopes} ${at}`);
  const clientId = added[0].did.split(' ')[1];
  assert.deepEqual(added, [
    { did: `clients.added ${clientId}`, details: { name: 'Office', scopes: 'cards:read' } },
  ]);
  assert.deepEqual(await did(`client renew ${clientId} ${at}`), [`clients.secret_renewed ${clientId}`]);
  assert.deepEqual(await did(`client revoke ${clientId} ${at}`), [`clients.revoked ${clientId}`]);
  assert.deepEqual(await did(`client list ${at}`), []);
});

test('keys: imported, exported, removed, rotated, a token shown', async () => {
  const key = await curveKey('Another tenant');
  await writeFile(file('tenant.asc'), key.toPublic().armor());
  const fingerprint = fingerprintOf(key);
  assert.deepEqual(await did(`keys import ${file('tenant.asc')} ${at} --as tenant`), [
    `keys.imported ${fingerprint}`,
  ]);
  assert.deepEqual(await did(`keys remove ${fingerprint} ${at}`), [`keys.removed ${fingerprint}`]);
  assert.deepEqual(await did(`keys remove ${fingerprint} ${at}`, { status: 2 }), [], 'nothing was done');
  const [exported] = await act(`keys export ${at}`);
  assert.match(exported.did, /^keys\.exported [0-9A-F]{40}$/);
  assert.deepEqual(await did(`keys token ${at}`), [`keys.token_shown ${cellName}`]);
  const [begun, rotated] = await act(`keys rotate ${at}`);
  assert.equal(begun.did, `keys.rotation_begun ${cellName}`);
  assert.equal(rotated.did, `keys.rotated ${cellName}`);
  assert.deepEqual(await did(`keys list ${at}`), []);
});

const sample = (called: string, more: string) => `portfolio sample ${file(called)} ${at} --cards 20 ${more}`;

test('portfolios: a signing key registered, a file opened to be validated', async () => {
  const [registered] = await act(sample('full.gpg', '--seed 3'));
  assert.match(registered.did, /^keys\.imported [0-9A-F]{40}$/);
  assert.deepEqual(registered.details, { as: 'tenant', key_of: 'samples' });
  assert.deepEqual(await did(sample('again.gpg', '--seed 3')), [], 'it is registered');
  assert.deepEqual(await did(`portfolio validate ${file('full.gpg')} ${at}`), [
    `portfolio.opened ${cellName}`,
  ]);
});

test('migrations: started, paused, resumed, refused, cancelled, given out, redriven', async () => {
  const first = `${tenant}-staging-1`;
  const start = `migrate start ${file('full.gpg')} ${at} --wait`;
  assert.deepEqual(await did(start, { crashAt: 'load:all-queued' }), [`migration.started ${first}`]);
  assert.deepEqual(await did(`migrate pause ${first}`), [`migration.paused ${first}`]);
  assert.deepEqual(await act(`migrate cancel ${first}`), [
    { did: `migration.cancel_begun ${first}`, details: {} },
    {
      did: `migration.cancelled ${first}`,
      details: { cards: 0, cardholders: 0, accounts: 0, holds: 0, tokens: 0 },
    },
  ]);
  assert.deepEqual(await did(`migrate cancel ${first}`, { status: 2 }), [], 'nothing was done');
  const none = `migrate start ${file('tenant.asc')} ${at} --wait`;
  assert.deepEqual(await did(none, { status: 2 }), [`migration.refused ${tenant}-staging-2`]);

  await asSuperuser(`
    create function public.poison() returns trigger language plpgsql as
    $$ begin raise exception 'poisoned'; end $$;
    create trigger poisoned before insert on cards.tokens for each row execute function public.poison()`);
  const third = `${tenant}-staging-3`;
  assert.deepEqual(await did(start, { crashAt: 'load:all-queued' }), [`migration.started ${third}`]);
  assert.deepEqual(await did(`migrate resume ${third} --wait`, { status: 3 }), [
    `migration.resumed ${third}`,
  ]);
  assert.deepEqual(await did(`migrate redrive ${third} --dry-run`), []);
  await asSuperuser('drop trigger poisoned on cards.tokens');
  const [redriven] = await act(`migrate redrive ${third}`);
  assert.equal(redriven.did, `migration.redriven ${third}`);
  assert.ok('lines' in redriven.details && (redriven.details.lines as number) > 0);
  assert.deepEqual(await did(`migrate result ${third}`), [`migration.result_given ${third}`]);
  assert.deepEqual(await did(`migrate pause ${third}`, { status: 2 }), [], 'nothing was done');
  assert.deepEqual(await did(`migrate resume ${third}`), [], 'there was nothing to resume');
});

test('controls and ranges: set, promoted, changed, removed; messages shown', async () => {
  const product = `--product classic-debit ${at}`;
  const set = await act(`controls set --single 50000 ${product}`);
  assert.equal(set[0].did, 'controls.set product classic-debit');
  assert.deepEqual(await did(`controls set --single 50000 ${product}`), [], 'it was so already');
  await act(`controls set --single 60000 --draft ${product}`);
  assert.deepEqual(await did(`controls promote ${product}`), ['controls.promoted product classic-debit']);
  assert.deepEqual(await did(`controls promote ${product}`, { status: 2 }), [], 'nothing was done');
  assert.deepEqual(await did(`range set --range 55443322 --mode own ${at}`), ['range.made 55443322']);
  assert.deepEqual(await did(`range set --range 55443322 --window-minutes 5 ${at}`), [
    'range.changed 55443322',
  ]);
  assert.deepEqual(await did(`range remove --range 55443322 ${at}`), ['range.removed 55443322']);
  assert.deepEqual(await did(`authorisations tail ${at}`), [`messages.shown ${cellName}`]);
  assert.deepEqual(await did(`authorisations tail --range 554433 ${at}`), ['messages.shown 554433']);
});

test('backups: with a copy of the keys, drilled, restored', async () => {
  const path = file('away.relevo-backup');
  const [copied, backed] = await act(`backup --to ${path} --keys-for ${file('tenant.asc')} ${at}`);
  assert.equal(copied.did, `cell.keys_copied ${cellName}`);
  assert.equal(backed.did, `cell.backed_up ${cellName}`);
  const [drilled] = await act(`restore ${path} --drill ${at}`);
  assert.equal(drilled.did, `cell.drill_begun ${cellName}`);
  assert.equal((drilled.details as { backup: string }).backup, (backed.details as { backup: string }).backup);
  // What came since the backup is gone, the drill among it.
  looked -= 2n;
  const restored = await act(`restore ${path} ${at}`);
  assert.equal(restored.at(-1)!.did, `cell.restored ${cellName}`);
});

test('every action of the table was seen, and no other', () => {
  for (const [command, leaves] of Object.entries(table)) {
    if ('nothing' in leaves) assert.equal(seen.get(command)?.size ?? 0, 0, command);
    else if (!('seenIn' in leaves))
      assert.deepEqual([...(seen.get(command) ?? [])].sort(), leaves.actions.toSorted(), command);
  }
});

test('the trail of all this is whole', async () => {
  await user.json(`audit verify ${at}`);
});

atEnd(() => removeTenant(server, home, tenant, join(home, 'nothing')));
