import { readFile } from 'node:fs/promises';
import type { PublicKey } from 'openpgp';
import { assertUsable, readPrivateKey, readPublicKey } from '#runtime/openpgp/keys.ts';
import { Refusal } from '#runtime/refusal.ts';
import { listKeys } from '../cells/cell-keys.ts';
import { cellText, type Environment } from '../cells/cell-name.ts';
import type { Cell } from '../cells/open-cell.ts';
import { sampleKeyPath } from '../local/sample-key.ts';

/** Whose keys stand in for a cell that knows none of its tenant: the tenant is one, whichever of its cells asks. */
const STAND_INS: readonly Environment[] = ['production', 'staging', 'demo'];

/**
 * The tenant's keys that each cell seals its export to. The key of synthetic portfolios is none of them: its private half
 * lies in this home and goes with the tenant, so that nobody could open what was sealed to it. A cell without cards has
 * nothing that a tenant without a key would miss: for it there are none.
 */
export async function exportKeysOf(cells: readonly Cell[]): Promise<Map<Environment, PublicKey[]>> {
  const own = new Map<Environment, PublicKey[]>();
  for (const cell of cells) own.set(cell.name.environment, await usableKeys(cell));
  const standIn =
    STAND_INS.map((environment) => own.get(environment) ?? []).find((keys) => keys.length > 0) ?? [];
  const sealedTo = new Map<Environment, PublicKey[]>();
  for (const cell of cells) {
    const keys = own.get(cell.name.environment)!;
    const chosen = keys.length > 0 ? keys : standIn;
    if (chosen.length === 0 && (await holdsCards(cell))) throw noKey(cellText(cell.name));
    sealedTo.set(cell.name.environment, chosen);
  }
  return sealedTo;
}

async function holdsCards(cell: Cell): Promise<boolean> {
  const [{ any }] = await cell.connect('reporting', 1).rows<{ any: boolean }>`
    select exists (select from reporting.cards) as any`;
  return any;
}

/** Keys that have expired or were revoked are no way to a tenant. */
async function usableKeys(cell: Cell): Promise<PublicKey[]> {
  const synthetic = await sampleFingerprint(cell);
  const stored = (await listKeys(cell.connect('keys', 1))).filter(({ owner }) => owner === 'tenant');
  const each = stored.map(async ({ publicKey }) => {
    const key = await readPublicKey(publicKey);
    if (key.getFingerprint() === synthetic) return [];
    return assertUsable(key, { for: 'encryption' }).then(
      () => [key],
      () => [],
    );
  });
  return (await Promise.all(each)).flat();
}

async function sampleFingerprint({ home, name }: Cell): Promise<string | null> {
  const known = await readFile(sampleKeyPath(home, name.tenant)).catch(() => null);
  return known && (await readPrivateKey(known)).getFingerprint();
}

const noKey = (cell: string): Refusal =>
  new Refusal('no_export_key', `${cell} knows no key of its tenant that its export can be sealed to.`, {
    advice:
      'Give one with --export-key FILE.asc, or remove the tenant with --without-export: then nobody will have its data.',
  });
