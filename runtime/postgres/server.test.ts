import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import pg from 'pg';
import { isRunning } from './processes.ts';
import { acquireServer, releaseServers, withServer } from './server.ts';
import {
  hold,
  query,
  serverOf,
  startHolder,
  temporaryFolder,
  temporaryHome,
  until,
} from './testing/homes.ts';
import { isRoot, nobody } from './unprivileged.ts';

suite('the server of a new home', { concurrency: 2 }, () => {
  test('four processes at the same instant share one server, and the last to leave stops it', async (t) => {
    const home = await temporaryHome(t);
    const holders = await Promise.all([1, 2, 3, 4].map(() => hold({ home })));
    assert.equal(new Set(holders.map(({ adminUrl }) => adminUrl)).size, 1);
    assert.deepEqual((await readdir(join(home, 'postgres'))).sort(), [
      ...['data', 'lock', 'password', 'server.json', 'server.log', 'users'], // one initdb, one start
    ]);

    const server = (await serverOf(home))!;
    await Promise.all(holders.slice(1).map((holder) => holder.release()));
    assert(isRunning(server.mark));
    await holders[0].release();
    assert(!isRunning(server.mark));
    assert.equal(await serverOf(home), undefined);
    await assert.rejects(readdir(server.socketFolder), { code: 'ENOENT' });
  });

  test('a cleared temporary folder: the server nobody can reach is replaced', async (t) => {
    const home = await temporaryHome(t);
    await (await hold({ home })).kill();
    const { mark, socketFolder } = (await serverOf(home))!;
    await rm(socketFolder, { recursive: true });
    await withServer({ home }, ({ adminUrl }) => query(adminUrl, 'select'));
    assert(!isRunning(mark));
  });

  test('interrupted in the middle of initdb: the next command begins again', async (t) => {
    const home = await temporaryHome(t);
    const own = join(home, 'postgres');
    const starter = startHolder({ home });
    const exited = once(starter, 'exit');
    const hasDraft = (name: string): boolean => name.startsWith('init-');
    await until('initdb works', async () => {
      const draft = (await readdir(own).catch(() => [])).find(hasDraft);
      return draft !== undefined && (await readdir(join(own, draft))).includes('data');
    });
    starter.kill('SIGKILL');
    await exited;
    assert(!(await readdir(own)).includes('data'));
    await withServer({ home }, ({ adminUrl }) => query(adminUrl, 'select'));
    assert.deepEqual((await readdir(own)).filter(hasDraft), []);
  });

  test('a home that is a file is refused in words', async (t) => {
    const home = join(await temporaryFolder(t), 'file');
    await writeFile(home, '');
    await assert.rejects(acquireServer({ home }), { name: 'ServerError', code: 'data_damaged', where: home });
  });
});

