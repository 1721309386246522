import { createReadStream } from 'node:fs';
import type { Key, PrivateKey } from 'openpgp';
import { openMessage } from '#runtime/openpgp/open-message.ts';

/** A file that a cell has sealed to its tenant, as the tenant opens it: with its own key, verified by the cell's. */
export async function openSealed(
  path: string,
  { tenant, cell }: { readonly tenant: PrivateKey; readonly cell: readonly Key[] },
): Promise<Buffer> {
  const message = openMessage(createReadStream(path), {
    decryptionKeys: [tenant],
    verificationKeys: cell.map((key) => key.toPublic()),
    maxPlaintextBytes: 1e12,
  });
  const pieces: Buffer[] = [];
  for await (const piece of message.plaintext) pieces.push(Buffer.from(piece));
  message.verified();
  return Buffer.concat(pieces);
}
