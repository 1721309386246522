import type { Client } from '#declare/service.ts';
import { Batch } from '#runtime/batch/batch.ts';
import type { Message } from '#runtime/iso8583/message.ts';
import { unpack } from '#runtime/iso8583/unpack.ts';
import { Refusal } from '#runtime/refusal.ts';
import { Pan } from '#runtime/vault/pan.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import { cardIdRow, type cards } from '#services/cards/service.ts';
import { placeOfMessage } from '../pipeline/record.ts';
import { Task } from '../pipeline/task.ts';
import { fromMessage } from '../request/from-iso8583.ts';
import { isMalformed } from '../request/request.ts';
import type { KeptMessage } from '../store/waiting.ts';

export interface Opener {
  readonly cards: Client<typeof cards>;
  readonly vault: Vault;
  /** For a process that meets a key which was made after it started. */
  refreshVault(): Promise<void>;
}

/** The card numbers of messages on record, by message key; of one whose card nobody knows there is none. */
export async function openPans(opener: Opener, messages: readonly Sealed[]): Promise<Map<string, Pan>> {
  try {
    return await open(opener, messages);
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== 'data_key_missing') throw error;
    await opener.refreshVault();
    return open(opener, messages);
  }
}

type Sealed = Pick<KeptMessage, 'key' | 'cardId' | 'panSealed'>;

async function open({ cards, vault }: Opener, messages: readonly Sealed[]): Promise<Map<string, Pan>> {
  const rows = new Batch(cardIdRow);
  messages.forEach(({ cardId }, i) => {
    if (cardId === null) return;
    rows.columns.line.int4(i);
    rows.columns.cardId.uuid(cardId);
  });
  const opened = rows.rows > 0 ? await cards.openCards(rows) : [];
  const pans = new Map(opened.map(({ line, pan }) => [messages[line].key, pan]));
  for (const { key, panSealed } of messages)
    if (panSealed && !pans.has(key))
      pans.set(key, new Pan(vault.open('pan', panSealed, placeOfMessage(key)).toString('latin1')));
  return pans;
}

/** The message as it came, but for what may not be kept. */
export const messageFromRecord = ({ request }: Pick<KeptMessage, 'request'>, pan: Pan): Message =>
  unpack(request).set(2, pan.reveal());

/** The message on its way once more; nobody waits for its answer. */
export function taskFromRecord(kept: KeptMessage, pan: Pan, onAnswer: () => void = () => {}): Task | null {
  const message = messageFromRecord(kept, pan);
  const request = fromMessage(message, kept.receivedAt);
  return isMalformed(request) ? null : new Task({ request, message }, kept.receivedAt.getTime(), onAnswer);
}
