/** What of a JSON Schema an example is made by. */
interface Exemplified {
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly examples?: readonly unknown[];
  readonly type?: string;
  readonly minimum?: number;
  readonly anyOf?: readonly Exemplified[];
  readonly items?: Exemplified;
  readonly properties?: Readonly<Record<string, Exemplified>>;
  readonly required?: readonly string[];
}

export interface ExampleTerms {
  /** With the fields that may be left out, as an answer has them; else with those that are needed alone. */
  readonly isWhole?: boolean;
}

/** A value that a schema passes, from the examples that stand in it. */
export function exampleOf(schema: object, terms: ExampleTerms = {}): unknown {
  const {
    const: only,
    enum: words,
    examples,
    anyOf,
    items,
    properties,
    type,
    ...rest
  } = schema as Exemplified;
  if (examples !== undefined) return examples[0];
  if (only !== undefined) return only;
  if (words !== undefined) return words[0];
  if (anyOf !== undefined) return exampleOf(anyOf[0], terms);
  if (items !== undefined) return [exampleOf(items, terms)];
  if (properties !== undefined) return objectOf(properties, rest.required ?? [], terms);
  return (
    { object: {}, array: [], boolean: false, integer: rest.minimum ?? 1, number: 1, null: null }[
      type ?? 'null'
    ] ?? 'text'
  );
}

const objectOf = (
  properties: NonNullable<Exemplified['properties']>,
  required: readonly string[],
  terms: ExampleTerms,
): object =>
  Object.fromEntries(
    Object.entries(properties)
      .filter(([name]) => terms.isWhole || required.includes(name))
      .map(([name, field]) => [name, exampleOf(field, terms)]),
  );
