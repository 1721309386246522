import { createHash } from 'node:crypto';
import type { Attempts } from '../attempts.ts';
import type { Answer } from '../ask-gateway.ts';
import { inTurns } from '../in-turns.ts';
import { operationName, operations, requestOf, type Schema } from '../operation-request.ts';
import { answersOwnCell } from '../own-answer.ts';
import { endOf } from '../../lab/command.ts';
import type { SealedCell } from '../sealed-cell.ts';
import type { Stage } from '../stage.ts';
import { wordsOfSql } from '../words-of-sql.ts';

/** What closes a string, a statement, a comment or a placeholder somewhere, and what confuses whoever counts characters. */
export const PAYLOADS: readonly string[] = [
  `'; drop schema cards cascade; --`,
  `' or '1'='1`,
  `' union select rolpassword from pg_authid --`,
  `"; drop schema cards cascade; --`,
  '$1',
  '$$; drop schema cards cascade; $$',
  '\\x00',
  'a\u0000b',
  '\u2019; drop schema cards cascade; --',
  'ʼ or ʼ1ʼ=ʼ1',
  '%27%20or%201=1',
  '{}',
  '{"$gt":""}',
  '*/ drop schema cards cascade; /*',
  `\\'; drop schema cards cascade; --`,
  `1); drop schema cards cascade; --`,
  `x'::regclass::text`,
];

/** Statements in every text that is taken: of public operations, and of options and arguments of commands. */
export async function tryInjection(
  stage: Stage,
  attempts: Attempts,
  { isShort }: { isShort: boolean },
): Promise<void> {
  const cells = isShort ? stage.populated.slice(0, 1) : stage.populated.slice(0, 2);
  for (const cell of cells) {
    const before = await fingerprint(stage, cell);
    await tryFields(stage, cell, attempts);
    await tryCommands(stage, cell, attempts, isShort);
    const after = await fingerprint(stage, cell);
    attempts.compared(
      'SQL in a text field',
      `the tables of ${cell.text} afterwards`,
      before === after,
      'unchanged',
      'they differ',
    );
  }
}

/** Names, in the way in which requests have them, of every text that an operation takes, nested and listed ones too. */
export function textsOf(schema: Schema | undefined): string[] {
  if (!schema) return [];
  if (schema.type === 'array') return textsOf(schema.items);
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const inside = textsOf(property);
    return inside.length > 0 ? inside : [name];
  });
}

async function tryFields(stage: Stage, cell: SealedCell, attempts: Attempts): Promise<void> {
  const kind = 'SQL in a text field';
  const { ask } = stage.platform!;
  const tried = operations.flatMap((operation) => {
    const { params, query, body } = operation.http;
    const names = new Set([params, query, body].flatMap((schema) => textsOf(schema as Schema | undefined)));
    return [...names].flatMap((name) => PAYLOADS.map((payload) => [operation, name, payload] as const));
  });
  await inTurns(tried, async ([operation, name, payload]) => {
    const request = requestOf(operation, { of: cell, with: { [name]: payload } });
    const sent = `${decodeURIComponent(request.path.replaceAll('+', ' '))} ${JSON.stringify(request.body)}`;
    if (![payload, JSON.stringify(payload).slice(1, -1)].some((text) => sent.includes(text)))
      throw new Error(`${operationName(operation)}.${name} is not sent: nothing would be proven`);
    const answer = await ask.ask({
      ...request,
      host: cell.host,
      token: cell.client.token,
    });
    judge(`${operationName(operation)}.${name} = ${JSON.stringify(payload)}`, answer);
  });
  for (const operation of operations.filter(({ http }) => http.idempotency === 'key'))
    for (const payload of PAYLOADS.filter((text) => /^[\x20-\x7e]+$/.test(text)))
      judge(
        `Idempotency-Key of ${operationName(operation)} = ${payload}`,
        await ask.ask({
          ...requestOf(operation, { of: cell, idempotencyKey: payload }),
          host: cell.host,
          token: cell.client.token,
        }),
      );
  for (const payload of PAYLOADS) {
    judge(
      `client id of a token request = ${JSON.stringify(payload)}`,
      await ask.token(cell.host, {
        clientId: encodeURIComponent(payload),
        secret: encodeURIComponent(payload),
      }),
    );
  }
  const own = await ask.ask({ host: cell.host, method: 'GET', path: '/v1/cards', token: cell.client.token });
  attempts.allowed(kind, `a reading of ${cell.text} beside them`, own.status === 200, String(own.status));

  function judge(what: string, answer: Answer): void {
    const words = wordsOfSql(answer.text);
    const isFine =
      answer.status >= 500
        ? { fault: `${answer.status} ${answer.code}` }
        : words !== null
          ? { got: `words of the database: ${words}` }
          : answersOwnCell(answer, cell, stage.cells)
            ? {
                guard:
                  answer.status < 300
                    ? 'taken as a text'
                    : `${answer.reachedCell ? 'cell' : 'gateway'}: ${answer.code}`,
              }
            : { got: answer.text.slice(0, 120) };
    attempts.tried(kind, `${what} at ${cell.text}`, isFine, ['taken as a text', 'cell: ', 'gateway: ']);
  }
}