suite('the server of a home', () => {
  let home: string;
  const cleaning: (() => Promise<void>)[] = [];
  before(async () => {
    home = await temporaryHome({ after: (clean) => cleaning.push(clean) });
  });
  after(async () => {
    for (const clean of cleaning) await clean();
  });

  test('a process may hold it several times, and release twice', async () => {
    const [one, two] = await Promise.all([acquireServer({ home }), acquireServer({ home })]);
    await Promise.all([one.release(), one.release()]);
    await one.release();
    await query(two.adminUrl, 'select');
    await two.release();
    assert.equal(await serverOf(home), undefined);
  });

  test('a command that is interrupted releases everything, also what it is just acquiring', async () => {
    const pending = acquireServer({ home });
    await releaseServers();
    await assert.rejects(query((await pending).adminUrl, 'select'));
    assert.equal(await serverOf(home), undefined);
  });

  test('an error inside withServer still releases', async () => {
    await assert.rejects(
      withServer({ home }, () => Promise.reject(new Error('as it happens'))),
      { message: 'as it happens' },
    );
    assert.equal(await serverOf(home), undefined);
  });

  test('a role of its own logs in with its password, and with no other', async () => {
    await withServer({ home }, async (server) => {
      await query(server.adminUrl, `create role cell login password 'p@ss/word'`);
      await query(server.adminUrl, 'create database cell owner cell');
      const url = server.urlFor('cell', 'cell', 'p@ss/word');
      assert.deepEqual(await query(url, 'select current_user::text, current_database()::text'), [
        { current_user: 'cell', current_database: 'cell' },
      ]);
      await assert.rejects(query(server.urlFor('cell', 'cell', 'guess'), 'select'), { code: '28P01' });
    });
  });

  test('kill -9 of one holder of two: the other is the last to leave', async () => {
    const [killed, leaves] = await Promise.all([hold({ home }), hold({ home })]);
    await killed.kill();
    await query(leaves.adminUrl, 'select');
    await leaves.release();
    assert.equal(await serverOf(home), undefined);
  });

  test('kill -9 of the only holder: the server runs on, and the next command uses it', async () => {
    await (await hold({ home })).kill();
    const before = (await serverOf(home))!;
    await withServer({ home }, async () => assert.deepEqual((await serverOf(home))!.mark, before.mark));
    assert.equal(await serverOf(home), undefined);
  });

  test('Ctrl-C reaches the command, not the server', async () => {
    const { child } = await hold({ home });
    const exited = once(child, 'exit');
    process.kill(-child.pid!, 'SIGINT'); // what a terminal sends: to the whole process group
    await exited;
    await withServer({ home }, (server) => query(server.adminUrl, 'select'));
  });

  test('kill -9 of the server: the next command recovers what was committed', async () => {
    const holder = await hold({ home });
    await query(holder.adminUrl, 'create table committed as select generate_series(1, 1000) as n');
    const idle = new pg.Client({ connectionString: holder.adminUrl });
    idle.on('error', () => {});
    await idle.connect();
    process.kill((await serverOf(home))!.mark.pid, 'SIGKILL');

    await withServer({ home }, async ({ adminUrl }) => {
      assert.deepEqual(await query(adminUrl, 'select count(*)::int from committed'), [{ count: 1000 }]);
      assert.match(await readFile(join(home, 'postgres', 'server.log'), 'utf8'), /recovery/);
    });
    await holder.release();
    assert.equal(await serverOf(home), undefined);
  });

  test('the server restarts after the crash of a backend, and may be told to stop meanwhile', async () => {
    const server = await acquireServer({ home });
    const client = new pg.Client({ connectionString: server.adminUrl });
    client.on('error', () => {});
    await client.connect();
    const [{ pid }] = (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows;
    const crashed = new Promise((resolve) => client.once('end', resolve));
    process.kill(pid, 'SIGKILL');
    await crashed;
    await server.release();
    assert.equal(await serverOf(home), undefined);
  });

  test('after a reboot, the number of the dead server may belong to any process', async (t) => {
    await (await hold({ home })).kill();
    const server = (await serverOf(home))!;
    process.kill(server.mark.pid, 'SIGKILL');
    await until('it is dead', () => !isRunning(server.mark));
    // PostgreSQL believes in a process of its own user only.
    const innocent = spawn('sleep', ['60'], isRoot() ? nobody() : {});
    t.after(() => innocent.kill());
    for (const file of ['data/postmaster.pid', 'server.json']) {
      const path = join(home, 'postgres', file);
      const text = await readFile(path, 'utf8');
      await writeFile(path, text.replace(String(server.mark.pid), String(innocent.pid)));
    }
    await withServer({ home }, ({ adminUrl }) => query(adminUrl, 'select'));
    assert.equal(innocent.exitCode, null);
  });

  test('a starter killed before it could leave its notice: the server is found all the same', async () => {
    await (await hold({ home })).kill();
    const { mark } = (await serverOf(home))!;
    await rm(join(home, 'postgres', 'server.json'));
    await withServer({ home }, async () => assert.deepEqual((await serverOf(home))!.mark, mark));
    assert(!isRunning(mark));
  });

  test('each start begins a new log and keeps one', async () => {
    for (let start = 0; start < 3; start++) await withServer({ home }, () => Promise.resolve());
    const logs = (await readdir(join(home, 'postgres'))).filter((name) => name.startsWith('server.log'));
    assert.deepEqual(logs.sort(), ['server.log', 'server.log.1']);
    const log = await readFile(join(home, 'postgres', 'server.log'), 'utf8');
    assert.equal(log.match(/starting PostgreSQL/g)?.length, 1);
  });
});
