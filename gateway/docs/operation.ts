import type { ProblemTable } from '#declare/errors.ts';
import type { JsonSchema, PublicRoute } from '#declare/http.ts';
import { exampleOf } from '#runtime/http/example-of.ts';
import { operationId } from '#runtime/http/openapi.ts';
import { commonProblems } from '#runtime/http/problems.ts';
import { problemsOf } from '../openapi.ts';
import type { RoutedOperation } from '../routing-table.ts';
import { code, english, json, table, text } from './markup.ts';
import { type Language, type Words, words } from './words.ts';

interface Field {
  readonly description?: string;
  readonly 'x-must'?: string;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Field[];
  readonly items?: Field;
  readonly properties?: Readonly<Record<string, Field>>;
  readonly required?: readonly string[];
}

interface Row {
  readonly name: string;
  readonly field: Field;
  readonly isNeeded: boolean;
}

const TOKEN = '$TOKEN';

/** Deeper ones are in the document. */
const DEPTH_MAX = 4;

function rowsOf(schema: Field | undefined, inside = '', depth = 0): Row[] {
  const { properties = {}, required = [] } = schema ?? {};
  return Object.entries(properties).flatMap(([name, field]) => [
    { name: inside + name, field, isNeeded: required.includes(name) },
    ...(depth < DEPTH_MAX ? rowsOf(field, `${inside}${name}.`, depth + 1) : []),
    ...(depth < DEPTH_MAX && field.items ? rowsOf(field.items, `${inside}${name}[].`, depth + 1) : []),
  ]);
}

const typeOf = ({ type, anyOf, enum: values }: Field): string =>
  values?.join(' | ') ?? anyOf?.map(typeOf).join(' | ') ?? type ?? '';

function fieldTable(label: string, schema: JsonSchema | undefined, language: Language): string {
  const told = words[language];
  return table(
    label,
    [told.field, told.needed, told.meaning],
    rowsOf(schema as Field | undefined).map(({ name, field, isNeeded }) => [
      `<code>${text(name)}</code>`,
      isNeeded ? told.yes : told.no,
      english(language, [field.description, mustOf(field)].filter(Boolean).join(' ')),
    ]),
  );
}

const mustOf = ({ properties, 'x-must': must }: Field): string =>
  properties || !must ? '' : `${must[0].toUpperCase()}${must.slice(1)}.`;

function answerTable(label: string, schema: JsonSchema, language: Language): string {
  const told = words[language];
  return table(
    label,
    [told.field, told.type, told.meaning],
    rowsOf(schema as Field).map(({ name, field }) => [
      `<code>${text(name)}</code>`,
      `<span lang="en">${text(typeOf(field))}</span>`,
      english(language, field.description ?? ''),
    ]),
  );
}

const section = (title: string, content: string): string =>
  content === '' ? '' : `<h4>${title}</h4>\n${content}`;

function repeats({ idempotency }: PublicRoute, { byKey, byContent, harmless }: Words): string {
  return idempotency === 'key' ? byKey : idempotency === 'content' ? byContent : harmless;
}

/** What a reader can copy: it works once the token is there. */
function requestOf({ method, path, params, body, idempotency }: PublicRoute, origin: string): string {
  const of = exampleOf(params ?? { type: 'object' }) as Readonly<Record<string, unknown>>;
  const target = path.replaceAll(/:(\w+)/g, (_, name: string) =>
    encodeURIComponent(String(of[name] ?? name)),
  );
  const options = [
    ...(method === 'GET' ? [] : [`-X ${method}`]),
    `-H "Authorization: Bearer ${TOKEN}"`,
    ...(idempotency === 'key' ? ['-H "Idempotency-Key: $(uuidgen)"'] : []),
    ...(body
      ? [
          "-H 'Content-Type: application/json'",
          `-d '${JSON.stringify(exampleBody(body), null, 2).replaceAll("'", "'\\''")}'`,
        ]
      : []),
  ];
  return [`curl ${origin}${target}`, ...options].join(' \\\n  ');
}

/** Of a body that needs nothing, an empty example would say nothing. */
function exampleBody(body: JsonSchema): unknown {
  const needed = exampleOf(body) as object;
  return Object.keys(needed).length > 0 ? needed : exampleOf(body, { isWhole: true });
}

export function problemTable(label: string, problems: ProblemTable, language: Language): string {
  const told = words[language];
  return table(
    label,
    [told.code, told.status, told.again, told.whatToDo],
    Object.entries(problems).map(([name, { status, retry, text: what }]) => [
      `<code>${text(name)}</code>`,
      String(status),
      { never: told.never, same_key: told.sameKey, after_change: told.afterChange }[retry],
      english(language, what),
    ]),
  );
}

/** What of its problems is not told of all requests alike. */
function ownProblems(routed: RoutedOperation, everywhere: ProblemTable): ProblemTable {
  return Object.fromEntries(
    Object.entries(problemsOf(routed)).filter(([name]) => !Object.hasOwn(everywhere, name)),
  );
}

export interface OperationTerms {
  readonly language: Language;
  readonly origin: string;
  /** Problems that any operation can answer. */
  readonly everywhere: ProblemTable;
}

export function operationSection(routed: RoutedOperation, terms: OperationTerms): string {
  const { http } = routed;
  const { language, origin, everywhere } = terms;
  const told = words[language];
  const id = text(operationId(routed));
  return `<section class="operation" aria-labelledby="${id}">
<h3 id="${id}">${english(language, http.title)}</h3>
<p class="route"><code translate="no"><b>${http.method}</b>${text(http.path)}</code></p>
<p>${english(language, routed.text)}</p>
<p class="quiet">${told.needs} <code>${text(http.scope)}</code>. ${repeats(http, told)}</p>
${section(told.params, fieldTable(told.params, http.params, language))}
${section(told.query, fieldTable(told.query, http.query, language))}
${section(told.request, code(requestOf(http, origin), `${told.request}: ${http.title}`))}
${section(told.reply, json(exampleOf(http.reply, { isWhole: true }), `${told.reply}: ${http.title}`))}
${fold(told.body, http.body && fieldTable(told.body, http.body, language))}
${fold(told.answerFields, answerTable(told.answerFields, http.reply, language))}
${fold(told.ownProblems, problemTable(told.ownProblems, ownProblems(routed, everywhere), language))}
</section>`;
}

const fold = (title: string, content: string | undefined): string =>
  content ? `<details><summary>${title}</summary>\n${content}</details>` : '';

/** How a problem document looks, by one that people meet. */
export const problemExample = {
  type: 'urn:relevo:problem:invalid_request',
  title: commonProblems.invalid_request.title,
  status: commonProblems.invalid_request.status,
  detail: 'One field is not as it must be: #/amount_minor is missing.',
  code: 'invalid_request',
  errors: [{ pointer: '#/amount_minor', detail: 'is missing' }],
};
