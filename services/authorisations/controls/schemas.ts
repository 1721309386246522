import Type, { type Static } from 'typebox';
import { answer, field, STRICT } from '#runtime/http/fields.ts';

const amount = (text: string) =>
  Type.Optional(
    field({
      text: `${text} In minor units of the account's currency.`,
      must: 'a whole number of minor units as text, of up to 12 digits and without leading zeros',
      pattern: '^(0|[1-9][0-9]{0,11})$',
      example: '50000',
    }),
  );

const times = (text: string) =>
  Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 1_000_000,
      examples: [20],
      description: text,
      'x-must': 'a whole number up to 1000000',
    }),
  );

const codes = (must: string, pattern: string, example: string) =>
  Type.Optional(
    Type.Array(Type.String({ pattern, examples: [example], 'x-must': must }), {
      minItems: 1,
      maxItems: 1_000,
      'x-must': `a list of up to 1000, each ${must}`,
    }),
  );

const lists = (text: string, must: string, pattern: string, example: string) =>
  Type.Optional(
    Type.Object(
      { only: codes(must, pattern, example), blocked: codes(must, pattern, example) },
      {
        ...STRICT,
        description: `${text} Allowed is what is on \`only\`, where there is one, and not on \`blocked\`.`,
      },
    ),
  );

const controls = {
  single_minor: amount('The most of one transaction.'),
  daily_minor: amount('The most of a UTC day.'),
  daily_count: times('The most transactions of a UTC day.'),
  monthly_minor: amount('The most of a UTC month.'),
  monthly_count: times('The most transactions of a UTC month.'),
  categories: lists(
    'Merchant categories.',
    'a category of four digits, or a rising range such as 5933-5937',
    '^[0-9]{4}(-[0-9]{4})?$',
    '5411',
  ),
  countries: lists(
    'Countries of the merchant.',
    'a country of ISO 3166-1 as two capital letters',
    '^[A-Z]{2}$',
    'PE',
  ),
};

const EXAMPLE = {
  single_minor: '50000',
  daily_minor: '120000',
  daily_count: 20,
  categories: { blocked: ['7995', '5933-5937'] },
  countries: { only: ['PE', 'CL'] },
};

/** What is absent is not limited. */
export const CardControls = Type.Object(controls, { ...STRICT, title: 'Controls', examples: [EXAMPLE] });
export type CardControls = Static<typeof CardControls>;

export const ReadControls = answer('ControlsOfCard', {
  card_id: Type.String({ description: 'The card.', examples: ['6f9a7c3e-52b1-8d40-9e1f-0a3b5c7d9e21'] }),
  version: Type.Integer({
    description: 'Rises with every change; 0 where none were ever set.',
    examples: [3],
  }),
  controls: Type.Object(controls, { additionalProperties: false, examples: [EXAMPLE] }),
});
export type ReadControls = Static<typeof ReadControls>;
