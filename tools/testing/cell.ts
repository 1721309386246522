import { randomBytes } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PrivateKey } from 'openpgp';
import { type Cell, openCell, openVault } from '#delivery/cells/open-cell.ts';
import { storeKey } from '#delivery/cells/cell-keys.ts';
import type { CellName } from '#delivery/cells/cell-name.ts';
import { enterCell } from '#delivery/local/enter-cell.ts';
import { type AllSettings, readAllSettings } from '#delivery/local/settings.ts';
import { type Database, openDatabase } from '#runtime/database/database.ts';
import { sealMessage } from '#runtime/openpgp/seal-message.ts';
import type { MigrationCell } from '#services/migrations/migration-cell.ts';
import { curveKey, fingerprintOf } from './keys.ts';
import { atEnd, testServer } from './server.ts';
import { makeHome, removeHome } from './shared-home.ts';
import { cloneCell, dropCell } from './template.ts';

/** A test, whose end is the end of what was made for it. Without one it lives as long as the test file. */
interface Scope {
  after(clean: () => Promise<void>): unknown;
}

export interface TestCellOptions {
  readonly settings?: Partial<AllSettings>;
  readonly tenantKey?: PrivateKey;
  readonly cellKey?: PrivateKey;
}

/** A cell with its services in this process. For its files it is `andina/production`, whatever its database. */
export interface TestCell extends MigrationCell {
  /** The name of its database and roles, of which there are many at once. */
  readonly name: CellName;
  readonly opened: Cell;
  readonly tenantKey: PrivateKey;
  readonly cellKey: PrivateKey;
  readonly folder: string;
  /** The superuser of the cell's database, to look behind the services and to disturb them. */
  readonly admin: Database;
  readonly adminUrl: string;
  /** Keeps bytes as a file of this cell's folder and answers where. */
  keep(bytes: Uint8Array | string): Promise<string>;
  /** Signs, encrypts and keeps a portfolio as the tenant would send it. */
  send(csv: Uint8Array | string): Promise<string>;
  /** The same cell with its services anew, as another process would enter it. */
  enter(settings?: Partial<AllSettings>): Promise<MigrationCell>;
}

let keys: Promise<{ tenant: PrivateKey; cell: PrivateKey }> | undefined;
const usualKeys = () =>
  (keys ??= Promise.all([curveKey('Andina'), curveKey('Cell')]).then(([tenant, cell]) => ({ tenant, cell })));

export async function testCell(scope?: Scope | null, options: TestCellOptions = {}): Promise<TestCell> {
  const server = await testServer();
  const home = await makeHome();
  const name: CellName = { tenant: `t${randomBytes(6).toString('hex')}`, environment: 'production' };
  await cloneCell(server, home, name);
  const opened = await openCell(server.server, home, name);
  const usual = await usualKeys();
  const cellKey = options.cellKey ?? usual.cell;
  const tenantKey = options.tenantKey ?? usual.tenant;
  await register(opened, 'cell', cellKey);
  await register(opened, 'tenant', tenantKey);

  const adminUrl = new URL(server.server.adminUrl);
  adminUrl.pathname = `/relevo_${name.tenant}_${name.environment}`;
  const superuser = openDatabase(adminUrl.href, { connections: 2, applicationName: 'relevo test' });
  const end = scope ? (clean: () => Promise<void>) => void scope.after(clean) : atEnd;
  end(async () => {
    await Promise.all([opened.close(), superuser.close()]);
    await dropCell(server, name);
    await removeHome(home);
  });
  const folder = await mkdtemp(join(home, 'files-'));
  const enter = async (settings: Partial<AllSettings> = {}) => ({
    ...(await enterCell(opened, { ...readAllSettings({}), ...options.settings, ...settings })),
    tenant: 'andina',
    environment: 'production',
  });
  let files = 0;
  const keep = async (bytes: Uint8Array | string) => {
    const path = join(folder, `${++files}.csv.gpg`);
    await writeFile(path, bytes);
    return path;
  };
  return {
    ...(await enter()),
    name,
    opened,
    tenantKey,
    cellKey,
    folder,
    admin: superuser,
    adminUrl: adminUrl.href,
    keep,
    send: async (csv) => keep(await seal(csv, { from: tenantKey, to: cellKey })),
    enter,
  };
}

async function register(cell: Cell, owner: 'tenant' | 'cell', key: PrivateKey): Promise<void> {
  const db = cell.connect('keys', 1);
  await storeKey(db, await openVault(cell, db), {
    owner,
    fingerprint: fingerprintOf(key),
    publicKey: key.toPublic().armor(),
    privateKey: owner === 'cell' ? key.write() : undefined,
  });
}

export const registerTenantKey = (cell: TestCell, key: PrivateKey) => register(cell.opened, 'tenant', key);

interface Letter {
  readonly from: PrivateKey;
  readonly to: PrivateKey;
  readonly armored?: boolean;
  readonly compress?: boolean;
}

/** A portfolio in its envelope. */
export async function seal(csv: Uint8Array | string, { from, to, ...form }: Letter): Promise<Buffer> {
  const plaintext = async function* () {
    yield Buffer.from(csv);
  };
  const pieces: Buffer[] = [];
  const sealed = sealMessage(plaintext(), {
    signingKey: from,
    encryptionKeys: [to.toPublic()],
    ...form,
  });
  for await (const piece of sealed) pieces.push(piece);
  return Buffer.concat(pieces);
}
