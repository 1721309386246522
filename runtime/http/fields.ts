import Type, { type TProperties } from 'typebox';

/**
 * What clients send and get as JSON, as data: the validator, the OpenAPI document and the reference are read from it.
 * `x-must` completes the sentence "It must be …", which is all that is told of a value that breaks its rule.
 */
export interface FieldRule {
  readonly text: string;
  readonly must: string;
  readonly pattern: string;
  readonly format?: string;
  readonly example: string;
}

export const field = ({ text, must, example, ...rule }: FieldRule) =>
  Type.String({ ...rule, description: text, examples: [example], 'x-must': must });

export const oneOf = <const Words extends string[]>(text: string, must: string, words: readonly [...Words]) =>
  Type.Enum(words, { type: 'string', description: text, 'x-must': must });

/** An object of which everything is declared. */
export const STRICT = { additionalProperties: false, 'x-must': 'an object' } as const;

/** An id as this cell gave it. */
export const idField = (text: string) =>
  field({
    text,
    must: 'an id as it was answered, 32 hexadecimal digits in groups',
    pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
    example: '6f9a7c3e-52b1-8d40-9e1f-0a3b5c7d9e21',
  });

const PAGE_MAX = 200;

/** Which part of a long list is asked for. */
export const pageQuery = Type.Object(
  {
    after: Type.Optional(idField('Where the page before ended: its `next`.')),
    limit: Type.Optional(
      field({
        text: `How many, up to ${PAGE_MAX}; 50 where it is left out.`,
        must: `a whole number from 1 to ${PAGE_MAX}`,
        pattern: '^([1-9][0-9]?|1[0-9][0-9]|200)$',
        example: '50',
      }),
    ),
  },
  STRICT,
);

/** An object that is answered. */
export const answer = <P extends TProperties>(title: string, properties: P) =>
  Type.Object(properties, { title, additionalProperties: false });

export const minor = (text: string, example = '12550') =>
  Type.String({ description: `${text} Minor units.`, examples: [example] });
