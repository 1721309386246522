import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cellText, databaseName, ENVIRONMENTS, type CellName } from '#delivery/cells/cell-name.ts';
import { loadCellKeys } from '#delivery/cells/cell-keys.ts';
import { openCell, openVault } from '#delivery/cells/open-cell.ts';
import { hostOf } from '#delivery/cells/read-platform.ts';
import { addTenant } from '#delivery/local/add-tenant.ts';
import { openAccess, scopesOfRelease } from '#delivery/local/enter-access.ts';
import { makeSample } from '#delivery/local/make-sample.ts';
import { removeTenant } from '#delivery/local/remove-tenant.ts';
import { registerSampleKey, sampleKey } from '#delivery/local/sample-key.ts';
import { issuerOf } from '#delivery/supervisor/routing.ts';
import { uuidBytes } from '#runtime/uuid-bytes.ts';
import { placeOfCard } from '#runtime/vault/place.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import { endOf, type Running } from '../lab/command.ts';
import type { Lab } from '../lab/lab.ts';
import { waitFor } from '../lab/wait.ts';
import { AskGateway } from './ask-gateway.ts';
import { canariesOf } from './tries/logs.ts';
import type { SealedCell, TriedClient } from './sealed-cell.ts';

/** The platform as it runs, and the cells between which crossing is tried. */
export interface Stage {
  readonly lab: Lab;
  readonly cells: readonly SealedCell[];
  /** Those with a portfolio; at least two, of two tenants. */
  readonly populated: readonly SealedCell[];
  /** Null where the proof was asked for parts that need no running platform. */
  readonly platform: RunningPlatform | null;
  /** Where the processes of `relevo up` make their sockets. */
  readonly socketsFolder: string;
}

export interface RunningPlatform {
  readonly running: Running;
  readonly ask: AskGateway;
  readonly issuerOf: (cell: SealedCell) => string;
  readonly ports: { readonly gateway: number; readonly plain: number };
}

export interface StageOptions {
  /** How many environments of each tenant get a portfolio. */
  readonly populatedPerTenant: number;
  readonly needsPlatform: boolean;
  readonly progress: (line: string) => void;
}

/** Another file for each cell, but one seed: the same lines come in several cells, under ids that must not agree. */
const CARDS = 24;
const SEED = 7;
const MIGRATE_MS_MAX = 120_000;
const UP_MS_MAX = 180_000;
/** A second on a machine that does nothing else; six cells wake at once. */
const WAKE_MS_MAX = 120_000;

/**
 * Two tenants in three environments, `relevo up` over them; all is cleared away with the lab. In a lab that is borrowed the
 * tenants and their portfolios are there already, and what is begun anew are the clients.
 */
export async function withStage<T>(
  lab: Lab,
  options: StageOptions,
  use: (stage: Stage) => Promise<T>,
): Promise<T> {
  const other = lab.tenant.replace('proof', 'other');
  const server = await lab.server();
  if (!lab.isBorrowed) await addTenant(server, lab.home, other);
  // For one account alone: the embedded server's user is another one and has nothing to do here.
  const socketsFolder = await mkdtemp(join(lab.folder, 's'));
  let platform: RunningPlatform | null = null;
  try {
    const cells: SealedCell[] = [];
    for (const [at, tenant] of [lab.tenant, other].entries())
      cells.push(...(await cellsOf(lab, tenant, CARDS + at * 10, options)));
    options.progress(`${cells.length} cells, ${cells.filter((c) => c.isPopulated).length} with a portfolio`);
    if (options.needsPlatform) {
      platform = await startPlatform(lab, socketsFolder);
      options.progress(`relevo up on port ${platform.ports.gateway}`);
      await fetchTokens(lab, cells, platform.ask);
      for (const [what, value] of canariesOf(cells)) platform.ask.canaries.add(what, value);
    }
    return await use({
      lab,
      cells,
      populated: cells.filter(({ isPopulated }) => isPopulated),
      platform,
      socketsFolder,
    });
  } finally {
    platform?.ask.close();
    if (platform) {
      platform.running.kill('SIGTERM');
      await endOf(platform.running, 15_000);
    }
    if (!lab.isEmbedded && !lab.isBorrowed)
      await removeTenant(server, lab.home, other, join(lab.home, 'none'));
  }
}

