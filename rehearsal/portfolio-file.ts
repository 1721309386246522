import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { PrivateKey, PublicKey } from 'openpgp';
import { sealMessage } from '#runtime/openpgp/seal-message.ts';
import type { Book } from '#simulators/processor/book.ts';
import {
  type PortfolioRequest,
  writePortfolio,
  type WrittenPortfolio,
} from '#simulators/processor/write-portfolio.ts';

const PIECE_LINES = 500;

/** Has the earlier processor write a portfolio file as of a moment: signed, and encrypted to the cell. */
export async function writeSealedPortfolio(
  path: string,
  book: Book,
  request: PortfolioRequest,
  { signingKey, to }: { signingKey: PrivateKey; to: readonly PublicKey[] },
): Promise<WrittenPortfolio> {
  const pieces: Buffer[] = [];
  let lines: string[] = [];
  const gather = () => {
    pieces.push(Buffer.from(lines.join('')));
    lines = [];
  };
  const written = await writePortfolio(book, request, (line) => {
    lines.push(line, '\n');
    if (lines.length >= 2 * PIECE_LINES) gather();
  });
  gather();
  const plaintext = async function* () {
    yield* pieces;
  };
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, 'w', 0o600);
  try {
    const sealed = sealMessage(plaintext(), { signingKey, encryptionKeys: to, compress: false });
    for await (const piece of sealed) await file.write(piece);
  } finally {
    await file.close();
  }
  return written;
}
