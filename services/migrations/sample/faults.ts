import { C } from './cards.ts';
import type { Ids } from './ids.ts';
import { invalidFields } from './invalid-fields.ts';
import { O } from './satellites.ts';

/** What a faulty line may be made of: lines of its own, and good lines that stand before it. */
export interface FaultContext {
  readonly ids: Ids;
  /** A number no good line and no other fault has. */
  readonly index: number;
  /** Good fields of a card, hold or token that no other line knows. The hold and token are of that card. */
  ownCard(): string[];
  ownHold(): string[];
  ownToken(): string[];
  /** The last accepted lines before this one, if any. */
  readonly last: {
    readonly card: string[] | null;
    /** The last card with a version above 1. */
    readonly raisedCard: string[] | null;
    readonly hold: string[] | null;
    readonly token: string[] | null;
  };
  /** A card of the full file that this delta does not touch. */
  untouchedCard(): string[] | null;
}

export interface FaultyLine {
  readonly recordType: 'C' | 'O' | 'W' | '?';
  readonly line: string | Buffer;
  /** The fields that the trailer's sums must include although the line is rejected. */
  readonly summed: string[] | null;
}

export interface FaultKind {
  readonly code: string;
  /** The invalid field's name. */
  readonly field?: string;
  /** Null when the file has nothing yet (or nothing at all) that this fault could be made from. */
  make(context: FaultContext): FaultyLine | null;
}

/** Every kind, in the order in which a file goes through them: first one of each code, then the others. */
export function faultKinds(): FaultKind[] {
  const kinds = [...brokenLines, ...invalidFields, ...conflicts];
  const first = new Map<string, FaultKind>();
  for (const kind of kinds) if (!first.has(kind.code)) first.set(kind.code, kind);
  const leaders = new Set(first.values());
  return [...leaders, ...kinds.filter((kind) => !leaders.has(kind))];
}

const card = (fields: string[], { isSummed }: { isSummed: boolean }): FaultyLine => ({
  recordType: 'C',
  line: fields.join(','),
  summed: isSummed ? fields : null,
});
const hold = (fields: string[]): FaultyLine => ({ recordType: 'O', line: fields.join(','), summed: fields });
const token = (fields: string[]): FaultyLine => ({ recordType: 'W', line: fields.join(','), summed: null });

/** Lines without fields: they count as rows, never in the sums. */
const wrongCount = (
  recordType: FaultyLine['recordType'],
  lineOf: (context: FaultContext) => string,
): FaultKind => ({
  code: 'wrong_field_count',
  make: (context) => ({ recordType, line: lineOf(context), summed: null }),
});

/** In Latin-1, `í` and `ñ` are no UTF-8. */
const inLatin1 = ({ line, ...rest }: FaultyLine): FaultyLine => ({
  ...rest,
  line: Buffer.from(line.toString(), 'latin1'),
});

const brokenLines: FaultKind[] = [
  wrongCount('C', ({ ownCard }) => ownCard().slice(0, -1).join(',')),
  wrongCount('C', ({ ownCard }) => [...ownCard(), 'x'].join(',')),
  wrongCount('C', ({ ownCard }) => ownCard().with(C.address_line, '"unclosed').join(',')),
  wrongCount('C', ({ ownCard }) => ownCard().with(C.city, 'Li"ma').join(',')),
  wrongCount('O', ({ ownHold }) => ownHold().slice(0, -1).join(',')),
  wrongCount('W', ({ ownToken }) => [...ownToken(), ''].join(',')),
  wrongCount('?', () => ''),
  wrongCount('?', () => 'Z,what,is,this'),
  {
    code: 'bad_encoding',
    make: ({ ownCard }) =>
      inLatin1(card(ownCard().with(C.address_line, '').with(C.given_names, 'María'), { isSummed: true })),
  },
  { code: 'bad_encoding', make: ({ ownHold }) => inLatin1(hold(ownHold().with(5, 'CAFÉ ÑUSTA'))) },
  { code: 'bad_encoding', make: ({ ownToken }) => inLatin1(token(ownToken().with(4, 'teléfono'))) },
];

const accountFields = [
  C.external_account_id,
  C.account_type,
  C.currency,
  C.posted_minor,
  C.credit_limit_minor,
];

/** A new card that claims the account of the last good one, with some fields of it changed. */
const accountConflict = (change: (account: string[]) => string[] | null): FaultKind => ({
  code: 'account_conflict',
  make: ({ ownCard, last }) => {
    if (last.card === null) return null;
    const claimed = ownCard();
    for (const field of accountFields) claimed[field] = last.card[field];
    const changed = change(claimed);
    return changed && card(changed, { isSummed: false });
  },
});

/** The line of a card with other fields; its account has been summed already. */
const again = (
  fields: string[] | null,
  changes: Partial<Record<keyof typeof C, string>> = {},
): FaultyLine | null => {
  if (fields === null) return null;
  const changed = [...fields];
  for (const [name, value] of Object.entries(changes)) changed[C[name as keyof typeof C]] = value;
  return card(changed, { isSummed: false });
};

const conflicts: FaultKind[] = [
  {
    code: 'bin_not_declared',
    make: ({ ownCard, ids, index }) =>
      card(ownCard().with(C.pan, ids.undeclaredPan(index)), { isSummed: true }),
  },
  { code: 'duplicate_row', make: ({ last }) => again(last.card, { city: 'Tumbes' }) },
  { code: 'duplicate_row', make: ({ last }) => last.hold && hold(last.hold) },
  { code: 'duplicate_row', make: ({ last }) => last.token && token(last.token) },
  accountConflict((fields) => fields.with(C.posted_minor, String(Number(fields[C.posted_minor]) + 1))),
  accountConflict((fields) => fields.with(C.currency, otherCurrency(fields[C.currency]))),
  accountConflict((fields) => {
    const type = fields[C.account_type] === 'debit' ? 'prepaid' : 'debit';
    return fields.with(C.account_type, type).with(C.credit_limit_minor, '0');
  }),
  accountConflict((fields) =>
    fields[C.account_type] === 'credit' ? fields.with(C.credit_limit_minor, '77') : null,
  ),
  {
    code: 'pan_conflict',
    make: ({ ownCard, last }) =>
      last.card && card(ownCard().with(C.pan, last.card[C.pan]), { isSummed: true }),
  },
  {
    code: 'stale_version',
    make: ({ last }) =>
      again(last.raisedCard, {
        version: String(Number(last.raisedCard?.[C.version]) - 1),
        operation: 'upsert',
      }),
  },
  {
    code: 'version_conflict',
    make: ({ ownCard, untouchedCard }) => {
      const changed = untouchedCard();
      if (changed === null) return null;
      const own = ownCard();
      for (const field of accountFields) changed[field] = own[field];
      return card(changed, { isSummed: true });
    },
  },
  ...['status', 'close'].map((operation): FaultKind => ({
    code: 'unknown_card',
    make: ({ ownCard }) => card(ownCard().with(C.operation, operation), { isSummed: true }),
  })),
  { code: 'unknown_card', make: ({ ownHold }) => hold(ownHold()) },
  { code: 'unknown_card', make: ({ ownToken }) => token(ownToken()) },
  {
    code: 'currency_mismatch',
    make: ({ ownHold, last }) =>
      last.card &&
      hold(
        ownHold()
          .with(O.external_card_id, last.card[C.external_card_id])
          .with(O.currency, otherCurrency(last.card[C.currency])),
      ),
  },
];

const otherCurrency = (currency: string): string => (currency === 'PEN' ? 'USD' : 'PEN');
