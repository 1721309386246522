import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type BackupHeader, headerBytes } from '#delivery/backup/backup-header.ts';
import { namedKeks } from '#delivery/backup/backup-keys.ts';
import { writeKeyCopy } from '#delivery/backup/key-copy.ts';
import { besideNames } from '#delivery/backup/beside-names.ts';
import { backupPath, writeBackup } from '#delivery/backup/write-backup.ts';
import { restoreCell } from '#delivery/backup/restore-cell.ts';
import { cellFilePath } from '#delivery/cells/cell-file.ts';
import { openCell, openVault } from '#delivery/cells/open-cell.ts';
import { openSealed } from '#tools/testing/open-sealed.ts';
import { curveKey } from '#tools/testing/keys.ts';
import { type Attempts, type Met, metError } from '../attempts.ts';
import type { SealedCell } from '../sealed-cell.ts';
import type { Stage } from '../stage.ts';

const OPERATOR = 'proof';
const BOTH = [true, false];

/** Backups of other cells, moved to where a cell’s own would be and dressed up as one; cell files and their copies likewise. */
export async function tryBackups(stage: Stage, attempts: Attempts): Promise<void> {
  const [here] = stage.populated;
  const others = [
    stage.cells.find(
      ({ name }) => name.tenant === here.name.tenant && name.environment !== here.name.environment,
    )!,
    stage.cells.find(
      ({ name }) => name.tenant !== here.name.tenant && name.environment === here.name.environment,
    )!,
  ];
  for (const there of others) {
    await tryRestoring(stage, here, there, attempts);
    await tryCellFile(stage, here, there, attempts);
  }
  await tryKeyCopy(stage, here, attempts);
}

async function tryRestoring(
  stage: Stage,
  here: SealedCell,
  there: SealedCell,
  attempts: Attempts,
): Promise<void> {
  const kind = 'backup of another cell';
  const { lab } = stage;
  const server = await lab.server();
  const write = async (cell: SealedCell, called: string) => {
    const path = join(lab.folder, `${cell.name.tenant}-${cell.name.environment}-${called}`);
    return writeBackup(server, lab.home, cell.name, { path, operator: OPERATOR });
  };
  const run = `${Date.now()}.relevo-backup`;
  const [own, foreign] = [await write(here, run), await write(there, `for-${here.name.environment}-${run}`)];
  const before = await lookOf(stage, here);
  /** What is looked at only behind the question who is connected is tried as a drill, which does not ask it. */
  const attempt = async (what: string, path: string, meant: string, ways: readonly boolean[] = [true]) => {
    for (const drill of ways) {
      const wanted = { path, operator: OPERATOR, drill };
      const met: Met = await restoreCell(server, lab.home, here.name, wanted).then(
        ({ outcome }) => ({ got: outcome }),
        metError,
      );
      attempts.tried(kind, `${what} into ${here.text}${drill ? ', as a drill' : ''}`, met, [meant]);
    }
  };
  await attempt(`of ${there.text}`, foreign.path, 'backup_of_another_cell', BOTH);
  const moved = backupPath(lab.home, here.name, new Date());
  await mkdir(dirname(moved), { recursive: true });
  await copyFile(foreign.path, moved);
  await attempt(`of ${there.text}, moved to where this cell’s are`, moved, 'backup_of_another_cell', BOTH);
  const dressed = async (called: string, header: Partial<BackupHeader>, from = foreign) => {
    const path = join(lab.folder, `${called}-${run}`);
    const bytes = await readFile(from.path);
    const rest = bytes.subarray(headerBytes(from.header).length);
    await writeFile(path, Buffer.concat([headerBytes({ ...from.header, ...header }), rest]));
    return path;
  };
  const keks = namedKeks(here.file).map(({ fingerprint }) => fingerprint);
  const sealedBy = keks.at(-1)!;
  await attempt(
    `of ${there.text}, whose header names this cell`,
    await dressed('named', { cell: here.text }),
    'wrong_key_file',
    BOTH,
  );
  await attempt(
    `of ${there.text}, whose header names this cell and its keys`,
    await dressed('keyed', { cell: here.text, keks, sealedBy }),
    'backup_altered',
  );
  await attempt(
    `of ${there.text} under the whole header of this cell’s own`,
    await dressed('under', own.header),
    'backup_altered',
  );
  await attempt(
    `of this cell, with another moment in its header`,
    await dressed('moment', { madeAt: '2020-01-01T00:00:00.000Z' }, own),
    'backup_altered',
  );
  attempts.compared(
    kind,
    `${here.text} after all this`,
    (await lookOf(stage, here)) === before,
    'untouched',
    'it has changed',
  );
  const drilled = await restoreCell(server, lab.home, here.name, {
    path: own.path,
    operator: OPERATOR,
    drill: true,
  }).then(({ outcome }) => outcome, metError);
  attempts.allowed(
    kind,
    `of ${here.text}, its own, as a drill`,
    drilled === 'drilled',
    JSON.stringify(drilled),
  );
}

