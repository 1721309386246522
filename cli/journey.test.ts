import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import pg from 'pg';
import { loadCellKeys } from '#delivery/cells/cell-keys.ts';
import { databaseName } from '#delivery/cells/cell-name.ts';
import { openCell, openVault } from '#delivery/cells/open-cell.ts';
import { uuidBytes } from '#runtime/uuid-bytes.ts';
import { placeOfCard } from '#runtime/vault/place.ts';
import { seal } from '#tools/testing/cell.ts';
import { newUser } from '#tools/testing/cli.ts';
import { goodFile } from '#tools/testing/good-file.ts';
import { curveKey, fingerprintOf } from '#tools/testing/keys.ts';
import { atEnd, testServer } from '#tools/testing/server.ts';

/** A user's way through the whole of Relevo, command by command, in the order of this file. */
const user = await newUser();
const { tenant, home } = user;
const { server } = await testServer();
const cellName = `${tenant}/production`;
const file = (name: string) => join(home, name);
const name = { tenant, environment: 'production' } as const;

/** The example that callers of `migrate start --wait --json` rely on. */
const REPORT_KEYS = [
  'migration',
  'cell',
  'file_id',
  'state',
  'refusal',
  'rows',
  'outcomes',
  'rejections',
  'invalid_fields',
  'posted',
  'held',
  'reconciled',
  'result_file',
  'seconds',
  'cards_per_second',
];

interface Report {
  migration: string;
  state: string;
  refusal: { code: string } | null;
  rows: Record<string, number>;
  outcomes: Record<string, number>;
  rejections: Record<string, number>;
  reconciled: boolean | null;
  result_file: string | null;
  seconds: number;
}

async function asSuperuser<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const url = new URL(server.adminUrl);
  url.pathname = `/${databaseName(name)}`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const tenantKey = await curveKey('The tenant');
const cellKey = async () => {
  const cell = await openCell(server, home, name);
  try {
    const db = cell.connect('keys', 1);
    return (await loadCellKeys(db, await openVault(cell, db))).cell[0];
  } finally {
    await cell.close();
  }
};

const send = async (path: string, csv: string) =>
  writeFile(
    file(path),
    await seal(csv.replaceAll(',andina,', `,${tenant},`), { from: tenantKey, to: await cellKey() }),
  );

test('tenant add makes three cells, and adding again changes nothing', async () => {
  const add = () =>
    user.json<{ cells: { cell: string; fingerprint: string; steps: { step: string; ms: number }[] }[] }>(
      `tenant add ${tenant}`,
    );
  const added = await add();
  assert.deepEqual(
    added.cells.map(({ cell }) => cell),
    ['demo', 'staging', 'production'].map((environment) => `${tenant}/${environment}`),
  );
  assert.equal(new Set(added.cells.map(({ fingerprint }) => fingerprint)).size, 3);
  const before = await readFile(join(home, 'cells', tenant, 'production.json'), 'utf8');
  const again = await add();
  assert.deepEqual(
    again.cells.map(({ cell, fingerprint }) => [cell, fingerprint]),
    added.cells.map(({ cell, fingerprint }) => [cell, fingerprint]),
  );
  const isMade = (step: string) => step === 'database' || step === 'OpenPGP key';
  for (const [cells, made] of [
    [added.cells, 2],
    [again.cells, 0],
  ] as const)
    for (const { steps } of cells) assert.equal(steps.filter(({ step }) => isMade(step)).length, made);
  assert.equal(await readFile(join(home, 'cells', tenant, 'production.json'), 'utf8'), before);
  const { tenants } = await user.json<{ tenants: unknown[] }>('tenant list');
  assert.equal(tenants.length, 1);
});

test('keys are imported, listed and exported; a private key is turned away', async () => {
  await writeFile(file('public.asc'), tenantKey.toPublic().armor());
  await writeFile(file('private.asc'), tenantKey.armor());
  const refused = await user.relevo(`keys import ${file('private.asc')} --cell ${cellName} --as tenant`);
  assert.equal(refused.status, 2);
  const imported = await user.json(`keys import ${file('public.asc')} --cell ${cellName} --as tenant`);
  assert.equal(imported['fingerprint'], fingerprintOf(tenantKey));
  await user.json(`keys import ${file('public.asc')} --cell ${cellName} --as tenant`);
  const { keys } = await user.json<{ keys: { as: string; fingerprint: string }[] }>(
    `keys list --cell ${cellName}`,
  );
  assert.deepEqual(keys.map((key) => key.as).sort(), ['cell', 'tenant']);
  const exported = await user.relevo(`keys export --cell ${cellName}`);
  assert.match(exported.stdout, /^-----BEGIN PGP PUBLIC KEY BLOCK-----/);
  assert.equal((await cellKey()).toPublic().armor().trim(), exported.stdout.trim());
});

