import { createPrivateKey, createPublicKey, generateKeyPairSync, type JsonWebKey } from 'node:crypto';
import { join } from 'node:path';
import type { JWK } from 'jose';
import { Refusal } from '#runtime/refusal.ts';
import { readJson, writeSecretJson } from '../cells/secret-file.ts';

/** Where the gateway's own things lie: its key, its certificates, the local authority. */
export const gatewayFolder = (home: string): string => join(home, 'gateway');

interface GatewayKeyFile {
  readonly format: 1;
  readonly jwk: JWK;
  readonly madeAt: string;
}

/** The key by which the gateway proves itself to the processes of cells: Ed25519. Made by whoever first asks. */
export async function gatewayKey(home: string): Promise<{ privateJwk: JWK; publicJwk: JWK }> {
  const path = join(gatewayFolder(home), 'identity.json');
  const broken = () =>
    new Refusal('gateway_key_broken', `The gateway's key in ${path} is not valid JSON.`, {
      advice: 'Remove the file: another key is made when relevo up starts.',
    });
  let file = await readJson<GatewayKeyFile>(path, broken);
  if (!file) {
    const { privateKey } = generateKeyPairSync('ed25519');
    const jwk = { ...(privateKey.export({ format: 'jwk' }) as JWK), kid: 'gateway' };
    file = { format: 1, jwk, madeAt: new Date().toISOString() };
    await writeSecretJson(path, file);
  }
  const key = createPrivateKey({ key: file.jwk as JsonWebKey, format: 'jwk' });
  return { privateJwk: file.jwk, publicJwk: createPublicKey(key).export({ format: 'jwk' }) as JWK };
}
