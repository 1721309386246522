import { unwrapKey, type WrappedKey, ROTATING_PURPOSES, wrapKey, wrapNewKey } from '#runtime/vault/vault.ts';
import { serveCards } from '#services/cards/main.ts';
import { type CellFile, keksOf, newKek, newTokenKey, type TokenKey, writeCellFile } from './cell-file.ts';
import { type Cell, openVault } from './open-cell.ts';

const CARDS_A_TIME = 2_000;
/** Far more than a token lives and than a process takes to hear of a new key. */
const TOKEN_KEY_KEPT_MS = 3_600_000;

/**
 * Rotates a cell's keys: a new key-encryption key wraps every data key anew, the keys that seal get a new
 * version, and card data is sealed with it. API clients' tokens are signed with a new key. Older versions stay until nothing lies under them. Each step is
 * durable before the next begins, so running it again after a crash goes on.
 */
export async function rotateKeys(cell: Cell) {
  const db = cell.connect('keys', 1);
  const older = keksOf(cell.file);
  const kekVersion = older.at(-1)!.version + 1;
  const now = new Date();
  const file: CellFile = {
    ...cell.file,
    keks: [...cell.file.keks, newKek(kekVersion, now)],
    tokenKeys: rotateTokenKeys(cell.file.tokenKeys ?? [], now),
  };
  await writeCellFile(cell.home, file);
  const keks = keksOf(file);
  const kek = keks.at(-1)!;

  const keyVersion = await db.transaction(async (tx) => {
    const stored = await tx.rows<WrappedKey>`select purpose, version, wrapped from cell.data_keys for update`;
    const next = Math.max(...stored.map(({ version }) => version)) + 1;
    const anew = stored.map((each) =>
      wrapKey(kek, each.purpose, { version: each.version, key: unwrapKey(keks, each) }),
    );
    const made = ROTATING_PURPOSES.map((purpose) => wrapNewKey(kek, purpose, next));
    for (const { purpose, version, wrapped } of [...anew, ...made])
      await tx.run`
        insert into cell.data_keys (purpose, version, wrapped) values (${purpose}, ${version}, ${wrapped})
            on conflict (purpose, version) do update set wrapped = excluded.wrapped`;
    return next;
  });

  const vault = await openVault({ ...cell, file }, db);
  const cards = cell.calls.client(serveCards(cell.connect('cards', 1), vault), 'keys');
  let resealed = 0;
  for (;;) {
    const step = await cards.resealCards({ limit: CARDS_A_TIME });
    if (step.resealed === 0) break;
    resealed += step.resealed;
  }
  return {
    kek_version: kekVersion,
    key_version: keyVersion,
    resealed,
    token_key: file.tokenKeys!.at(-1)!.kid,
    token_keys_kept: file.tokenKeys!.length - 1,
  };
}

/**
 * A new key that signs tokens, at the end. An older one stays for an hour after it has signed last, which is when its
 * successor was made: its own age says nothing, for it may have signed until now.
 */
export function rotateTokenKeys(keys: readonly TokenKey[], now: Date): TokenKey[] {
  const madeAt = ({ madeAt }: TokenKey) => Date.parse(madeAt);
  const kept = keys.filter(
    (_, i) => i + 1 === keys.length || now.getTime() - madeAt(keys[i + 1]) < TOKEN_KEY_KEPT_MS,
  );
  return [...kept, newTokenKey(now)];
}
