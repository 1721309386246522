import { exampleOf } from '#runtime/http/example-of.ts';
import { problems } from '#services/authorisations/http/problems.ts';
import { DecisionBody } from '#services/authorisations/http/schemas.ts';
import { messageRoutes } from '#services/authorisations/public.ts';
import { code, markdownTable, page } from './markdown.ts';

const endpoints = messageRoutes.map(({ text, http: { path, title, body } }) => ({
  path,
  title,
  text,
  schema: body as FieldSchema,
}));

/** Messages as JSON over HTTP: what can be sent and what comes back, from the schemas that requests are checked by. */
export const httpPage = (): string =>
  page(
    '# Messages over HTTP',
    'For hosts that do not speak ISO 8583: the same operations as JSON, decided by the same rules. `relevo serve` ' +
      'listens on this machine alone unless `--http-host` says otherwise; beyond it, put TLS in front.',
    '```console\n' +
      '$ TOKEN=$(./relevo keys token --cell andina/production)\n' +
      '$ curl -H "Authorization: Bearer $TOKEN" -H \'Content-Type: application/json\' \\\n' +
      '    -d @authorisation.json http://127.0.0.1:8683/v1/authorisations\n' +
      '```',
    jsonBlock(exampleOf(endpoints[0].schema)),
    jsonBlock({
      decision: 'approved',
      response_code: '00',
      response_text: 'Approved',
      approval_code: 'A1B2C3',
      amount_minor: '12550',
      transmitted_at: '2026-11-20T12:00:00Z',
      stan: '000042',
      acquirer: '400001',
      rrn: '632512000042',
    }),
    'A request is known by `transmitted_at`, `stan`, `acquirer` and `rrn`. The same again, to whichever process, gets ' +
      'the same answer and moves nothing: after a time-out, send it again as it was. A decline is an ordinary answer ' +
      'with status 200. In a relayed range the request goes to the earlier processor as ISO 8583, and its answer comes ' +
      'back as JSON.',
    '`GET /openapi.json` is the contract for programs, `GET /healthz` tells whether the process lives, `GET /readyz` ' +
      'whether it can decide. These three need no token.',
    '## Every request',
    tableOf(sharedRows()),
    ...endpoints.flatMap(({ path, title, text, schema }) => [
      `## \`POST ${path}\``,
      `*${title}* ${text}`,
      tableOf(rowsOf(schema).filter(({ name }) => !isShared(name))),
    ]),
    '## The answer',
    markdownTable(
      ['field', 'what', 'always'],
      rowsOf(DecisionBody as FieldSchema).map(({ name, field, isNeeded }) => [
        code(name),
        field.description ?? '',
        isNeeded ? 'yes' : '',
      ]),
    ),
    '## Problems',
    'What is not decided is answered by a problem document (RFC 9457, `application/problem+json`) with `type`, `title`, ' +
      '`status`, `detail`, `code` and, where fields are not as they must be, all of them in `errors` with a `pointer` ' +
      'and a `detail`. No problem ever holds a value of the request. Card verification values, tracks and PINs in the ' +
      'clear are refused by their names.',
    markdownTable(
      ['status', 'code', 'meaning', 'send again?'],
      Object.entries(problems).map(([name, { status, text, retry }]) => [
        status,
        code(name),
        text,
        { never: 'no', same_key: 'as it is', after_change: 'after a change' }[retry],
      ]),
    ),
  );

interface FieldSchema {
  readonly description?: string;
  readonly 'x-must'?: string;
  readonly properties?: Readonly<Record<string, FieldSchema>>;
  readonly required?: readonly string[];
}

interface FieldRow {
  readonly name: string;
  readonly field: FieldSchema;
  readonly isNeeded: boolean;
  /** Said instead of whether it is needed. */
  readonly needed?: string;
}

function rowsOf({ properties = {}, required = [] }: FieldSchema, inside = ''): FieldRow[] {
  return Object.entries(properties).flatMap(([name, field]) => [
    { name: inside + name, field, isNeeded: required.includes(name) },
    ...rowsOf(field, `${inside}${name}.`),
  ]);
}

const isShared = (name: string): boolean =>
  endpoints.every(({ schema }) => name.split('.')[0] in (schema.properties ?? {}));

/** The fields that every request has or may have. */
function sharedRows(): FieldRow[] {
  return rowsOf(endpoints[0].schema)
    .filter(({ name }) => isShared(name))
    .map((row) => {
      if (row.name.includes('.')) return row;
      const without = endpoints.filter(({ schema }) => !schema.required?.includes(row.name));
      const isNeededByMost = without.length < endpoints.length / 2;
      return without.length === 0 || !isNeededByMost
        ? row
        : { ...row, needed: `yes, but for ${without.map(({ path }) => code(path)).join(', ')}` };
    });
}

const tableOf = (rows: readonly FieldRow[]): string =>
  markdownTable(
    ['field', 'what', 'must be', 'needed'],
    rows.map(({ name, field, isNeeded, needed = isNeeded ? 'yes' : '' }) => [
      code(name),
      field.description ?? '',
      field.properties ? '' : (field['x-must'] ?? ''),
      needed,
    ]),
  );

const jsonBlock = (value: unknown): string => `\`\`\`json\n${JSON.stringify(value, null, 2)}\n\`\`\``;
