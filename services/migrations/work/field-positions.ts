import { FIELDS_MAX } from '../portfolio/records.ts';
import type { Fields } from '../portfolio/split-line.ts';

/**
 * Where the fields of a chunk's lines lie, so that a line need not be split again for each batch that it fills.
 * The memory serves chunk after chunk.
 */
export class FieldPositions {
  #starts = new Int32Array(0);
  #ends = new Int32Array(0);
  /** The line was split from a copy of its own, because quotes had to be undone: its positions say nothing here. */
  #copied = new Uint8Array(0);

  /** Makes room for the lines of a chunk and forgets those of the last. */
  reset(lines: number): void {
    if (this.#copied.length < lines) {
      this.#starts = new Int32Array(lines * FIELDS_MAX);
      this.#ends = new Int32Array(lines * FIELDS_MAX);
      this.#copied = new Uint8Array(lines);
    }
  }

  keep(line: number, fields: Fields, source: Buffer): void {
    this.#starts.set(fields.start, line * FIELDS_MAX);
    this.#ends.set(fields.end, line * FIELDS_MAX);
    this.#copied[line] = fields.source === source ? 0 : 1;
  }

  /** Brings back the positions of a line that was kept; false when it has to be split again. */
  restore(line: number, fields: Fields, source: Buffer): boolean {
    if (this.#copied[line] === 1) return false;
    const { start, end } = fields;
    for (let field = 0, at = line * FIELDS_MAX; field < FIELDS_MAX; field++, at++) {
      start[field] = this.#starts[at];
      end[field] = this.#ends[at];
    }
    fields.source = source;
    return true;
  }
}
