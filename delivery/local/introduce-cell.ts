import { crashPoint } from '#runtime/crash-point.ts';
import type { Database } from '#runtime/database/database.ts';
import { generateCellKey } from '#runtime/openpgp/keys.ts';
import type { Server } from '#runtime/postgres/server.ts';
import type { Details } from '#services/audit/service.ts';
import { listKeys, storeKey } from '../cells/cell-keys.ts';
import { type CellName, cellText } from '../cells/cell-name.ts';
import { CELL_ROLES } from '../cells/cell-roles.ts';
import type { CellDifferences, CellState } from '../cells/cell-state.ts';
import { openAudit } from '../cells/open-audit.ts';
import { type Cell, openCell, openVault } from '../cells/open-cell.ts';
import type { TimedSteps } from '../cells/timed-steps.ts';

/** Begins the cell's audit trail and gives it a key pair of its own; answers the key's fingerprint. */
export async function introduceCell(
  server: Server,
  home: string,
  name: CellName,
  operator: string,
  timed: TimedSteps,
): Promise<string> {
  const cell = await openCell(server, home, name);
  try {
    const db = cell.connect('keys', 1);
    const own = (await listKeys(db)).find(({ owner }) => owner === 'cell');
    // Before the cell's key, by which a later run tells a cell that was made earlier from one that is being made.
    const action = own ? 'cell.upgraded' : 'cell.made';
    const entry = { actor: operator, action, subject: cellText(name), once: 'the trail begins' };
    await timed.run('audit trail', async () => (await openAudit(cell, 'cells')).appendEntries([entry]));
    crashPoint('cell:trail-begun');
    if (own) return own.fingerprint;
    const fingerprint = await timed.run('OpenPGP key', () => makeKey(cell, db));
    crashPoint('cell:key-made');
    return fingerprint;
  } finally {
    await cell.close();
  }
}

/**
 * Enters into a cell's trail what is about to be done to it. A cell whose trail cannot be written to yet is told of
 * its upgrade when it has one.
 */
export async function tellOfUpgrade(
  server: Server,
  home: string,
  name: CellName,
  { differences }: CellState,
  operator: string,
): Promise<void> {
  const hasTrail =
    !differences.rolesMissing.includes('audit') &&
    !differences.dataKeysMissing.includes('audit') &&
    !differences.changesMissing.some((change) => change.startsWith('audit/'));
  if (!hasTrail) return;
  const cell = await openCell(server, home, name);
  const details = detailsOf(differences);
  const entry = { actor: operator, action: 'cell.upgraded', subject: cellText(name), details };
  try {
    await (await openAudit(cell, 'cells')).appendEntries([entry]);
  } catch (error) {
    if (!isRefusedLogin(error)) throw error; // what keeps the trail's own roles out is what is to be mended
  } finally {
    await cell.close();
  }
}

const detailsOf = (differences: CellDifferences): Details =>
  Object.fromEntries(
    (
      [
        ['roles_made', differences.rolesMissing],
        ['roles_mended', differences.rolesWrong],
        ['schema_changes', differences.changesMissing],
        ['data_keys_made', differences.dataKeysMissing],
        ['rights_given', differences.rightsMissing],
        ['rights_taken_away', differences.rightsBeyond],
      ] as const
    ).flatMap(([name, list]) => (list.length > 0 ? [[name, list.length]] : [])),
  );

/** Whether the passwords in the cell file are those of its roles: a file may have come back from an older backup. */
export async function canEveryRoleEnter(server: Server, home: string, name: CellName): Promise<boolean> {
  const cell = await openCell(server, home, name);
  try {
    await Promise.all(CELL_ROLES.map((role) => cell.connect(role, 1).rows`select 1`));
    return true;
  } catch (error) {
    if (isRefusedLogin(error)) return false;
    throw error;
  } finally {
    await cell.close();
  }
}

/** 28P01: another password; 28000: the role is not there or may not log in; 42501: it may not connect. */
const isRefusedLogin = (error: unknown): boolean =>
  ['28P01', '28000', '42501'].includes((error as { code?: string }).code ?? '');

async function makeKey(cell: Cell, db: Database): Promise<string> {
  const key = await generateCellKey({ name: `Relevo cell ${cellText(cell.name)}` });
  const fingerprint = key.getFingerprint().toUpperCase();
  await storeKey(db, await openVault(cell, db), {
    owner: 'cell',
    fingerprint,
    publicKey: key.toPublic().armor(),
    privateKey: key.write(),
  });
  return fingerprint;
}
