import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { CellFile } from '../cells/cell-file.ts';
import type { Handoff, ToCell, Told } from './handoff.ts';

const ANSWER_MS_MAX = 5_000;

/** The process's end of the pipes to whoever started it. */
export class CellPipe {
  /** Null when it was let go before it was handed anything. */
  readonly handoff: Promise<Handoff | null>;
  /** Whoever started it holds the other end, and lets go of it to end it, however that happens. */
  readonly letGo: Promise<null>;
  readonly #output: Writable;
  #wanted: PromiseWithResolvers<CellFile> | null = null;

  constructor(input: Readable, output: Writable) {
    this.#output = output;
    const handed = Promise.withResolvers<Handoff>();
    const letGo = Promise.withResolvers<null>();
    createInterface({ input })
      .on('line', (line) => {
        const told = JSON.parse(line) as ToCell;
        if (told.kind === 'handoff') handed.resolve(told.handoff);
        else this.#answer(told.file);
      })
      .once('close', () => letGo.resolve(null));
    this.letGo = letGo.promise;
    this.handoff = Promise.race([handed.promise, letGo.promise]);
  }

  tell(told: Told): void {
    this.#output.write(`${JSON.stringify(told)}\n`);
  }

  /** The cell's file as it is now. Those who ask together are answered together. */
  fileNow(): Promise<CellFile> {
    if (this.#wanted) return this.#wanted.promise;
    const wanted = Promise.withResolvers<CellFile>();
    this.#wanted = wanted;
    const late = setTimeout(() => this.#answer(null), ANSWER_MS_MAX);
    this.tell({ state: 'file_wanted' });
    return wanted.promise.finally(() => clearTimeout(late));
  }

  #answer(file: CellFile | null): void {
    const wanted = this.#wanted;
    this.#wanted = null;
    if (file) wanted?.resolve(file);
    else wanted?.reject(new Error('the file of the cell could not be had'));
  }
}
