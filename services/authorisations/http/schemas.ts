import Type, { type Static } from 'typebox';
import { field, oneOf, STRICT } from '#runtime/http/fields.ts';

const AMOUNT = '^(0|[1-9][0-9]{0,11})$';
const AMOUNT_MUST = 'a whole number of minor units as text, of up to 12 digits and without leading zeros';
const TIME = {
  pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$',
  format: 'utc-second',
  must: 'a time in UTC to the second, like 2026-11-20T12:00:00Z',
  example: '2026-11-20T12:00:00Z',
};
const STAN = { must: '6 digits', pattern: '^[0-9]{6}$', example: '000042' };
const ACQUIRER = { must: '1 to 11 digits', pattern: '^[0-9]{1,11}$', example: '400001' };
/** What latin1 can write: the earlier processor gets it in ISO 8583. */
const printable = (max: number) => ({
  must: `1 to ${max} printable characters of ISO 8859-1`,
  pattern: `^[ -~\\u00A0-\\u00FF]{1,${max}}$`,
});
const ascii = (max: number) => ({
  must: `1 to ${max} printable ASCII characters`,
  pattern: `^[ -~]{1,${max}}$`,
});

const merchant = Type.Object(
  {
    mcc: field({
      text: 'The merchant category, ISO 18245.',
      must: '4 digits',
      pattern: '^[0-9]{4}$',
      example: '5411',
    }),
    name: field({ text: 'The name, for statements.', ...printable(23), example: 'BODEGA EL SOL' }),
    town: Type.Optional(field({ text: 'Where it stands.', ...printable(13), example: 'LIMA' })),
    country: field({
      text: 'The country, ISO 3166-1.',
      must: 'a country of ISO 3166-1 as two capital letters',
      pattern: '^[A-Z]{2}$',
      format: 'country',
      example: 'PE',
    }),
    id: field({ text: 'The card acceptor, field 42.', ...ascii(15), example: 'MERCHANT0000001' }),
    terminal: field({ text: 'The terminal, field 41.', ...ascii(8), example: 'TERM0001' }),
  },
  { ...STRICT, description: 'Who takes the card.' },
);

/** A request and its repeat agree in the first four; with other content in the rest they are refused. */
const identity = {
  transmitted_at: field({ text: 'When the request was made; a repeat keeps it.', ...TIME }),
  stan: field({ text: 'The system trace audit number.', ...STAN }),
  acquirer: field({ text: 'The acquiring institution.', ...ACQUIRER }),
  rrn: field({
    text: 'The retrieval reference number: one for a purchase and all that is told about it.',
    must: '12 letters or digits',
    pattern: '^[0-9A-Za-z]{12}$',
    example: '632512000042',
  }),
};

const purchase = {
  ...identity,
  card_number: field({
    text: 'The card number. It is kept sealed and never shown.',
    must: '13 to 19 digits',
    pattern: '^[0-9]{13,19}$',
    example: '4509170000000009',
  }),
  expiry: Type.Optional(
    field({
      text: 'The expiry on the card; another one than it has is declined.',
      must: 'YYMM with a month from 01 to 12',
      pattern: '^[0-9]{2}(0[1-9]|1[0-2])$',
      example: '2812',
    }),
  ),
  processing_type: oneOf('What the cardholder does.', 'purchase, cash or refund', [
    'purchase',
    'cash',
    'refund',
  ]),
  amount_minor: field({
    text: 'The amount in minor units.',
    must: AMOUNT_MUST,
    pattern: AMOUNT,
    example: '12550',
  }),
  currency: field({
    text: "The amount's currency, ISO 4217.",
    must: 'a currency of ISO 4217 as three capital letters',
    pattern: '^[A-Z]{3}$',
    format: 'currency',
    example: 'PEN',
  }),
};

const place = {
  local_time: Type.Optional(
    field({
      text: 'The time at the terminal. It is passed on and decides nothing.',
      must: 'a time without zone, like 2026-11-20T07:00:00',
      pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$',
      format: 'local-second',
      example: '2026-11-20T07:00:00',
    }),
  ),
  entry_mode: Type.Optional(
    field({
      text: 'How the card was read, as field 22. It is passed on and decides nothing.',
      must: '3 digits',
      pattern: '^[0-9]{3}$',
      example: '051',
    }),
  ),
};

const chip = {
  chip_data: Type.Optional(
    field({
      text: "The chip's data. It goes to the security module and is never kept.",
      must: 'hexadecimal, 2 to 998 characters in pairs',
      pattern: '^([0-9A-Fa-f]{2}){1,499}$',
      example: '9F2608A1B2C3D4E5F60718',
    }),
  ),
  card_sequence: Type.Optional(
    field({
      text: 'Which of the cards of this number, as the chip says.',
      must: '3 digits',
      pattern: '^[0-9]{3}$',
      example: '001',
    }),
  ),
};

