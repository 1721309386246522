import { serveAudit } from '#services/audit/main.ts';
import type { CutoverCell } from '#services/authorisations/cutover/cutover-cell.ts';
import { serveCardholders } from '#services/cardholders/main.ts';
import { serveCards } from '#services/cards/main.ts';
import { serveLedger } from '#services/ledger/main.ts';
import { serveMigrations } from '#services/migrations/main.ts';
import { type Cell, openVault } from '../cells/open-cell.ts';

const CALLER = 'authorisations';

/** Puts into this process what an operator needs to set ranges, flip them and hand cards back. */
export async function enterCutover(cell: Cell): Promise<CutoverCell> {
  // One connection holds a range while another reads beside it.
  const db = cell.connect('authorisations', 2);
  const vault = await openVault(cell, db);
  return {
    ...cell.name,
    db,
    clients: {
      audit: cell.calls.client(serveAudit(cell.connect('audit', 1), vault), CALLER),
      cards: cell.calls.client(serveCards(cell.connect('cards', 1), vault), CALLER),
      cardholders: cell.calls.client(serveCardholders(cell.connect('cardholders', 1)), CALLER),
      ledger: cell.calls.client(serveLedger(cell.connect('ledger', 1)), CALLER),
      migrations: cell.calls.client(serveMigrations(cell.connect('migrations', 1)), CALLER),
    },
    async keys() {
      const { loadCellKeys } = await import('../cells/cell-keys.ts');
      return loadCellKeys(db, vault);
    },
  };
}
