import pg from 'pg';
import { cellText, type CellName, databaseName } from '#delivery/cells/cell-name.ts';
import type { SampleRequest } from '#simulators/portfolio/sample.ts';
import { BIN_RANGES } from '#services/migrations/sample/ids.ts';
import { databaseUrl } from '../lab/database-url.ts';
import { runRelevo } from '../lab/run-relevo.ts';
import { CREATED_AT, SEED, type Workspace } from '../lab/workspace.ts';

const ROLE = 'auth';
/** Far more than a benchmark spends, and far less than would overflow. */
const PLENTY_MINOR = 1_000_000_000_000;

/** A cell with cards that are authorised here. */
export interface PreparedCell {
  readonly name: CellName;
  /** From which the network makes the same cards. */
  readonly sample: SampleRequest;
  readonly role: string;
}

/**
 * Migrates a portfolio and takes its ranges over. Accounts are given plenty of money and cards no limits, so that
 * every message of good cards is approved, also by ten cards alone.
 */
export async function prepareCell(workspace: Workspace, cards: number): Promise<PreparedCell> {
  const name = await workspace.freshCell(ROLE);
  const file = await workspace.makeFile(cards, ROLE);
  const cell = cellText(name);
  await runRelevo(workspace, ['migrate', 'start', file.path, '--cell', cell, '--wait']);
  for (const range of BIN_RANGES.split(';'))
    await runRelevo(workspace, ['range', 'set', '--cell', cell, '--range', range, '--mode', 'own']);
  const client = new pg.Client({
    connectionString: databaseUrl(workspace.server.adminUrl, databaseName(name)),
    application_name: 'relevo bench',
  });
  await client.connect();
  try {
    await client.query(
      `update ledger.accounts set account_type = 'credit', credit_limit_minor = $1 where external_account_id is not null`,
      [PLENTY_MINOR],
    );
    await client.query(
      `update cards.cards set daily_limit_minor = null, monthly_limit_minor = null where card_id is not null`,
    );
    // As after a night: no dead rows, and statistics.
    await client.query('vacuum analyze');
  } finally {
    await client.end();
  }
  const { tenant, environment } = name;
  return { name, role: ROLE, sample: { seed: SEED, cards, tenant, environment, createdAt: CREATED_AT } };
}
