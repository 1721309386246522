import { mayHoldCardNumber } from './card-number.ts';
import { Message } from './message.ts';

/**
 * Fields that hold card data or what protects it: card number, expiry, tracks, PIN block and its security data, chip
 * data, authentication codes. They are never kept or logged (PCI DSS 3.3.1).
 */
export const SENSITIVE_FIELDS: readonly number[] = [2, 14, 34, 35, 36, 45, 52, 53, 55, 64, 96, 128];

/** Fields whose use differs from network to network: card data may stand in any of them. */
export const PRIVATE_FIELDS: readonly number[] = [
  44, 46, 47, 48, 54, 56, 57, 58, 59, 60, 61, 62, 63, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112,
  113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127,
];

/** Names and places that an acceptor writes freely. A card number in one is a mistake of theirs, and happens. */
export const FREE_TEXT_FIELDS: readonly number[] = [43, 98, 101];

const NEVER_KEPT = new Set([...SENSITIVE_FIELDS, ...PRIVATE_FIELDS]);
const FREE_TEXT = new Set(FREE_TEXT_FIELDS);

/** A copy of a message without anything that may be card data. */
export function keepable(message: Message): Message {
  const kept = new Message(message.mti);
  for (const field of message.fields()) {
    if (NEVER_KEPT.has(field)) continue;
    const value = message.get(field)!;
    if (!FREE_TEXT.has(field) || !mayHoldCardNumber(value)) kept.set(field, value);
  }
  return kept;
}
