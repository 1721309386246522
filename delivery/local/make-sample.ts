import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { PrivateKey, PublicKey } from 'openpgp';
import { writeAside } from '#runtime/files/write-aside.ts';
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
  let bytes = 0;
  const sealed = async function* () {
    const pieces = sealMessage(plaintext(), {
      signingKey: keys.signingKey,
      encryptionKeys: keys.cellKeys,
      compress: true,
    });
    for await (const piece of pieces) {
      bytes += piece.length;
      yield piece;
    }
  };
  await writeAside(path, sealed());
  return { bytes, plaintextBytes };
}
