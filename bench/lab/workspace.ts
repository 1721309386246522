import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PrivateKey } from 'openpgp';
import { storeKey } from '#delivery/cells/cell-keys.ts';
import { type CellName, databaseName, parseCellName } from '#delivery/cells/cell-name.ts';
import { createCell } from '#delivery/cells/create-cell.ts';
import { openCell, openVault } from '#delivery/cells/open-cell.ts';
import { makeSample } from '#delivery/local/make-sample.ts';
import { removeTenant } from '#delivery/local/remove-tenant.ts';
import { readAllSettings } from '#delivery/local/settings.ts';
import { generateCellKey } from '#runtime/openpgp/keys.ts';
import { acquireServer, type Server } from '#runtime/postgres/server.ts';
import { DatabaseProbe } from '../meter/database-probe.ts';
import { Meter } from '../meter/meter.ts';
import { say } from '../say.ts';

/** The seed of the synthetic portfolio; card-by-card trials count on from it. */
export const SEED = 1;
/** When every portfolio was made: whoever else makes the cards of a file makes them as of the same moment. */
export const CREATED_AT = '2026-11-20T06:00:00Z';

export interface PortfolioFile {
  readonly path: string;
  readonly cards: number;
  readonly bytes: number;
  readonly plaintextBytes: number;
  readonly secondsToMake: number;
}

interface KeyPairs {
  readonly cell: PrivateKey;
  readonly tenant: PrivateKey;
}

/**
 * A home that nobody else has, with its own embedded server unless RELEVO_DATABASE_URL names another, and cells
 * that are made for one run and dropped after it. All cells share one OpenPGP key pair: a portfolio is sealed to
 * a key, and so one file serves every run.
 */
export class Workspace {
  readonly home: string;
  readonly server: Server;
  readonly probe: DatabaseProbe;
  readonly meter: Meter;
  /** What a child process of the benchmark, or the product's own command, has to be told. */
  readonly environment: NodeJS.ProcessEnv;
  /** Those that run now; they end with the workspace. */
  readonly children = new Set<ChildProcess>();
  /** Not a name that a tenant on the operator's own server could have. */
  readonly #prefix: string;
  readonly #keys: KeyPairs;
  readonly #tenants = new Set<string>();
  #closed: Promise<void> | undefined;

  private constructor(home: string, server: Server, probe: DatabaseProbe, keys: KeyPairs) {
    this.home = home;
    this.server = server;
    this.probe = probe;
    this.meter = new Meter(probe);
    this.environment = { ...process.env, RELEVO_HOME: home };
    this.#prefix = `bench-${home
      .slice(-6)
      .toLowerCase()
      .replaceAll(/[^a-z0-9]/g, 'x')}`;
    this.#keys = keys;
  }

  static async open(): Promise<Workspace> {
    const home = await mkdtemp(join(tmpdir(), 'relevo-bench-'));
    // Root's server runs as another user, who has to pass through here.
    await chmod(home, 0o711);
    const { RELEVO_DATABASE_URL } = readAllSettings(process.env);
    try {
      const server = await acquireServer({ home, databaseUrl: RELEVO_DATABASE_URL ?? undefined, log: say });
      const keys = {
        cell: await generateCellKey({ name: 'Relevo bench cell' }),
        tenant: await generateCellKey({ name: 'Relevo bench tenant' }),
      };
      return new Workspace(home, server, await DatabaseProbe.connect(server.adminUrl), keys);
    } catch (error) {
      await rm(home, { recursive: true, force: true });
      throw error;
    }
  }

  cellName(role: string): CellName {
    return parseCellName(`${this.#prefix}-${role}/production`);
  }

  /** A cell of its own for `role`, empty. */
  async freshCell(role: string): Promise<CellName> {
    const name = this.cellName(role);
    await this.dropCell(name);
    this.#tenants.add(name.tenant);
    await createCell(this.server.adminUrl, this.home, name);
    const cell = await openCell(this.server, this.home, name);
    try {
      const db = cell.connect('keys', 1);
      const vault = await openVault(cell, db);
      const { cell: own, tenant } = this.#keys;
      await storeKey(db, vault, {
        owner: 'cell',
        fingerprint: fingerprintOf(own),
        publicKey: own.toPublic().armor(),
        privateKey: own.write(),
      });
      await storeKey(db, vault, {
        owner: 'tenant',
        fingerprint: fingerprintOf(tenant),
        publicKey: tenant.toPublic().armor(),
      });
    } finally {
      await cell.close();
    }
    await this.probe.settle();
    return name;
  }

  async dropCell({ tenant }: CellName): Promise<void> {
    if (!this.#tenants.delete(tenant)) return;
    await removeTenant(this.server, this.home, tenant, join(this.home, 'made-for', tenant));
    await rm(join(this.home, 'results'), { recursive: true, force: true });
  }

  /** A name for a tenant that is removed with the workspace. */
  tenantName(role: string): string {
    const { tenant } = this.cellName(role);
    // With an embedded server all that it has goes with the home; to drop hundreds of databases would take minutes.
    if (this.environment['RELEVO_DATABASE_URL']) this.#tenants.add(tenant);
    return tenant;
  }

  databaseBytes(cell: CellName): Promise<number> {
    return this.probe.databaseBytes(databaseName(cell));
  }

  /** A portfolio as its tenant would send it to the cell of `role`: signed, compressed, encrypted. */
  async makeFile(
    cards: number,
    role: string,
    { seed = SEED, source }: { seed?: number; source?: string } = {},
  ): Promise<PortfolioFile> {
    const path = join(this.home, `portfolio-${role}-${cards}-${seed}.csv.gpg`);
    const startedAt = performance.now();
    const made = await makeSample(
      path,
      { ...this.cellName(role), seed, cards, kind: 'full', source, createdAt: CREATED_AT },
      { signingKey: this.#keys.tenant, cellKeys: [this.#keys.cell.toPublic()] },
    );
    return { path, cards, ...made, secondsToMake: (performance.now() - startedAt) / 1000 };
  }

  /** Leaves nothing behind. Calling it again answers the same promise. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    await Promise.all([...this.children].map(end));
    for (const tenant of [...this.#tenants]) await this.dropCell({ tenant, environment: 'production' });
    await this.probe.close();
    await this.server.release();
    await rm(this.home, { recursive: true, force: true });
  }
}

/** Ends a child process and waits for its end. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill();
  await ended;
}

const fingerprintOf = (key: PrivateKey): string => key.getFingerprint().toUpperCase();
