import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import pg from 'pg';
import { withServer } from './server.ts';
import { serverSettings } from './settings.ts';
import { query, temporaryHome } from './testing/homes.ts';

const PAN = '4111111111111111';

test('card data in a failing statement never reaches the log', async (t) => {
  const home = await temporaryHome(t);
  await withServer({ home }, async ({ adminUrl }) => {
    await query(adminUrl, 'create table card (pan text primary key, amount int, check (amount > 0))');
    await query(adminUrl, 'insert into card values ($1, 1)', [PAN]);
    const failing: [sql: string, ...values: string[]][] = [
      ['insert into card values ($1, 1)', PAN], // DETAIL: Key (pan)=(...) already exists
      ['insert into card values ($1, 0)', `${PAN}0`], // DETAIL: Failing row contains (...)
      ['select $1::int', PAN], // the very message: value "..." is out of range
      ['select $1::date', PAN],
      [`select '${PAN}'::int`], // a literal
      [`do $$ begin raise exception 'card % is odd', ${PAN}; end $$`],
      [`do $$ begin raise warning 'card % is odd', ${PAN}; perform 1/0; end $$`],
    ];
    for (const [sql, ...values] of failing) await assert.rejects(query(adminUrl, sql, values));

    // A backend that crashes has its statement told by the server, as a DETAIL.
    const client = new pg.Client({ connectionString: adminUrl });
    client.on('error', () => {});
    await client.connect();
    const [{ pid }] = (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows;
    const crashing = assert.rejects(client.query(`select pg_sleep(60), '${PAN}'`));
    await new Promise((resolve) => setTimeout(resolve, 100));
    process.kill(pid, 'SIGKILL');
    await crashing;
  });
  const log = await readFile(join(home, 'postgres', 'server.log'), 'utf8');
  assert.match(log, /terminated by signal 9/);
  assert.doesNotMatch(log, new RegExp(PAN));
});

test('the server is durable, private, and asks everybody for a password', async (t) => {
  await withServer({ home: await temporaryHome(t) }, async ({ adminUrl }) => {
    const settings = await query(
      adminUrl,
      `select name, setting
         from pg_settings
        where name in ('fsync', 'synchronous_commit', 'full_page_writes', 'data_checksums', 'listen_addresses',
                       'server_encoding', 'jit', 'autovacuum', 'max_connections', 'password_encryption',
                       'scram_iterations')`,
    );
    assert.deepEqual(Object.fromEntries(settings.map(({ name, setting }) => [name, setting])), {
      autovacuum: 'on',
      data_checksums: 'on',
      fsync: 'on',
      full_page_writes: 'on',
      jit: 'off',
      listen_addresses: '',
      max_connections: '300',
      password_encryption: 'scram-sha-256',
      scram_iterations: '4096',
      server_encoding: 'UTF8',
      synchronous_commit: 'on',
    });
    assert.deepEqual(await query(adminUrl, 'select distinct auth_method from pg_hba_file_rules'), [
      { auth_method: 'scram-sha-256' },
    ]);
    assert.deepEqual(
      await query(adminUrl, `select datlocprovider, datlocale from pg_database where datname = 'template1'`),
      [{ datlocprovider: 'b', datlocale: 'C.UTF-8' }],
    );
  });
});

test('a server that is thrown away syncs nothing, and differs in nothing else', () => {
  const socketFolder = '/nowhere';
  const kept = serverSettings({ socketFolder });
  const thrownAway = serverSettings({ socketFolder, isThrownAway: true });
  const different = Object.keys(kept).filter((name) => kept[name] !== thrownAway[name]);
  assert.deepEqual(different, ['fsync', 'full_page_writes', 'scram_iterations']);
  assert.deepEqual(Object.keys(thrownAway), Object.keys(kept));
});
