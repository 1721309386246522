import { type AuthorisationCell, type ServeOptions, Serving } from '#services/authorisations/main.ts';
import { authorisations } from '#services/authorisations/service.ts';
import { serveCards } from '#services/cards/main.ts';
import { serveLedger } from '#services/ledger/main.ts';
import { httpToken } from '../cells/http-token.ts';
import { type Cell, openVault, refreshVault } from '../cells/open-cell.ts';
import type { AllSettings } from './settings.ts';

/** What jobs need beside the lanes. */
const SPARE_CONNECTIONS = 3;
/** The few statements of a batch run all the time. */
const BATCHES = { plansOnce: true };
/** What the ledger moves for a message is recorded right after it, and nobody is told before that is durable. */
const MOVES = { ...BATCHES, commitsLater: true };

/** Puts what serving messages needs into this process: each lane has a connection of its own to each service. */
export async function enterAuthorisations(cell: Cell, settings: AllSettings): Promise<AuthorisationCell> {
  const lanes = settings.RELEVO_LANES;
  const db = cell.connect(authorisations.name, lanes + SPARE_CONNECTIONS, BATCHES);
  const vault = await openVault(cell, db);
  const caller = authorisations.name;
  return {
    db,
    vault,
    refreshVault: () => refreshVault(cell, db, vault),
    clients: {
      cards: cell.calls.client(serveCards(cell.connect('cards', lanes + 1, BATCHES), vault), caller),
      ledger: cell.calls.client(serveLedger(cell.connect('ledger', lanes + 1, MOVES)), caller),
    },
    settings,
  };
}

/** Where to listen for HTTP; what its hosts have to know is the cell's own. */
export interface LocalServeOptions extends Omit<ServeOptions, 'http'> {
  readonly http?: { readonly host: string; readonly port: number };
}

/** Serves the messages of a cell's BIN ranges in this process. */
export const serveAuthorisations = async (
  cell: Cell,
  settings: AllSettings,
  { http, ...options }: LocalServeOptions,
): Promise<Serving> =>
  Serving.begin(await enterAuthorisations(cell, settings), {
    ...options,
    http: http && { ...http, token: httpToken(cell.file) },
  });