/** Commands whose words come to SQL. One word has everything in it, as each command starts a process. */
async function tryCommands(
  stage: Stage,
  cell: SealedCell,
  attempts: Attempts,
  isShort: boolean,
): Promise<void> {
  const kind = 'SQL in a word of a command';
  const word = `'; drop schema cards cascade; -- $1 \\x00 ” "{}" /* `;
  const at = ['--cell', cell.text];
  const commands: readonly (readonly string[])[] = [
    ['client', 'revoke', word, ...at],
    ['client', 'renew', word, ...at],
    ['client', 'add', '--name', word, '--scopes', 'cards:read', ...at],
    ['client', 'add', '--name', 'Fine', '--scopes', word, ...at],
    ['keys', 'remove', word, ...at],
    ['audit', 'list', '--action', word, ...at],
    ['controls', 'list', '--card', word, ...at],
    ['controls', 'set', '--product', word, '--single', '100', ...at],
    ['range', 'set', '--range', word, '--mode', 'own', ...at],
    ['range', 'set', '--range', '424242', '--processor', word, ...at],
    ['authorisations', 'tail', '--range', word, ...at],
    ['migrate', 'status', word],
    ['migrate', 'failures', word, '--code', word],
    ['tenant', 'show', word],
    ['tenant', 'add', word],
    ['audit', 'list', '--cell', word],
  ];
  await inTurns(
    isShort ? commands.filter((_, at) => at % 4 === 0) : commands,
    async (command) => {
      const ended = await endOf(stage.lab.start([...command, '--json']), 60_000);
      // The word itself may be repeated to whoever wrote it; anything else in the database’s words may not.
      const said = `${ended?.stdout ?? ''}${ended?.stderr ?? ''}`.replaceAll(
        /drop schema cards cascade/g,
        '',
      );
      const isRefused = ended !== null && [0, 2].includes(ended.code ?? -1);
      const code = /"code":\s*"([a-z_]+)"/.exec(said)?.[1];
      attempts.tried(
        kind,
        `${command
          .filter((part) => !at.includes(part))
          .join(' ')
          .slice(0, 90)} in ${cell.text}`,
        /syntax error|at character|unterminated/i.test(said)
          ? { got: said.slice(0, 160) }
          : isRefused
            ? { guard: code ?? 'taken as a text' }
            : { fault: `exit status ${ended?.code}: ${said.slice(0, 160)}` },
        [code ?? 'taken as a text'],
      );
    },
    2,
  );
  const ended = await endOf(stage.lab.start(['client', 'list', ...at, '--json']), 60_000);
  attempts.allowed(kind, `client list of ${cell.text}`, ended?.code === 0, String(ended?.code));
}

/** What lies in the tables that no attempt may change, and which things there are in the database at all. */
async function fingerprint({ lab }: Stage, { database }: SealedCell): Promise<string> {
  const hash = createHash('sha256');
  const objects = await lab.ask<{ name: string; kind: string }>(
    database,
    `select format('%I.%I', nspname, relname) as name, relkind as kind from pg_class
       join pg_namespace on pg_namespace.oid = relnamespace
      where nspname !~ '^pg_' and nspname <> 'information_schema' order by 1, 2`,
  );
  hash.update(JSON.stringify(objects));
  for (const { name, kind } of objects) {
    if (kind !== 'r' || !/^(cards|cardholders|migrations)\.|^cell\.(data_keys|openpgp_keys)/.test(name))
      continue;
    const [{ digest }] = await lab.ask<{ digest: string }>(
      database,
      `select count(*) || ' ' || coalesce(md5(string_agg(t::text, ',' order by t::text)), '') as digest from ${name} t`,
    );
    hash.update(`${name} ${digest}\n`);
  }
  return hash.digest('hex');
}