const pin = {
  pin_block: Type.Optional(
    field({
      text: 'The enciphered PIN. It goes to the security module and is never kept.',
      must: '16 hexadecimal digits',
      pattern: '^[0-9A-Fa-f]{16}$',
      example: '0123456789ABCDEF',
    }),
  ),
  pin_control: Type.Optional(
    field({
      text: 'How and under which key the PIN is enciphered, as field 53.',
      must: '16 digits',
      pattern: '^[0-9]{16}$',
      example: '2001010100000000',
    }),
  ),
};

const approvalCode = (text: string) =>
  Type.Optional(
    field({
      text,
      must: '1 to 6 printable ASCII characters without spaces',
      pattern: '^[!-~]{1,6}$',
      example: 'A1B2C3',
    }),
  );

const original = Type.Optional(
  Type.Object(
    {
      kind: oneOf(
        'What it was sent as.',
        'authorisation, authorisation_advice, financial or financial_advice',
        ['authorisation', 'authorisation_advice', 'financial', 'financial_advice'],
      ),
      transmitted_at: field({ text: 'When it was made.', ...TIME }),
      stan: field({ text: 'Its system trace audit number.', ...STAN }),
      acquirer: Type.Optional(field({ text: 'Its acquirer, where it is another one.', ...ACQUIRER })),
    },
    { ...STRICT, description: 'The request that this one is about. Both have the same `rrn`.' },
  ),
);

export const AuthorisationBody = Type.Object(
  { ...purchase, merchant, ...place, ...pin, ...chip },
  { ...STRICT, title: 'Authorisation' },
);

export const FinancialBody = Type.Object(
  {
    ...purchase,
    merchant,
    ...place,
    ...pin,
    ...chip,
    approval_code: approvalCode('The approval that this clears, where there was one.'),
  },
  { ...STRICT, title: 'Financial' },
);

export const AdviceBody = Type.Object(
  {
    kind: oneOf(
      'What has happened: money was reserved, or it was moved (a clearing, or a sale without approval).',
      'authorisation or posting',
      ['authorisation', 'posting'],
    ),
    ...purchase,
    merchant,
    ...place,
    ...chip,
    approval_code: approvalCode('Under which code it was approved. A posting clears the hold of this code.'),
    response_code: Type.Optional(
      field({
        text: 'What was answered where it was decided, as field 39; approved where it is left out.',
        must: '2 letters or digits',
        pattern: '^[0-9A-Z]{2}$',
        example: '00',
      }),
    ),
    original,
  },
  { ...STRICT, title: 'Advice' },
);

export const ReversalBody = Type.Object(
  {
    ...purchase,
    merchant: Type.Optional(merchant),
    ...place,
    advice: Type.Optional(
      Type.Boolean({
        description: 'It has taken effect already: an earlier processor gets an 0420 and not an 0400.',
        'x-must': 'true or false',
      }),
    ),
    original,
    approval_code: approvalCode('The code of what is reversed; without `original` it names it.'),
    replacement_minor: Type.Optional(
      field({
        text: 'Of a partial reversal: what stays of the amount.',
        must: AMOUNT_MUST,
        pattern: AMOUNT,
        example: '5000',
      }),
    ),
  },
  { ...STRICT, title: 'Reversal' },
);

type Authorisation = Static<typeof AuthorisationBody>;
type Reversal = Static<typeof ReversalBody>;

/** What every body has or may have. */
export type MessageBody = Omit<Authorisation, 'merchant'> &
  Partial<
    Pick<Authorisation, 'merchant'> &
      Pick<Static<typeof AdviceBody>, 'response_code'> &
      Pick<Reversal, 'original' | 'approval_code' | 'replacement_minor'>
  >;

export const DecisionBody = Type.Object(
  {
    decision: Type.Enum(['approved', 'declined'], {
      type: 'string',
      description: 'A decline is an ordinary answer.',
    }),
    response_code: Type.String({ description: 'Field 39.', examples: ['00', '51'] }),
    response_text: Type.String({ description: 'What the code means.', examples: ['Approved'] }),
    reason: Type.Optional(
      Type.String({
        description: 'Why it was declined, where it was decided here.',
        examples: ['insufficient_funds'],
      }),
    ),
    approval_code: Type.Optional(
      Type.String({
        description: 'By it reversals and postings name what was approved.',
        examples: ['A1B2C3'],
      }),
    ),
    amount_minor: Type.Optional(
      Type.String({
        description: 'What was approved: less than was asked for where the code is 10.',
        examples: ['12550'],
      }),
    ),
    transmitted_at: Type.String({
      description: 'As it came, like the next three.',
      examples: ['2026-11-20T12:00:00Z'],
    }),
    stan: Type.String({ examples: [STAN.example] }),
    acquirer: Type.String({ examples: [ACQUIRER.example] }),
    rrn: Type.String({ examples: ['632512000042'] }),
  },
  {
    title: 'Decision',
    additionalProperties: false,
    description: 'The same request again gets the same answer.',
  },
);

export type DecisionBody = Static<typeof DecisionBody>;
