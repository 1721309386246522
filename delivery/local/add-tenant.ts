import { generateCellKey } from '#runtime/openpgp/keys.ts';
import type { Server } from '#runtime/postgres/server.ts';
import { listKeys, storeKey } from '../cells/cell-keys.ts';
import { cellText, ENVIRONMENTS, parseTenant } from '../cells/cell-name.ts';
import { createCell } from '../cells/create-cell.ts';
import { openAudit } from '../cells/open-audit.ts';
import { openCell, openVault } from '../cells/open-cell.ts';

export interface AddedCell {
  readonly cell: string;
  readonly fingerprint: string;
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
    await createCell(server.adminUrl, home, name);
    const cell = await openCell(server, home, name);
    try {
      const db = cell.connect('keys', 1);
      const own = (await listKeys(db)).find(({ owner }) => owner === 'cell');
      // Before the cell's key, by which a later run tells a cell that was made earlier from one that is being made.
      const audit = await openAudit(cell, 'cells');
      await audit.appendEntries([
        {
          actor: operator,
          action: own ? 'cell.upgraded' : 'cell.made',
          subject: cellText(name),
          once: 'the trail begins',
        },
      ]);
      let fingerprint = own?.fingerprint;
      if (!fingerprint) {
        const key = await generateCellKey({ name: `Relevo cell ${cellText(name)}` });
        fingerprint = key.getFingerprint().toUpperCase();
        await storeKey(db, await openVault(cell, db), {
          owner: 'cell',
          fingerprint,
          publicKey: key.toPublic().armor(),
          privateKey: key.write(),
        });
      }
      added.push({ cell: cellText(name), fingerprint });
    } finally {
      await cell.close();
    }
  }
  return added;
}
