import {
  AMOUNT_NAMES,
  type AmountName,
  type Controls,
  isEmpty,
  LIST_NAMES,
  type ListName,
} from './controls.ts';

const AMOUNT_WORDS: Readonly<Record<AmountName, string>> = {
  singleMinor: 'a transaction',
  dailyMinor: 'a day',
  dailyCount: 'transactions a day',
  monthlyMinor: 'a month',
  monthlyCount: 'transactions a month',
};

const LIST_WORDS: Readonly<Record<ListName, string>> = { categories: 'categories', countries: 'countries' };

const grouping = new Intl.NumberFormat('en');

/** Controls as one line for people: `5,000 a transaction, 10 transactions a day, no categories 7995`. */
export function controlsWords(controls: Controls): string {
  if (isEmpty(controls)) return 'no limit';
  const amounts = AMOUNT_NAMES.filter((name) => controls[name] !== undefined).map(
    (name) => `${grouping.format(controls[name] ?? 0)} ${AMOUNT_WORDS[name]}`,
  );
  const lists = LIST_NAMES.flatMap((name) => {
    const { only, blocked } = controls[name] ?? {};
    return [
      ...(only ? [`only ${LIST_WORDS[name]} ${only.join(' or ')}`] : []),
      ...(blocked ? [`no ${LIST_WORDS[name]} ${blocked.join(' or ')}`] : []),
    ];
  });
  return [...amounts, ...lists].join(', ');
}
