import { Command, Option } from 'commander';
import type { Client } from '#declare/service.ts';
import type { PublicRoute } from '#declare/http.ts';
import type { CellName } from '#delivery/cells/cell-name.ts';
import { defaultDomain, defaultHost, readTenantFile } from '#delivery/cells/tenant-file.ts';
import { openAccess, scopesOfRelease } from '#delivery/local/enter-access.ts';
import { TOKEN_PATH } from '#services/access/oauth/metadata.ts';
import type { access, ClientInfo, NewSecret } from '#services/access/service.ts';
import { publicOperations } from '#services/public.ts';
import { type Context, withCell, withContext } from '../context.ts';
import { durationSeconds, durationText } from '../duration.ts';
import { operatorName } from '../operator.ts';
import { CELL, JSON_OUTPUT } from '../options.ts';
import { day, table } from '../output.ts';

interface Options {
  cell: string;
  json?: boolean;
}

const OVERLAP_SECONDS = 24 * 3600;

export function clientCommand(): Command {
  const client = new Command('client').description('API clients of a cell: who may get tokens, and for what');
  client
    .command('add')
    .description('adds a client and shows its secret, once')
    .requiredOption(...CELL)
    .option('--name <name>', 'what people call it, for instance "Back office"; its id when it is left out')
    .requiredOption('--scopes <list>', 'what its tokens may be used for: cards:read,accounts:read', listed)
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Examples:
  $ ./relevo client add --cell quipu/staging --name "Back office" --scopes cards:read,accounts:read
  $ ./relevo client add --cell quipu/staging --scopes cards:read --json | vault-put

Scopes: ${scopesOfRelease().join(', ')}
The secret is kept nowhere: whoever loses it gets another one with relevo client renew.`,
    )
    .action(add);
  client
    .command('list')
    .description('lists the clients, with the last letters of their secrets')
    .requiredOption(...CELL)
    .option('--revoked', 'those that were revoked, too')
    .option(...JSON_OUTPUT)
    .addHelpText('after', '\nExample:\n  $ ./relevo client list --cell quipu/staging')
    .action(list);
  client
    .command('revoke')
    .argument('<id>', 'as relevo client list shows it')
    .description('takes a client its access for good, also with tokens that it holds')
    .requiredOption(...CELL)
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      '\nExample:\n  $ ./relevo client revoke quipu-staging-bcdfghjkmnpqrs --cell quipu/staging',
    )
    .action(revoke);
  client
    .command('renew')
    .argument('<id>', 'as relevo client list shows it')
    .description('gives a client a new secret and shows it, once; the older one stays valid for a while')
    .requiredOption(...CELL)
    .addOption(
      new Option('--overlap <time>', 'how long older secrets stay valid, up to 30d; 0 where one has leaked')
        .argParser(durationSeconds)
        .default(OVERLAP_SECONDS, durationText(OVERLAP_SECONDS)),
    )
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Examples:
  $ ./relevo client renew quipu-staging-bcdfghjkmnpqrs --cell quipu/staging
  $ ./relevo client renew quipu-staging-bcdfghjkmnpqrs --cell quipu/staging --overlap 0`,
    )
    .action(renew);
  return client;
}

const listed = (text: string): string[] =>
  text
    .split(/[\s,]+/)
    .map((each) => each.trim())
    .filter((each) => each !== '');

const withAccess = (
  { cell: name, json = false }: Options,
  work: (clients: Client<typeof access>, context: Context, cell: CellName) => Promise<void>,
): Promise<void> =>
  withContext(json, (context) =>
    withCell(context, name, (cell) => work(openAccess(cell, 'operators'), context, cell.name)),
  );

/** The port on which the gateway listens unless it is told otherwise. */
const GATEWAY_PORT = 8443;

/** Where the gateway reaches the cell. */
async function addressOf({ settings }: Context, { tenant, environment }: CellName): Promise<string> {
  const file = await readTenantFile(settings.RELEVO_HOME, tenant);
  const host = file?.environments[environment]?.host ?? defaultHost(defaultDomain(tenant), environment);
  return `https://${host}:${GATEWAY_PORT}`;
}

const documentOf = (cell: string, address: string, { clientId, name, scopes, secret }: NewSecret) => ({
  cell,
  client_id: clientId,
  name,
  scopes,
  secret,
  token_url: address + TOKEN_PATH,
});

