import type { JsonSchema, RoutedOperation } from '#declare/http.ts';
import { publicOperations } from '#services/public.ts';
import type { Asked } from './ask-gateway.ts';
import type { SealedCell } from './sealed-cell.ts';
import { wordsOfSql } from './words-of-sql.ts';

/** The part of JSON Schema that declared operations are written in. */
export interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly examples?: readonly unknown[];
  readonly minimum?: number;
}

export const operations = publicOperations;

export const operationName = ({ service, operation }: RoutedOperation): string => `${service}.${operation}`;

export const propertiesOf = (schema: JsonSchema | undefined): Readonly<Record<string, Schema>> =>
  (schema as Schema | undefined)?.properties ?? {};

/** Parameters of the path that name something which belongs to a cell. */
export const identifiersOf = ({ http }: RoutedOperation): string[] => Object.keys(propertiesOf(http.params));

/** What a declared thing looks like, by its own examples; what is optional is left out. */
export function exampleOf(schema: Schema): unknown {
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (schema.examples?.length) return schema.examples[0];
  if (schema.anyOf) return exampleOf(schema.anyOf[0]);
  switch (schema.type) {
    case 'object':
      return Object.fromEntries(
        (schema.required ?? []).map((name) => [name, exampleOf(schema.properties![name])]),
      );
    case 'array':
      return schema.items ? [exampleOf(schema.items)] : [];
    case 'integer':
    case 'number':
      return schema.minimum ?? 1;
    case 'boolean':
      return false;
    default:
      return 'x';
  }
}

/** Optional by its schema, but one of several that name what a message is about. */
const ALSO = new Set(['approval_code']);

let drawn = 100_000 + (Date.now() % 400_000);

/** Digits that no message had before, for what makes a message one of its own. */
const nextNumber = (): string => String((drawn = numberAfter(drawn)));

/** Answers tell a message's numbers again, so none may look like a word of the database: 42xxx is a state of its. */
export function numberAfter(before: number): number {
  let number = before + 1;
  while (wordsOfSql(String(number)) !== null) number++;
  return number;
}

export interface Choice {
  /** Whose identifiers and card numbers are named; the cell that is asked, unless somebody else's are tried. */
  readonly of: SealedCell;
  readonly nth?: number;
  /** Values for fields by their names, wherever they stand. */
  readonly with?: Readonly<Record<string, string>>;
  readonly idempotencyKey?: string;
}

/** A request that is in order for an operation, from its declaration alone: what is added later is tried by itself. */
export function requestOf(
  { http }: RoutedOperation,
  { of, nth = 0, with: given = {}, idempotencyKey }: Choice,
): Pick<Asked, 'method' | 'path' | 'body' | 'headers'> {
  const value = (name: string, schema: Schema): unknown => {
    if (name in given) return schema.type === 'array' ? [given[name]] : given[name];
    const known = of.ids[name];
    if (known?.length) return known[nth % known.length];
    if (name === 'card_number' && of.pans.length > 0) return of.pans[nth % of.pans.length];
    if (name === 'stan') return nextNumber().slice(-6).padStart(6, '0');
    if (name === 'rrn') return `6325${nextNumber().padStart(8, '0')}`;
    if (name === 'transmitted_at') return new Date().toISOString().replace(/\.\d+/, '');
    // A message has its type's own words for it; an object is filled field by field.
    if (schema.type === 'object' && schema.properties) return filled(schema);
    return exampleOf(schema);
  };
  const filled = (schema: Schema): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(schema.properties ?? {})
        .filter(
          ([name, property]) =>
            schema.required?.includes(name) || ALSO.has(name) || holdsAny(given, name, property),
        )
        .map(([name, property]) => [name, value(name, property)]),
    );
  const params = filled((http.params ?? {}) as Schema);
  const path = http.path.replaceAll(/:([A-Za-z0-9_]+)/g, (_, name: string) =>
    encodeURIComponent(String(params[name])),
  );
  const query = new URLSearchParams(
    filled((http.query ?? {}) as Schema) as Record<string, string>,
  ).toString();
  return {
    method: http.method,
    path: query ? `${path}?${query}` : path,
    ...(http.body && { body: bodyOf(http.body as Schema, filled) }),
    ...(http.idempotency === 'key' && {
      headers: { 'idempotency-key': idempotencyKey ?? `proof-${nextNumber()}` },
    }),
  };
}

/** Whether a field, or one within it, is among those that are given. */
const holdsAny = (given: object, name: string, { properties = {} }: Schema): boolean =>
  name in given || Object.entries(properties).some(([inside, schema]) => holdsAny(given, inside, schema));

const bodyOf = (schema: Schema, filled: (schema: Schema) => unknown): unknown =>
  schema.properties ? filled(schema) : exampleOf(schema);
