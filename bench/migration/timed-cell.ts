import type { Database } from '#runtime/database/database.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import type { MigrationCell } from '#services/migrations/migration-cell.ts';
import type { SpentTimes } from './spent-times.ts';

/** What is timed: calls into each service and the queue's tables, and the vault's work by kind. */
export const TIMED = {
  open: 'decipher chunks',
  codes: 'ids and keyed codes',
  fields: 'seal card numbers and PINs',
  cards: 'cards service',
  cardholders: 'cardholders service',
  ledger: 'ledger service',
  queue: 'queue: lease and finish',
} as const;

/** The cell with what it stands on timed from outside, so that the product needs no clock of its own. */
export function timedCell(cell: MigrationCell, times: SpentTimes): MigrationCell {
  const { cards, cardholders, ledger } = cell.clients;
  return {
    ...cell,
    clients: {
      cards: times.around(TIMED.cards, cards),
      cardholders: times.around(TIMED.cardholders, cardholders),
      ledger: times.around(TIMED.ledger, ledger),
    },
    db: times.around<Database>(TIMED.queue, cell.db),
    vault: timedVault(cell.vault, times),
  };
}

function timedVault(vault: Vault, times: SpentTimes): Vault {
  const timed: Partial<Record<string | symbol, unknown>> = {
    seal: (...values: Parameters<Vault['seal']>) => times.during(TIMED.fields, () => vault.seal(...values)),
    open: (...values: Parameters<Vault['open']>) => times.during(TIMED.open, () => vault.open(...values)),
    coder(...values: Parameters<Vault['coder']>) {
      const coder = vault.coder(...values);
      const macs = coder.macs.bind(coder);
      coder.macs = () => times.during(TIMED.codes, macs);
      return coder;
    },
    idCoder() {
      const coder = vault.idCoder();
      const ids = coder.ids.bind(coder);
      coder.ids = () => times.during(TIMED.codes, ids);
      return coder;
    },
    sealer(...values: Parameters<Vault['sealer']>) {
      const sealer = vault.sealer(...values);
      const seal = sealer.seal.bind(sealer);
      sealer.seal = (take) => times.during(TIMED.fields, () => seal(take));
      return sealer;
    },
    currentVersion: (...values: Parameters<Vault['currentVersion']>) => vault.currentVersion(...values),
  };
  return new Proxy(vault, { get: (_, key) => timed[key] });
}
