import assert from 'node:assert/strict';
import { test } from 'node:test';
import { int4, text } from '#declare/columns.ts';
import { Batch } from '#runtime/batch/batch.ts';
import { openDatabase, openTrial } from '#runtime/database/database.ts';
import { sql } from '#runtime/database/sql.ts';
import { atEnd, testServer } from '#tools/testing/server.ts';

/** Statements that travel together: their order, and what becomes of the others when one of them fails. */
const { server } = await testServer();
const db = openDatabase(server.adminUrl, { connections: 2, applicationName: 'relevo test' });
await db.run`create schema if not exists pipelines`;
await db.run`create table pipelines.rows (id int4 primary key, note text)`;
atEnd(async () => {
  await db.run`drop schema pipelines cascade`;
  await db.close();
});

const stored = async (on = db) =>
  (await on.rows<{ id: number }>`select id from pipelines.rows order by id`).map(({ id }) => id);
const hasCode = (code: string) => (error: unknown) => (error as { code: string }).code === code;
const divides = hasCode('22012');

test('statements run in the order in which they were sent, and each sees what those before it did', async () => {
  const seen = await db.pipeline(async (tx) => {
    tx.send`insert into pipelines.rows values (1, 'one')`;
    const first = tx.rows<{ note: string }>`select note from pipelines.rows where id = 1`;
    tx.send`update pipelines.rows set note = ${'changed'} where id = 1`;
    const [before, after] = await Promise.all([first, tx.rows`select note from pipelines.rows where id = 1`]);
    tx.send`insert into pipelines.rows values (2, 'two')`;
    return [...before, ...after];
  });
  assert.deepEqual(seen, [{ note: 'one' }, { note: 'changed' }]);
  assert.deepEqual(await stored(), [1, 2]);
  await db.run`delete from pipelines.rows`;
});

test('several that are sent as one are all run, with their values where they belong, and fail together', async () => {
  const insert = (id: number, note: string) => sql`insert into pipelines.rows values (${id}, ${note})`;
  const send = (parts: readonly ReturnType<typeof insert>[]) =>
    db.pipeline((tx) => Promise.resolve(tx.sendTogether(parts)));
  await send([]);
  await send([insert(1, 'alone')]);
  await send([
    insert(2, 'first'),
    sql`update pipelines.rows set note = ${'changed'} where id = ${1}`,
    insert(3, 'last'),
  ]);
  assert.deepEqual(await db.rows`select * from pipelines.rows order by id`, [
    { id: 1, note: 'changed' },
    { id: 2, note: 'first' },
    { id: 3, note: 'last' },
  ]);
  await assert.rejects(send([insert(4, ''), insert(1, '')]), hasCode('23505'));
  assert.deepEqual(await stored(), [1, 2, 3]);
  await db.run`delete from pipelines.rows`;
});

test('rows may be copied among them, and of half a row nothing is stored', async () => {
  const { columns } = new Batch({ id: int4, note: text });
  const add = (id: number, note: string) => {
    columns.id.int4(id);
    columns.note.string(note);
  };
  add(2, 'copied');
  add(3, 'copied');
  await db.pipeline((tx) => {
    tx.send`insert into pipelines.rows values (1, 'sent')`;
    tx.copy('pipelines.rows', columns);
    tx.send`update pipelines.rows set note = 'changed' where id = 3`;
    for (const column of Object.values(columns)) column.clear(); // it has left
    return Promise.resolve();
  });
  assert.deepEqual(await db.rows`select * from pipelines.rows order by id`, [
    { id: 1, note: 'sent' },
    { id: 2, note: 'copied' },
    { id: 3, note: 'changed' },
  ]);
  const copyBehind = () =>
    db.pipeline((tx) => {
      tx.send`insert into pipelines.rows values (9, 'undone')`;
      return Promise.resolve(tx.copy('pipelines.rows', columns));
    });
  add(1, 'twice');
  await assert.rejects(copyBehind, hasCode('23505'));
  columns.id.int4(4);
  await assert.rejects(copyBehind, /one column holds/);
  assert.deepEqual(await stored(), [1, 2, 3]);
  await db.run`delete from pipelines.rows`;
});

test('one that fails undoes all of them, wherever it stands and whether anybody waits for it', async () => {
  await assert.rejects(
    db.pipeline((tx) => {
      tx.send`insert into pipelines.rows values (1, '')`;
      tx.send`select 1 / 0`;
      tx.send`insert into pipelines.rows values (2, '')`;
      return Promise.resolve();
    }),
    divides,
  );
  await assert.rejects(
    db.pipeline(async (tx) => {
      tx.send`select 1 / 0`;
      await tx.run`insert into pipelines.rows values (1, '')`;
    }),
    divides,
    'the first failure is told, not that the statements behind it were ignored',
  );
  await assert.rejects(
    db.pipeline(async (tx) => {
      await tx.run`insert into pipelines.rows values (1, '')`;
      await tx.run`select 1 / 0`.catch(() => {});
    }),
    divides,
  );
  assert.deepEqual(await stored(), []);
});

test('work that fails by itself undoes what it had sent', async () => {
  await assert.rejects(
    db.pipeline(async (tx) => {
      tx.send`insert into pipelines.rows values (1, '')`;
      await tx.rows`select 1`;
      throw new Error('changed my mind');
    }),
    /changed my mind/,
  );
  assert.deepEqual(await stored(), []);
});

test('a transaction whose failed statement was looked past is not taken for committed', async () => {
  await assert.rejects(
    db.transaction(async (tx) => {
      await tx.run`insert into pipelines.rows values (1, '')`;
      await tx.run`select 1 / 0`.catch(() => {});
    }),
    /rolled back/,
  );
  assert.deepEqual(await stored(), []);
});

test('the connection serves on after a failure, also one at its first statement', async () => {
  for (let time = 0; time < 4; time++) {
    await assert.rejects(
      db.pipeline(async (tx) => {
        await tx.rows`select nothing from nowhere`;
      }),
      hasCode('42P01'),
    );
    assert.deepEqual(await db.pipeline((tx) => tx.rows`select 1 as one`), [{ one: 1 }]);
  }
});

test('a connection that is lost in the middle fails the call and is replaced', async () => {
  await assert.rejects(
    db.pipeline(async (tx) => {
      tx.send`insert into pipelines.rows values (1, '')`;
      tx.send`select pg_terminate_backend(pg_backend_pid())`;
      await tx.rows`select 1`;
    }),
  );
  assert.deepEqual(await stored(), []);
});

test('on a trial a pipeline is a step of it', async () => {
  const trial = await openTrial(server.adminUrl, 'relevo test');
  try {
    await trial.pipeline(async (tx) => {
      tx.send`insert into pipelines.rows values (1, '')`;
      await tx.rows`select 1`;
    });
    await assert.rejects(
      trial.pipeline((tx) => {
        tx.send`insert into pipelines.rows values (2, '')`;
        tx.send`select 1 / 0`;
        return Promise.resolve();
      }),
      divides,
    );
    assert.deepEqual(await stored(trial), [1]);
  } finally {
    await trial.close();
  }
  assert.deepEqual(await stored(), []);
});
