import { panOf } from '#tools/testing/pans.ts';
import { writeFields } from '../portfolio/csv.ts';
import { C } from '../portfolio/fields.ts';
import { type Portfolio, readPortfolio } from '../portfolio/read-portfolio.ts';

export const CREATED_AT = '2026-11-20T06:00:00Z';
export const CREATED_MS = Date.parse(CREATED_AT);

/** A card of its name, `a` on `acct-a`, good for two years, with 1,000.00 PEN on a debit account. */
export interface TestCard {
  readonly name: string;
  readonly account?: string;
  readonly fields?: Partial<Record<keyof typeof C, string>>;
}

export interface TestHold {
  readonly card: string;
  readonly amountMinor: number;
  readonly approvalCode?: string;
  readonly stan?: string;
  readonly rrn?: string;
  readonly expiresAt?: string;
}

const LIKE =
  'C,,1,upsert,,2811,00,201,active,,physical,classic,2019-09-26,,,,,,debit,PEN,100000,0,,,,Ana,Quispe,dni,1,1992-10-21,,,,,PE,';

export function cardFields({ name, account = name, fields = {} }: TestCard): string[] {
  const line = LIKE.split(',');
  line[C.external_card_id] = `card-${name}`;
  line[C.pan] = panOf(name);
  line[C.external_account_id] = `acct-${account}`;
  line[24] = `holder-${account}`;
  for (const [field, value] of Object.entries(fields)) line[C[field as keyof typeof C]] = value;
  return line;
}

const holdFields = (hold: TestHold, i: number): string[] => {
  const { card, amountMinor, approvalCode = `IMP00${i}`, stan = `90000${i}`, rrn = `00000000900${i}` } = hold;
  const { expiresAt = '2026-11-27T05:00:00Z' } = hold;
  const times = ['2026-11-20T05:00:00Z', expiresAt];
  return [
    'O',
    `hold-${i}`,
    `card-${card}`,
    String(amountMinor),
    'PEN',
    'BODEGA',
    '5411',
    approvalCode,
    stan,
    rrn,
    ...times,
  ];
};

/** A full file of these cards and holds, read as from its plain text. */
export function portfolioOf(cards: readonly TestCard[], holds: readonly TestHold[] = []): Promise<Portfolio> {
  const lines = [
    `H,1,full-1,andina,demo,full,1,old-processor,${CREATED_AT},45091700`,
    ...cards.map((card) => writeFields(cardFields(card))),
    ...holds.map((hold, i) => writeFields(holdFields(hold, i))),
    `T,${cards.length},${holds.length},0,,`,
  ];
  return readPortfolio([Buffer.from(lines.join('\n'))]);
}
