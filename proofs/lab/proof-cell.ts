import { join } from 'node:path';
import type { PrivateKey } from 'openpgp';
import { type CellName, cellText, databaseName, roleName } from '#delivery/cells/cell-name.ts';
import { CELL_ROLES } from '#delivery/cells/cell-roles.ts';
import { loadCellKeys } from '#delivery/cells/cell-keys.ts';
import { openCell, openVault } from '#delivery/cells/open-cell.ts';
import { makeSample } from '#delivery/local/make-sample.ts';
import { registerSampleKey, sampleKey } from '#delivery/local/sample-key.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import type { CellKeys } from '#services/migrations/migration-cell.ts';
import { type SampleOptions, samplePortfolio } from '#services/migrations/sample/sample-portfolio.ts';
import { openSealed } from '#tools/testing/open-sealed.ts';
import type { Lab } from './lab.ts';
import { sealFile } from './seal-file.ts';
import { withLines } from './with-lines.ts';

/**
 * What the queue does, written down by the database itself in a schema of the proof: every lease, return and
 * end of a chunk, and every attempt to end one that met a higher epoch (statement triggers fire for no row, too).
 */
const LOG = `
create schema proof;
create table proof.chunk_log (
  at timestamptz not null default clock_timestamp(), import_number int4, redrive int2, phase int2, lane int2,
  first_line int4, was text, state text, epoch int4, attempts int4, worker text, held_by text
);
create table proof.fenced (at timestamptz not null default clock_timestamp(), what text, backend int4);
create function proof.log_chunk() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  if old.state <> new.state or old.epoch <> new.epoch then
    insert into proof.chunk_log (import_number, redrive, phase, lane, first_line, was, state, epoch, attempts,
                                 worker, held_by)
    values (new.import_number, new.redrive, new.phase, new.lane, new.first_line, old.state, new.state, new.epoch,
            new.attempts, new.worker, old.worker);
  end if;
  return null;
end $$;
create function proof.log_fence() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  if current_query() like '%set state = ''done''%' or current_query() like '%set state = ''ready''%' then
    if not exists (select from touched) then
      insert into proof.fenced (what, backend)
      values (case when current_query() like '%set state = ''done''%' then 'finish' else 'return' end,
              pg_backend_pid());
    end if;
  end if;
  return null;
end $$;
create trigger proof_log after update on migrations.chunks for each row execute function proof.log_chunk();
create trigger proof_fence after update on migrations.chunks referencing new table as touched
  for each statement execute function proof.log_fence();
`;

/** A cell that can be set back to what it was, with the same keys: so two runs must give the same ids and codes. */
export class ProofCell {
  readonly name: CellName;
  readonly lab: Lab;
  readonly vault: Vault;
  readonly keys: CellKeys;
  readonly tenantKey: PrivateKey;

  private constructor(lab: Lab, name: CellName, vault: Vault, keys: CellKeys, tenantKey: PrivateKey) {
    this.lab = lab;
    this.name = name;
    this.vault = vault;
    this.keys = keys;
    this.tenantKey = tenantKey;
  }

  static async open(lab: Lab, environment: CellName['environment']): Promise<ProofCell> {
    const name = { tenant: lab.tenant, environment };
    const tenantKey = await sampleKey(lab.home, lab.tenant);
    const cell = await openCell(await lab.server(), lab.home, name);
    try {
      await registerSampleKey(cell, tenantKey, 'proof');
      const db = cell.connect('migrations', 1);
      const vault = await openVault(cell, db);
      const keys = await loadCellKeys(db, vault);
      const made = new ProofCell(lab, name, vault, keys, tenantKey);
      await lab.ask(made.database, LOG);
      return made;
    } finally {
      await cell.close();
    }
  }

  /** The vault as a process that starts now would open it. */
  static async vaultOf(lab: Lab, name: CellName): Promise<Vault> {
    const cell = await openCell(await lab.server(), lab.home, name);
    try {
      return await openVault(cell, cell.connect('migrations', 1));
    } finally {
      await cell.close();
    }
  }

  get database(): string {
    return databaseName(this.name);
  }

  get text(): string {
    return cellText(this.name);
  }

  migrationId(importNumber: number): string {
    return `${this.name.tenant}-${this.name.environment}-${importNumber}`;
  }

  resultFile(importNumber: number): string {
    return join(this.lab.home, 'results', `${this.migrationId(importNumber)}.result.csv.gpg`);
  }

  /** What a file that the cell sealed to its tenant holds, its signature checked. */
  openSealed(path: string): Promise<Buffer> {
    return openSealed(path, { tenant: this.tenantKey, cell: this.keys.cell });
  }

  /** Keeps the cell as it is now under a name. */
  async keep(as: string): Promise<void> {
    await this.#copy(this.database, `${this.database}_${as}`);
  }

  /** Sets the cell back to what it was when it was kept. */
  async setBack(to: string): Promise<void> {
    await this.#copy(`${this.database}_${to}`, this.database);
    const roles = CELL_ROLES.map((role) => `"${roleName(this.name, role)}"`).join(', ');
    await this.lab.ask('postgres', `revoke all on database "${this.database}" from public`);
    await this.lab.ask('postgres', `grant connect on database "${this.database}" to ${roles}`);
  }

  async #copy(from: string, to: string): Promise<void> {
    await this.lab.disconnect(from);
    await this.lab.disconnect(to);
    await this.lab.ask('postgres', `drop database if exists "${to}" with (force)`);
    // A process that was killed leaves sessions that end when they notice; the template must have none.
    await this.lab.ask(
      'postgres',
      'select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1',
      [from],
    );
    await this.lab.ask('postgres', `create database "${to}" template "${from}"`);
  }

  /**
   * Writes a synthetic portfolio for this cell and answers its path. `more` are `C` lines before the trailer, with
   * accounts that no other line names.
   */
  async sample(
    file: string,
    options: Omit<SampleOptions, 'tenant' | 'environment'>,
    more: readonly (readonly string[])[] = [],
  ): Promise<string> {
    const path = join(this.lab.folder, file);
    if (more.length > 0) {
      const sample = Buffer.concat([...samplePortfolio({ ...this.name, ...options })]);
      await sealFile(path, withLines(sample, more), {
        signingKey: this.tenantKey,
        to: this.keys.cell.map((key) => key.toPublic()),
      });
      return path;
    }
    await makeSample(
      path,
      { ...this.name, ...options },
      { signingKey: this.tenantKey, cellKeys: this.keys.cell.map((key) => key.toPublic()) },
    );
    return path;
  }

  /** The last migration that was not refused. */
  async lastMigration(): Promise<MigrationRow | null> {
    const [row] = await this.lab.ask<MigrationRow>(
      this.database,
      `select import_number as "importNumber", state, (select coalesce(sum(lines), 0)::int4 from migrations.chunks c
                where c.import_number = m.import_number and c.state = 'done') as "linesDone",
              (select count(*)::int4 from migrations.chunks c
                where c.import_number = m.import_number and c.state = 'done') as "chunksDone",
              (select count(*)::int4 from migrations.chunks c where c.import_number = m.import_number) as chunks
         from migrations.migrations m where state <> 'refused' order by import_number desc limit 1`,
    );
    return row ?? null;
  }
}

export interface MigrationRow {
  readonly importNumber: number;
  readonly state: string;
  readonly linesDone: number;
  readonly chunksDone: number;
  readonly chunks: number;
}
