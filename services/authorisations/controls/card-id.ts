import { idText } from '#runtime/vault/derived-ids.ts';
import type { Vault } from '#runtime/vault/vault.ts';

/** The id of the card with this external id, whether it is here or not. */
export function cardIdOf(vault: Vault, externalId: string): string {
  const ids = vault.idCoder();
  ids.external('card', Buffer.from(externalId));
  return idText(ids.ids(), 0);
}