async function add(options: Options & { name?: string; scopes: string[] }): Promise<void> {
  await withAccess(options, async (clients, context, cell) => {
    const actor = operatorName(context.settings);
    const address = await addressOf(context, cell);
    const { name, scopes } = options;
    const added = await clients.addClient({ actor, name: name ?? null, scopes });
    context.out.result(documentOf(options.cell, address, added), () =>
      [
        `${added.name} is a client of ${options.cell}, for ${added.scopes.join(', ')}:`,
        '',
        ...secretLines(added),
        '',
        ...howToUse(address, added),
      ].join('\n'),
    );
  });
}

const secretLines = ({ clientId, secret }: NewSecret): string[] => [
  `  client id  ${clientId}`,
  `  secret     ${secret}`,
  '',
  'The secret is shown this once and kept nowhere. Put it where your secrets are.',
];

/** With the secret and the token in no argument of a program, where others on the machine could read them. */
function howToUse(address: string, { clientId, scopes }: NewSecret): string[] {
  const route = firstRoute(scopes);
  const method = route && route.method !== 'GET' ? ` -X ${route.method}` : '';
  return [
    'A token, good for five minutes, and a request with it:',
    '',
    '  read -rs SECRET    # paste the secret',
    `  TOKEN=$(printf 'user = "%s:%s"' ${clientId} "$SECRET" |`,
    `    curl -sS -K - -d grant_type=client_credentials ${address}${TOKEN_PATH} | jq -r .access_token)`,
    `  printf 'header = "Authorization: Bearer %s"' "$TOKEN" |`,
    `    curl -sS -K -${method} ${address}${route?.path ?? '/v1/'}`,
  ];
}

/** A route that the client may call, rather one that changes nothing. */
function firstRoute(scopes: readonly string[]): PublicRoute | undefined {
  const routes = publicOperations.map(({ http }) => http).filter(({ scope }) => scopes.includes(scope));
  const reading = routes.filter(({ method }) => method === 'GET');
  return reading.find(({ path }) => !path.includes(':')) ?? reading[0] ?? routes[0];
}

async function list(options: Options & { revoked?: boolean }): Promise<void> {
  await withAccess(options, async (clients, { out }) => {
    const known = await clients.listClients({ withRevoked: options.revoked ?? false });
    const document = known.map((each) => ({
      client_id: each.clientId,
      name: each.name,
      scopes: each.scopes,
      added_at: each.addedAt,
      revoked_at: each.revokedAt,
      secrets: each.secrets.map((secret) => ({
        ends_with: secret.hint,
        added_at: secret.addedAt,
        valid_until: secret.validUntil,
      })),
    }));
    out.result({ cell: options.cell, clients: document }, () =>
      known.length === 0
        ? `${options.cell} has no clients. See: ./relevo client add --help`
        : table(
            [
              { title: 'client' },
              { title: 'name' },
              { title: 'scopes' },
              { title: 'added' },
              { title: 'secrets end with' },
            ],
            known.map((each) => [
              each.clientId,
              each.name,
              each.scopes.join(' '),
              day(each.addedAt),
              stateOf(each),
            ]),
          ),
    );
  });
}

const stateOf = ({ revokedAt, secrets }: ClientInfo): string =>
  revokedAt
    ? `revoked ${day(revokedAt)}`
    : secrets
        .map(({ hint, validUntil }) => (validUntil ? `${hint} until ${day(validUntil)}` : hint))
        .join(', ');

async function revoke(clientId: string, options: Options): Promise<void> {
  await withAccess(options, async (clients, { out, settings }) => {
    const { revokedAt, wasRevoked } = await clients.revokeClient({ actor: operatorName(settings), clientId });
    out.result(
      { cell: options.cell, client_id: clientId, revoked_at: revokedAt, was_revoked: wasRevoked },
      () =>
        wasRevoked
          ? `${clientId} was revoked already, ${day(revokedAt)}.`
          : `${clientId} is revoked: it gets no more tokens, and within seconds those it has are refused.`,
    );
  });
}

async function renew(clientId: string, options: Options & { overlap: number }): Promise<void> {
  await withAccess(options, async (clients, context, cell) => {
    const actor = operatorName(context.settings);
    const address = await addressOf(context, cell);
    const renewed = await clients.renewSecret({ actor, clientId, overlapSeconds: options.overlap });
    const until = options.overlap > 0 ? renewed.othersValidUntil : null;
    const document = { ...documentOf(options.cell, address, renewed), others_valid_until: until };
    context.out.result(document, () =>
      [
        `${renewed.name} has a new secret:`,
        '',
        ...secretLines(renewed),
        until
          ? `Older secrets stay valid for ${durationText(options.overlap)}, until ${day(until)}.`
          : 'Older secrets are not valid any more.',
      ].join('\n'),
    );
  });
}
