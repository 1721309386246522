import type { Server } from '#runtime/postgres/server.ts';
import { readRanges } from '#services/authorisations/store/ranges.ts';
import { findActive } from '#services/migrations/store.ts';
import { cellText, type CellName } from '../cells/cell-name.ts';
import { openCell } from '../cells/open-cell.ts';
import { cellsInService } from '../cells/read-platform.ts';
import { lastTouch } from '../cells/touched.ts';

/** What a cell needs just now. */
export interface Needs {
  /** It has BIN ranges, so the network must find it. */
  readonly network: boolean;
  /** A migration is under way and not paused. */
  readonly workers: boolean;
  /** A migration is under way. */
  readonly isBusy: boolean;
}

/** A cell that nobody has touched is looked at again after so long, in case somebody elsewhere has. */
const LOOK_AGAIN_MS = 60_000;
const AT_ONCE = 4;

interface Looked {
  touch: string;
  atMs: number;
  needs: Needs | null;
}

/**
 * Finds out what the cells of a home need, without holding a connection to any: a cell is looked at when it is new, when a
 * command has touched it, while it is busy, and else once a minute, each minute's share spread over it.
 */
export class CellWatch {
  readonly #server: Server;
  readonly #home: string;
  readonly #looked = new Map<string, Looked>();

  constructor(server: Server, home: string) {
    this.#server = server;
    this.#home = home;
  }

  /** Calls `onNeeds` for each cell that was looked at, `onFailed` for one that could not be. */
  async look(
    onNeeds: (name: CellName, needs: Needs) => void | Promise<void>,
    onFailed: (name: CellName, error: unknown) => void,
  ): Promise<void> {
    const cells = await cellsInService(this.#home);
    const here = new Set(cells.map(cellText));
    for (const name of this.#looked.keys()) if (!here.has(name)) this.#looked.delete(name);
    const due: CellName[] = [];
    for (const name of cells) if (await this.#isDue(name)) due.push(name);
    while (due.length > 0)
      await Promise.all(
        due.splice(0, AT_ONCE).map(async (name) => {
          try {
            const needs = await this.#lookAt(name);
            this.#looked.get(cellText(name))!.needs = needs;
            await onNeeds(name, needs);
          } catch (error) {
            onFailed(name, error);
          }
        }),
      );
  }

  async #isDue(name: CellName): Promise<boolean> {
    const touch = await lastTouch(this.#home, name);
    const known = this.#looked.get(cellText(name));
    const nowMs = performance.now();
    // Cells that were found together must not be looked at together for ever.
    const spread = known ? 0 : Math.random() * LOOK_AGAIN_MS;
    const due =
      !known || known.touch !== touch || known.needs?.isBusy === true || nowMs - known.atMs > LOOK_AGAIN_MS;
    if (due) this.#looked.set(cellText(name), { touch, atMs: nowMs - spread, needs: known?.needs ?? null });
    return due;
  }

  async #lookAt(name: CellName): Promise<Needs> {
    const cell = await openCell(this.#server, this.#home, name);
    try {
      const [ranges, active] = await Promise.all([
        readRanges(cell.connect('authorisations', 1)),
        findActive(cell.connect('migrations', 1)),
      ]);
      return {
        network: ranges.length > 0,
        workers: active !== null && !active.paused && active.kind !== 'mock',
        isBusy: active !== null,
      };
    } finally {
      await cell.close();
    }
  }
}
