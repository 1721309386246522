import { open, readFile, rm } from 'node:fs/promises';
import { assertUsable, readPublicKey } from '#runtime/openpgp/keys.ts';
import { sealMessage } from '#runtime/openpgp/seal-message.ts';
import type { Server } from '#runtime/postgres/server.ts';
import { Refusal } from '#runtime/refusal.ts';
import { loadCellKeys } from '../cells/cell-keys.ts';
import { type CellName, cellText } from '../cells/cell-name.ts';
import { openAudit } from '../cells/open-audit.ts';
import { openCell, openVault } from '../cells/open-cell.ts';

interface KeyCopyWanted {
  readonly path: string;
  readonly operator: string;
  /** An operator's public OpenPGP key. */
  readonly keyFile: string;
}

/**
 * Writes a copy of the cell file that only the holder of an OpenPGP key can read (`gpg --decrypt`), signed by the cell.
 * Whoever has it and a backup has the cell, so the trail tells of it before it exists.
 */
export async function writeKeyCopy(
  server: Server,
  home: string,
  name: CellName,
  { path, operator, keyFile }: KeyCopyWanted,
): Promise<{ path: string; sealedTo: string }> {
  const key = await readPublicKey(await materialOf(keyFile));
  await assertUsable(key, { for: 'encryption' });
  const sealedTo = key.getFingerprint().toUpperCase();
  const cell = await openCell(server, home, name);
  try {
    const db = cell.connect('keys', 1);
    const [signingKey] = (await loadCellKeys(db, await openVault(cell, db))).cell;
    const audit = await openAudit(cell, 'cells');
    await audit.appendEntries([
      {
        actor: operator,
        action: 'cell.keys_copied',
        subject: cellText(name),
        details: { sealed_to: sealedTo },
      },
    ]);
    const text = async function* () {
      yield Buffer.from(`${JSON.stringify(cell.file, null, 2)}\n`);
    };
    const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
      throw new Refusal('file_exists', `${path} is there already; nothing is written over.`, {
        advice: 'Give --to another name.',
      });
    });
    try {
      const sealed = sealMessage(text(), {
        signingKey,
        encryptionKeys: [key],
        armored: true,
        compress: true,
      });
      for await (const piece of sealed) await file.write(piece);
      await file.sync();
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      await file.close();
    }
  } finally {
    await cell.close();
  }
  return { path, sealedTo };
}

const materialOf = (path: string): Promise<Buffer> =>
  readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new Refusal('no_such_file', `The key file ${path} cannot be read (${error.code}).`);
  });
