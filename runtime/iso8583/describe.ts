import { mayHoldCardNumber } from './card-number.ts';
import { amountBlocks, meaningOf } from './field-meanings.ts';
import { iso87ascii } from './iso87ascii.ts';
import type { Message } from './message.ts';
import { FREE_TEXT_FIELDS, PRIVATE_FIELDS, SENSITIVE_FIELDS } from './sensitive.ts';

/** One field as a person reads it; card data is masked. */
export interface DescribedField {
  readonly field: number;
  readonly name: string;
  readonly value: string;
  /** What the value says, where that is not plain. */
  readonly meaning: string;
}

/** A message field by field, without a card number, track, PIN block or chip data in it. */
export function describe(message: Message): DescribedField[] {
  return message.fields().map((field) => {
    const value = message.get(field)!;
    const isHidden = mustHide(field, value);
    return {
      field,
      name: iso87ascii[field]?.name ?? 'unknown',
      value: isHidden ? hidden(field, value) : printable(value),
      meaning: isHidden ? '' : meaningOf(field, message),
    };
  });
}

const CARD_NUMBER = 2;
const ADDITIONAL_AMOUNTS = 54;
const EXPIRY = 14; // it is shown beside a masked card number, and never kept
const CARD_NUMBER_LENGTH_MIN = 12;
const HIDDEN = new Set(SENSITIVE_FIELDS.filter((field) => field !== EXPIRY));
const MAY_HOLD_CARD_NUMBERS = new Set([...PRIVATE_FIELDS, ...FREE_TEXT_FIELDS]);

function mustHide(field: number, value: string): boolean {
  if (HIDDEN.has(field)) return true;
  if (!MAY_HOLD_CARD_NUMBERS.has(field)) return false;
  // Two amounts side by side make rows of digits that say nothing.
  const parts = (field === ADDITIONAL_AMOUNTS && amountBlocks(value)) || [value];
  return parts.some(mayHoldCardNumber);
}

function hidden(field: number, value: string): string {
  if (field === CARD_NUMBER && value.length >= CARD_NUMBER_LENGTH_MIN)
    return `${value.slice(0, 6)}******${value.slice(-4)}`;
  return `(hidden, ${value.length} characters)`;
}

/** Control characters would move the cursor of whoever looks at the value. */
const printable = (value: string): string =>
  value.replace(
    /\p{Cc}/gu,
    (control) => `\\x${control.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
