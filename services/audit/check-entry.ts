import { Refusal } from '#runtime/refusal.ts';
import { mayHoldCardNumber } from './card-number.ts';
import type { Details, NewEntry } from './service.ts';

const DETAILS_LENGTH_MAX = 4_000;
const ACTION_LENGTH_MAX = 64;
const ACTION = /^[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+$/;
const DETAIL_NAME = /^[a-z][a-z0-9_]{0,39}$/;
/** No control character, nothing unseen, no half of a character. */
const line = (max: number) => new RegExp(`^[^\\p{C}]{1,${max}}$`, 'u');
const ACTOR = line(100);
const NAME = line(200);

/** Refuses an entry that breaks a rule. A message never says what the value was: it may be a card number. */
export function checkEntry({ actor, action, subject, details = {}, once }: NewEntry): void {
  const rules: readonly (readonly [field: string, holds: boolean, rule: string])[] = [
    ['actor', ACTOR.test(actor), 'must be 1 to 100 characters of one line'],
    ['action', action.length <= ACTION_LENGTH_MAX && ACTION.test(action), 'must read like keys.rotated'],
    ['subject', NAME.test(subject), 'must be 1 to 200 characters of one line'],
    ['details', areDetails(details), 'must be short texts and numbers under names like chunk_lines'],
    ['once', once === undefined || NAME.test(once), 'must be 1 to 200 characters of one line'],
  ];
  const broken = rules.find(([, holds]) => !holds);
  if (broken)
    throw new Refusal('bad_entry', `The ${broken[0]} of an entry of the audit trail ${broken[2]}.`, {
      advice: 'This is a defect of whoever wrote the entry; nothing was written.',
    });
  const told = Object.entries(details).map(([name, value]) => `${name}:${value}`);
  if ([actor, action, subject, once ?? '', ...told].some(mayHoldCardNumber))
    throw new Refusal(
      'card_data_in_entry',
      'An entry of the audit trail holds what may be a card number; nothing was written.',
      { advice: 'Name cards by their ids, and leave long numbers of others out.' },
    );
}

const areDetails = (details: Details): boolean =>
  Object.entries<unknown>(details).every(
    ([name, value]) =>
      DETAIL_NAME.test(name) && (typeof value === 'string' ? value.isWellFormed() : Number.isFinite(value)),
  ) && detailsText(details).length <= DETAILS_LENGTH_MAX;

/** Details as they are stored and coded: JSON with its names in order, so that equal details are equal bytes. */
export const detailsText = (details: Details): string =>
  JSON.stringify(Object.fromEntries(Object.entries(details).sort(([a], [b]) => (a < b ? -1 : 1))));
