import { idText, markAsIds } from '#runtime/vault/derived-ids.ts';
import type { Vault } from '#runtime/vault/vault.ts';

/** As an import sets the ids of cards apart from those of accounts and the rest: 'C'. */
const CARD = 0x43;

/** The id of the card with this external id, whether it is here or not. */
export function cardIdOf(vault: Vault, externalId: string): string {
  const ids = vault.coder('ids');
  ids.appendByte(CARD);
  ids.add(Buffer.from(externalId));
  return idText(markAsIds(ids.macs()), 0);
}