/** What the cell is, and that nothing stands beside it. */
async function lookOf({ lab }: Stage, { name, database }: SealedCell): Promise<string> {
  const [look] = await lab.ask<Record<string, unknown>>(
    database,
    `select (select max(seq) from audit.entries) as entries,
            (select md5(string_agg(c::text, ',' order by card_id)) from cards.cards c) as cards,
            (select md5(string_agg(k::text, ',' order by purpose, version)) from cell.data_keys k) as keys`,
  );
  const beside = await lab.ask<{ datname: string }>(
    'postgres',
    'select datname from pg_database where datname = any($1)',
    [Object.values(besideNames(name))],
  );
  return JSON.stringify([look, beside]);
}

/** A cell file that was laid where another cell’s is: with it nobody gets into that cell’s database, nor opens its keys. */
async function tryCellFile(
  { lab }: Stage,
  here: SealedCell,
  there: SealedCell,
  attempts: Attempts,
): Promise<void> {
  const kind = 'cell file of another cell';
  const server = await lab.server();
  const home = join(lab.folder, `home-of-${there.name.tenant}-${there.name.environment}`);
  const path = cellFilePath(home, here.name);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const { tenant, environment } = here.name;
  const entering = async (file: unknown): Promise<Met> => {
    await writeFile(path, JSON.stringify(file), { mode: 0o600 });
    const cell = await openCell(server, home, here.name);
    try {
      await openVault(cell, cell.connect('keys', 1));
      return { got: 'its keys' };
    } catch (error) {
      return metError(error);
    } finally {
      await cell.close();
    }
  };
  const what = `of ${there.text} where ${here.text} has its own`;
  attempts.tried(kind, what, await entering(there.file), ['password wrong']);
  attempts.tried(kind, `${what}, renamed inside`, await entering({ ...there.file, tenant, environment }), [
    'password wrong',
  ]);
  attempts.tried(
    kind,
    `${what}, with the stolen passwords of ${here.text}`,
    await entering({ ...there.file, tenant, environment, passwords: here.file.passwords }),
    ['kek_wrong', 'kek_missing'],
  );
  const own = await entering(here.file);
  attempts.allowed(kind, `its own at ${here.text}`, 'got' in own, JSON.stringify(own));
}

/** The copy of a cell file that goes with a backup: for the operator it was sealed to, and for no tenant or cell. */
async function tryKeyCopy(stage: Stage, here: SealedCell, attempts: Attempts): Promise<void> {
  const kind = 'copy of a cell file';
  const { lab } = stage;
  const operator = await curveKey('Operator');
  const keyFile = join(lab.folder, `operator-${Date.now()}.asc`);
  await writeFile(keyFile, operator.toPublic().armor());
  const path = `${keyFile}.keys`;
  await writeKeyCopy(await lab.server(), lab.home, here.name, { path, operator: OPERATOR, keyFile });
  const opening = (tenant: SealedCell['tenantKey']): Promise<Met> =>
    openSealed(path, { tenant, cell: here.keys.cell }).then(
      (plain) => ({ got: `${plain.length} bytes` }),
      metError,
    );
  for (const cell of stage.populated) {
    attempts.tried(kind, `by ${cell.name.tenant}`, await opening(cell.tenantKey), ['no_decryption_key']);
    for (const key of cell.keys.cell)
      attempts.tried(kind, `by the cell ${cell.text}`, await opening(key), ['no_decryption_key']);
  }
  const met = await opening(operator);
  attempts.allowed(kind, 'by the operator', 'got' in met, JSON.stringify(met));
}