test('validate foretells, start does it: 0 with one JSON document of the agreed shape', async () => {
  await send('first.gpg', goodFile());
  const foretold = await user.json<Report>(`portfolio validate ${file('first.gpg')} --cell ${cellName}`);
  const report = await user.json<Report>(`migrate start ${file('first.gpg')} --cell ${cellName} --wait`);
  const keys = Object.keys(report).filter((key) => key !== 'by_type');
  assert.deepEqual(keys, REPORT_KEYS);
  assert.deepEqual(
    { ...report, seconds: 0, cards_per_second: 0, by_type: null },
    {
      migration: `${tenant}-production-1`,
      cell: cellName,
      file_id: 'andina-full-001',
      state: 'completed',
      refusal: null,
      rows: { C: 1, O: 1, W: 1, '?': 0 },
      outcomes: { migrated: 3 },
      by_type: null,
      rejections: {},
      invalid_fields: {},
      posted: { PEN: { file: '100', ledger: '100' } },
      held: { PEN: { file: '50', ledger: '50' } },
      reconciled: true,
      result_file: join(home, 'results', `${tenant}-production-1.result.csv.gpg`),
      seconds: 0,
      cards_per_second: 0,
    },
  );
  assert.deepEqual([foretold.rows, foretold.outcomes], [report.rows, report.outcomes]);
  assert.ok(existsSync(report.result_file!));
  const again = await user.json<Report>(`migrate start ${file('first.gpg')} --cell ${cellName} --wait`);
  assert.equal(again.migration, report.migration);
});

test('a refused file is 2 and says why, also in words', async () => {
  await send('wrong.gpg', goodFile({ header: { sequence: '7', file_id: 'x' } }));
  const report = await user.json<Report>(`migrate start ${file('wrong.gpg')} --cell ${cellName} --wait`, 2);
  assert.deepEqual([report.refusal?.code, report.state], ['bad_sequence', 'refused']);
  assert.deepEqual(
    Object.keys(report).filter((key) => key !== 'by_type'),
    REPORT_KEYS,
  );
  const validated = await user.json<Report>(`portfolio validate ${file('wrong.gpg')} --cell ${cellName}`, 2);
  assert.equal(validated.refusal?.code, 'bad_sequence');
  const { status, stdout } = await user.relevo(
    `migrate start ${file('wrong.gpg')} --cell ${cellName} --wait`,
  );
  assert.equal(status, 2);
  assert.match(stdout, /Refused: bad_sequence/);
  const missing = await user.relevo(`migrate start ${file('nowhere')} --cell ${cellName} --wait`);
  assert.equal(missing.status, 2);
});

test('validate of a file with rejected lines is 3, and --out has every line', async () => {
  await send(
    'reject.gpg',
    goodFile({ header: { kind: 'delta', sequence: '2', file_id: 'r' }, card: { country: 'XX' } }),
  );
  await user.json(
    `portfolio validate ${file('reject.gpg')} --cell ${cellName} --out ${file('lines.csv')}`,
    3,
  );
  const lines = (await readFile(file('lines.csv'), 'utf8')).trim().split('\n');
  assert.equal(lines.length, 3);
  assert.match(lines[0], /^R,2,C,card-1,rejected,invalid_field,country/);
});

test('a poisoned row: 3, dead letters, redrive by line, by code and dry, and 0 when it is cured', async () => {
  await asSuperuser(async (client) => {
    await client.query(`
      create function public.poison() returns trigger language plpgsql as
      $$ begin raise exception 'poisoned'; end $$;
      create trigger poisoned before insert on cards.tokens for each row
         when (new.external_token_ref = 'tok-2') execute function public.poison()`);
  });
  const csv = goodFile({ header: { kind: 'delta', sequence: '2', file_id: 'second' } }).replace(
    'W,tok-1',
    'W,tok-2',
  );
  await send('second.gpg', csv);
  const start = `migrate start ${file('second.gpg')} --cell ${cellName} --wait`;
  const report = await user.json<Report>(start, 3);
  const id = report.migration;
  assert.deepEqual([report.outcomes, report.reconciled], [{ unchanged: 2, dead: 1 }, true]);
  const letters = `migrate dead-letters ${id}`;
  const { dead_letters: all } = await user.json<{ dead_letters: { line: number; code: string }[] }>(letters);
  assert.deepEqual(
    all.map(({ line, code }) => [line, code]),
    [[4, 'row_failed']],
  );
  const count = async (filter: string) =>
    (await user.json<{ dead_letters: unknown[] }>(`${letters} ${filter}`)).dead_letters.length;
  assert.deepEqual(
    [
      await count('--lines 4'),
      await count('--lines 1-3'),
      await count('--code row_failed'),
      await count('--code card_is_dead'),
    ],
    [1, 0, 1, 0],
  );
  const dry = await user.json(`migrate redrive ${id} --code row_failed --dry-run`);
  assert.equal(dry['would_redrive'], 1);
  assert.equal((await user.json(`migrate redrive ${id} --lines 1-3`))['redriven'], 0);
  assert.equal((await user.relevo(`migrate redrive ${id} --lines three`)).status, 2);
  await user.json(`migrate redrive ${id}`, 3);
  await asSuperuser((client) => client.query('drop trigger poisoned on cards.tokens'));
  const redriven = await user.json<Report>(`migrate redrive ${id}`, 0);
  assert.deepEqual([redriven.outcomes, redriven.reconciled], [{ migrated: 1, unchanged: 2 }, true]);
});

