import { generateKeyPairSync } from 'node:crypto';
import { link, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { Refusal } from '#runtime/refusal.ts';
import { readJson, writeSecretJson } from '../cells/secret-file.ts';

const folder = (home: string) => join(home, 'platform');
const privatePath = (home: string) => join(folder(home), 'certificate-key.json');
/** To be given to those who want to verify certificates without this home. */
export const publicKeyPath = (home: string): string => join(folder(home), 'certificate-key.public.json');

const broken = (path: string) => (): Refusal =>
  new Refusal('platform_key_broken', `The platform's key ${path} is not valid JSON.`, {
    advice: 'Restore it from your backup. Removed, another one is made, and verifies no earlier certificate.',
  });

/** The platform's own key (Ed25519), which signs certificates. It belongs to no tenant and outlives them. */
export async function platformKey(home: string): Promise<JWK> {
  const path = privatePath(home);
  const known = await readJson<JWK>(path, broken(path));
  const key = known ?? (await makeKey(path));
  await writeSecretJson(publicKeyPath(home), publicHalf(key));
  return key;
}

/** Null where no certificate was ever signed here. */
export const platformPublicKey = (home: string): Promise<JWK | null> =>
  readJson<JWK>(publicKeyPath(home), broken(publicKeyPath(home)));

/** Two processes may want the first one at once: the one whose file is there first has made it. */
async function makeKey(path: string): Promise<JWK> {
  const { privateKey } = generateKeyPairSync('ed25519');
  const jwk = privateKey.export({ format: 'jwk' }) as JWK;
  const key: JWK = { ...jwk, kid: await calculateJwkThumbprint(jwk) };
  const aside = `${path}.${process.pid}.first`;
  await writeSecretJson(aside, key);
  await link(aside, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await rm(aside);
  return (await readJson<JWK>(path, broken(path)))!;
}

const publicHalf = ({ kty, crv, x, kid }: JWK): JWK => ({ kty, crv, x, kid });
