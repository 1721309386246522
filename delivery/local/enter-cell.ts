import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Backends } from '#runtime/database/backends.ts';
import type { Database } from '#runtime/database/database.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import { serveAudit } from '#services/audit/main.ts';
import { answerOnMessages } from '#services/authorisations/operations.ts';
import { serveCardholders } from '#services/cardholders/main.ts';
import { serveCards } from '#services/cards/main.ts';
import { serveLedger } from '#services/ledger/main.ts';
import type { CellKeys, MigrationCell, Trial } from '#services/migrations/migration-cell.ts';
import type { ImportClients } from '#services/migrations/work/importer.ts';
import { Yielding } from '#services/migrations/work/yield-to-messages.ts';
import { type Cell, openVault, refreshVault } from '../cells/open-cell.ts';
import type { AllSettings } from './settings.ts';

const CALLER = 'migrations';
/** Per service and process: one for each chunk in hand. */
const CONNECTIONS = 2;

/** The services of a cell in one process, reached by `migrations` through the clients of their declarations. */
function clients(
  cell: Cell,
  vault: Vault,
  databases: Record<'cards' | 'cardholders' | 'ledger', Database>,
): ImportClients {
  return {
    cards: cell.calls.client(serveCards(databases.cards, vault), CALLER),
    cardholders: cell.calls.client(serveCardholders(databases.cardholders), CALLER),
    ledger: cell.calls.client(serveLedger(databases.ledger), CALLER),
  };
}

/** Puts a cell's services into this process: what the commands and workers stand on. */
export async function enterCell(cell: Cell, settings: AllSettings): Promise<MigrationCell> {
  const backends = new Backends();
  // What services take in of a chunk is taken in again, unless the chunk's own end was committed after it.
  const ofChunks = { backends, commitsLater: true };
  const db = cell.connect('migrations', CONNECTIONS + 2, { backends });
  const vault = await openVault(cell, db);
  const tempFolder = join(cell.home, 'tmp');
  await mkdir(tempFolder, { recursive: true, mode: 0o700 });
  let keys: Promise<CellKeys> | undefined;
  const authorisations = cell.calls.client(answerOnMessages(cell.connect('authorisations', 1)), CALLER);
  const yielding = new Yielding(() => authorisations.pressure(), settings);
  yielding.onFirstNeed(() => backends.goToBackground());
  return {
    ...cell.name,
    db,
    vault,
    refreshVault: () => refreshVault(cell, db, vault),
    clients: clients(cell, vault, {
      cards: cell.connect('cards', CONNECTIONS, ofChunks),
      cardholders: cell.connect('cardholders', CONNECTIONS, ofChunks),
      ledger: cell.connect('ledger', CONNECTIONS, ofChunks),
    }),
    audit: cell.calls.client(serveAudit(cell.connect('audit', 1), vault), CALLER),
    yielding,
    keys: () => (keys ??= loadKeys(db, vault)),
    settings,
    resultsFolder: join(cell.home, 'results'),
    tempFolder,
    trial: () => openTrialServices(cell, vault),
  };
}

/** OpenPGP is by far the largest library here, and a process that only works chunks does without it. */
async function loadKeys(db: Database, vault: Vault): Promise<CellKeys> {
  const { loadCellKeys } = await import('../cells/cell-keys.ts');
  return loadCellKeys(db, vault);
}

async function openTrialServices(cell: Cell, vault: Vault): Promise<Trial> {
  const [db, cards, cardholders, ledger] = await Promise.all(
    ['migrations', 'cards', 'cardholders', 'ledger'].map((role) => cell.trial(role)),
  );
  return {
    db,
    clients: clients(cell, vault, { cards, cardholders, ledger }),
    async close() {
      await Promise.all([db, cards, cardholders, ledger].map((database) => database.close()));
    },
  };
}
