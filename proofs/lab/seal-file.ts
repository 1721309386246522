import { writeFile } from 'node:fs/promises';
import type { PrivateKey, PublicKey } from 'openpgp';
import { sealMessage } from '#runtime/openpgp/seal-message.ts';

/** Writes a text as a tenant would send it: an OpenPGP file. */
export async function sealFile(
  path: string,
  text: Buffer,
  { signingKey, to }: { signingKey: PrivateKey; to: readonly PublicKey[] },
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const plain = async function* () {
    yield text;
  };
  for await (const piece of sealMessage(plain(), { signingKey, encryptionKeys: to, compress: false }))
    pieces.push(Buffer.from(piece));
  const sealed = Buffer.concat(pieces);
  await writeFile(path, sealed);
  return sealed;
}
