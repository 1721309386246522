import { readFile } from 'node:fs/promises';
import { generateKey, type PrivateKey } from 'openpgp';
import { generateCellKey, readPrivateKey } from '#runtime/openpgp/keys.ts';

const fixtures = new URL('../../services/migrations/fixtures/portfolio/keys/', import.meta.url);

/** The pairs with which the GnuPG-made fixtures were written: the cell andina/production and its tenant. */
export const fixtureKey = async (name: 'cell' | 'andina'): Promise<PrivateKey> =>
  readPrivateKey(await readFile(new URL(`${name}-private.asc`, fixtures)));

/** A tenant's key as a Curve25519 program makes it. */
export const curveKey = (name = 'Tenant'): Promise<PrivateKey> => generateCellKey({ name });

export async function rsaKey(name = 'Tenant', bits = 3072): Promise<PrivateKey> {
  const { privateKey } = await generateKey({
    type: 'rsa',
    rsaBits: bits,
    userIDs: { name },
    format: 'object',
  });
  return privateKey;
}

export const fingerprintOf = (key: PrivateKey): string => key.getFingerprint().toUpperCase();
