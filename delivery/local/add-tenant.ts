import type { Database } from '#runtime/database/database.ts';
import { generateCellKey } from '#runtime/openpgp/keys.ts';
import type { Server } from '#runtime/postgres/server.ts';
import { listKeys, storeKey } from '../cells/cell-keys.ts';
import { cellText, ENVIRONMENTS, parseTenant } from '../cells/cell-name.ts';
import { createCell } from '../cells/create-cell.ts';
import { openAudit } from '../cells/open-audit.ts';
import { type Cell, openCell, openVault } from '../cells/open-cell.ts';
import { type TimedStep, TimedSteps } from '../cells/timed-steps.ts';

export interface AddedCell {
  readonly cell: string;
  readonly fingerprint: string;
  /** What was made or looked after, and what it took; a step that had nothing to do is left out. */
  readonly steps: readonly TimedStep[];
}

/** Adds a tenant with its three cells. Every step can be repeated, so running it again finishes or changes nothing. */
export async function addTenant(
  server: Server,
  home: string,
  tenant: string,
  operator = 'relevo',
): Promise<AddedCell[]> {
  parseTenant(tenant);
  const added: AddedCell[] = [];
  for (const environment of ENVIRONMENTS) {
    const name = { tenant, environment };
    const timed = new TimedSteps();
    await createCell(server.adminUrl, home, name, timed);
    const cell = await openCell(server, home, name);
    try {
      const fingerprint = await introduce(cell, operator, timed);
      added.push({ cell: cellText(name), fingerprint, steps: timed.steps });
    } finally {
      await cell.close();
    }
  }
  return added;
}

/** Begins the cell's audit trail and gives it a key pair of its own; answers the key's fingerprint. */
async function introduce(cell: Cell, operator: string, timed: TimedSteps): Promise<string> {
  const db = cell.connect('keys', 1);
  const own = (await listKeys(db)).find(({ owner }) => owner === 'cell');
  // Before the cell's key, by which a later run tells a cell that was made earlier from one that is being made.
  await timed.run('audit trail', async () => {
    const audit = await openAudit(cell, 'cells');
    await audit.appendEntries([
      {
        actor: operator,
        action: own ? 'cell.upgraded' : 'cell.made',
        subject: cellText(cell.name),
        once: 'the trail begins',
      },
    ]);
  });
  return own?.fingerprint ?? timed.run('OpenPGP key', () => makeKey(cell, db));
}

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