async function cellsOf(
  lab: Lab,
  tenant: string,
  cards: number,
  { populatedPerTenant, progress }: StageOptions,
): Promise<SealedCell[]> {
  // From the strictest on: production is always among those with a portfolio.
  const populated = [...ENVIRONMENTS].reverse().slice(0, populatedPerTenant);
  const tenantKey = await sampleKey(lab.home, tenant);
  const cells: SealedCell[] = [];
  for (const [at, environment] of ENVIRONMENTS.entries()) {
    const name: CellName = { tenant, environment };
    const opened = await openCell(await lab.server(), lab.home, name);
    try {
      await registerSampleKey(opened, tenantKey, 'proof');
      const db = opened.connect('migrations', 1);
      const vault = await openVault(opened, db);
      const keys = await loadCellKeys(db, vault);
      const isPopulated = populated.includes(environment);
      if (isPopulated && !lab.isBorrowed) {
        const path = join(lab.folder, `${tenant}-${environment}.gpg`);
        await makeSample(
          path,
          { ...name, cards: cards + at, seed: SEED, kind: 'full', faults: 2 },
          { signingKey: tenantKey, cellKeys: keys.cell.map((key) => key.toPublic()) },
        );
        const migrating = lab.start(['migrate', 'start', path, '--cell', cellText(name), '--wait']);
        const ended = await endOf(migrating, MIGRATE_MS_MAX);
        if (ended?.code !== 0)
          throw new Error(`the sample did not go into ${cellText(name)}: ${ended?.stderr}`);
        progress(`a portfolio in ${cellText(name)}`);
      }
      const access = openAccess(opened, 'operators');
      const add = async (called: string, scopes: readonly string[]): Promise<TriedClient> => {
        // Of their own for every run in a lab that is borrowed.
        const name = `${called} ${randomBytes(3).toString('hex')}`;
        const { clientId, secret } = await access.addClient({ actor: 'proof', name, scopes });
        return { clientId, secret, token: '' };
      };
      const all = scopesOfRelease();
      cells.push({
        name,
        text: cellText(name),
        host: (await hostOf(lab.home, name))!,
        database: databaseName(name),
        file: opened.file,
        vault,
        keys,
        tenantKey,
        isPopulated,
        client: await add('Back office', all),
        second: await add('Front office', all),
        narrow: await add('Narrow', all.slice(0, 1)),
        revoked: await add('Gone', all),
        ...(await identifiersOf(lab, databaseName(name), vault)),
      });
    } finally {
      await opened.close();
    }
  }
  return cells;
}

/** What clients of the cell know of it, by the names under which operations take it. */
async function identifiersOf(
  lab: Lab,
  database: string,
  vault: Vault,
): Promise<Pick<SealedCell, 'ids' | 'pans'>> {
  const cards = await lab.ask<{ id: string; sealed: Buffer }>(
    database,
    'select card_id::text as id, pan_sealed as sealed from cards.cards order by card_id',
  );
  const accounts = await lab.ask<{ id: string }>(
    database,
    `select account_id::text as id from ledger.accounts
      where external_account_id is not null order by account_id`,
  );
  const migrations = await lab.ask<{ id: string }>(
    database,
    'select import_number::text as id from migrations.migrations order by import_number',
  );
  return {
    ids: {
      card_id: cards.map(({ id }) => id),
      account_id: accounts.map(({ id }) => id),
      number: migrations.map(({ id }) => id),
    },
    pans: cards.map(({ id, sealed }) => vault.open('pan', sealed, placeOfCard(uuidBytes(id), 0)).toString()),
  };
}

async function startPlatform(lab: Lab, socketsFolder: string): Promise<RunningPlatform> {
  const running = lab.start(['up', '--json'], {
    RELEVO_GATEWAY_PORT: '0',
    RELEVO_GATEWAY_PLAIN_PORT: '0',
    RELEVO_ISO8583_PORT: '0',
    RELEVO_HTTP_PORT: '0',
    TMPDIR: socketsFolder,
  });
  const said = await waitFor(() => firstDocument(running.said()) ?? (running.hasEnded() && 'ended'), {
    msMax: UP_MS_MAX,
  });
  if (!said || said === 'ended') throw new Error(`relevo up does not run: ${(await running.ended).stderr}`);
  const { port, plain_port: plain, root } = said.gateway;
  return {
    running,
    ask: new AskGateway({ port, root: await readFile(root, 'utf8') }),
    issuerOf: ({ host }) => issuerOf(host, port),
    ports: { gateway: port, plain },
  };
}

interface UpDocument {
  readonly gateway: { readonly port: number; readonly plain_port: number; readonly root: string };
}

/** `up --json` prints one document over several lines, then one a line for what happens. */
function firstDocument(said: string): UpDocument | null {
  const end = said.indexOf('\n}\n');
  return end === -1 ? null : (JSON.parse(said.slice(0, end + 2)) as UpDocument);
}

/** Every client gets a token; then one of each cell is revoked, and what its cell remembers of it runs out. */
async function fetchTokens(lab: Lab, cells: readonly SealedCell[], ask: AskGateway): Promise<void> {
  for (const cell of cells) {
    const clients = [cell.client, cell.second, cell.narrow, cell.revoked];
    for (const client of clients) client.token = await tokenOf(cell, client, ask);
    const opened = await openCell(await lab.server(), lab.home, cell.name);
    try {
      const { clientId } = cell.revoked;
      await openAccess(opened, 'operators').revokeClient({ actor: 'proof', clientId });
    } finally {
      await opened.close();
    }
  }
}

async function tokenOf({ host }: SealedCell, client: TriedClient, ask: AskGateway): Promise<string> {
  const token = await waitFor(
    async () => {
      const { status, json } = await ask.token(host, client);
      return status === 200 && (json['access_token'] as string);
    },
    // The gateway reads what is in service twice a second, and a cell has to wake.
    { msMax: WAKE_MS_MAX, everyMs: 250 },
  );
  if (!token) throw new Error(`${host} gives its own client no token`);
  return token;
}