test('list, status and result tell of what was done', async () => {
  const { migrations } = await user.json<{ migrations: { migration: string; state: string }[] }>(
    `migrate list --cell ${cellName}`,
  );
  assert.ok(
    migrations.some(({ state }) => state === 'completed') &&
      migrations.some(({ state }) => state === 'refused'),
  );
  const status = await user.json<Report>(`migrate status ${tenant}-production-1`);
  assert.deepEqual([status.state, status.outcomes], ['completed', { migrated: 3 }]);
  await user.json(`migrate result ${tenant}-production-1 --out ${file('result.gpg')}`);
  assert.ok(existsSync(file('result.gpg')));
  assert.equal((await user.relevo(`migrate status ${tenant}-production-99`)).status, 2);
  assert.equal((await user.relevo(`migrate cancel ${tenant}-production-1`)).status, 2);
});

test('start without --wait goes on in the background, and watch follows it', async () => {
  await send(
    'third.gpg',
    goodFile({ header: { kind: 'delta', sequence: '3', file_id: 'third' }, card: { version: '2' } }),
  );
  const started = await user.json<Report>(`migrate start ${file('third.gpg')} --cell ${cellName}`);
  const watched = await user.json<Report>(`migrate watch ${started.migration}`);
  assert.deepEqual([watched.state, watched.outcomes], ['completed', { updated: 1, unchanged: 2 }]);
});

test('keys rotate, cards stay readable and files still come in', async () => {
  const panOf = async () => {
    const cell = await openCell(server, home, name);
    try {
      const vault = await openVault(cell, cell.connect('keys', 1));
      const [{ cardId, sealed }] = await cell.connect('cards', 1).rows<{ cardId: string; sealed: Buffer }>`
        select card_id as "cardId", pan_sealed as sealed from cards.cards`;
      const place = placeOfCard(uuidBytes(cardId), 0);
      return { pan: vault.open('pan', sealed, place).toString(), version: sealed.readUInt16BE(0) };
    } finally {
      await cell.close();
    }
  };
  const fingerprint = fingerprintOf(await cellKey());
  assert.deepEqual(await panOf(), { pan: '4509170000000009', version: 1 });
  const rotated = await user.json(`keys rotate --cell ${cellName}`);
  assert.deepEqual([rotated['kek_version'], rotated['key_version'], rotated['resealed']], [2, 2, 1]);
  assert.deepEqual(await panOf(), { pan: '4509170000000009', version: 2 });
  assert.equal(fingerprintOf(await cellKey()), fingerprint);
  await send(
    'fourth.gpg',
    goodFile({ header: { kind: 'delta', sequence: '4', file_id: 'fourth' }, card: { version: '2' } }),
  );
  const report = await user.json<Report>(`migrate start ${file('fourth.gpg')} --cell ${cellName} --wait`);
  assert.deepEqual(report.outcomes, { unchanged: 3 });
});

test('a sample can be made, validated and migrated by worker processes, and its delta after it', async () => {
  const cell = `${tenant}/staging`;
  const path = file('sample.gpg');
  await user.json(`portfolio sample ${path} --cell ${cell} --cards 300 --faults 60 --seed 5`);
  const foretold = await user.json<Report>(`portfolio validate ${path} --cell ${cell}`, 3);
  const report = await user.json<Report>(`migrate start ${path} --cell ${cell} --wait --workers 2`, 0, {
    RELEVO_CHUNK_LINES: '20',
  });
  assert.deepEqual([report.state, report.reconciled, report.outcomes['rejected']], ['completed', true, 60]);
  assert.deepEqual([foretold.outcomes, foretold.rejections], [report.outcomes, report.rejections]);
  const delta = file('delta.gpg');
  await user.json(`portfolio sample ${delta} --cell ${cell} --cards 300 --kind delta --seed 5`);
  const after = await user.json<Report>(`migrate start ${delta} --cell ${cell} --wait`);
  assert.equal(after.reconciled, true);
  assert.ok(after.outcomes['updated'] > 0);
});

atEnd(async () => {
  const { removeTenant } = await import('#delivery/local/remove-tenant.ts');
  await removeTenant(server, home, tenant, join(home, 'nothing'));
});
