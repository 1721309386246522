import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { PrivateKey, PublicKey } from 'openpgp';
import { sealMessage } from '#runtime/openpgp/seal-message.ts';
import { type SampleOptions, samplePortfolio } from '#services/migrations/sample/sample-portfolio.ts';

/** Writes a synthetic portfolio as its tenant would send it: signed, encrypted to the cell. */
export async function makeSample(
  path: string,
  options: SampleOptions,
  keys: { signingKey: PrivateKey; cellKeys: readonly PublicKey[] },
): Promise<{ bytes: number; plaintextBytes: number }> {
  let plaintextBytes = 0;
  const plaintext = async function* () {
    for (const chunk of samplePortfolio(options)) {
      plaintextBytes += chunk.length;
      yield chunk;
    }
  };
  await mkdir(dirname(path), { recursive: true });
  const aside = `${path}.${process.pid}.new`;
  const file = await open(aside, 'w', 0o600);
  let bytes = 0;
  try {
    const sealed = sealMessage(plaintext(), {
      signingKey: keys.signingKey,
      encryptionKeys: keys.cellKeys,
      compress: true,
    });
    for await (const piece of sealed) {
      await file.write(piece);
      bytes += piece.length;
    }
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  await rename(aside, path);
  return { bytes, plaintextBytes };
}
