import { ColumnBuffer, FIELD_SLACK } from './column-buffer.ts';

/** A value that is the same in every row. */
export class Same {
  /** Its length and its bytes. */
  readonly field: Buffer;

  constructor(column: ColumnBuffer) {
    this.field = column.fields();
  }
}

export const same = {
  int4: (value: number): Same => of('int4', (column) => column.int4(value)),
  text: (value: string): Same => of('text', (column) => column.string(value)),
  timestamp: (value: Date): Same => of('timestamp', (column) => column.timestamp(value.getTime())),
} as const;

function of(type: ColumnBuffer['type'], fill: (column: ColumnBuffer) => void): Same {
  const column = new ColumnBuffer(type);
  fill(column);
  return new Same(column);
}

export type TupleColumn = ColumnBuffer | Same;

/** Signature, flags, and the length of an extension that there never was. */
export const COPY_HEADER = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)]);
/** A tuple of -1 fields ends the data. */
export const COPY_END = Buffer.from([0xff, 0xff]);

const WORD_BYTES = 4;
/** Shorter fields are copied word by word, which costs less than a call. */
const SHORT = 256;

/**
 * Columns side by side as the rows that a binary COPY reads, header and end included; a value of `Same` is in each of
 * them. A field lies in a column as it lies in a row, its length in front, so it is only moved; what a last word copies
 * too much, the next field covers.
 * Format: PostgreSQL manual, "COPY", binary format.
 */
export function tuplesOf(
  columns: readonly TupleColumn[],
  allocate: (bytes: number) => Buffer = Buffer.allocUnsafeSlow,
): Buffer {
  const rows = rowsOf(columns);
  const sources = columns.map((column) => (column instanceof Same ? column.field : column.fields()));
  const views = sources.map(({ buffer, byteOffset, length }) => new DataView(buffer, byteOffset, length));
  /** How far a column goes on from row to row: by its field, or not at all. */
  const goesOn = Uint8Array.from(columns, (column) => (column instanceof Same ? 0 : 1));
  const room = sources.reduce((sum, { length }, i) => sum + length * (goesOn[i] ? 1 : rows), 2 * rows);
  const bytes = allocate(COPY_HEADER.length + room + COPY_END.length + FIELD_SLACK);
  const out = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let to = COPY_HEADER.copy(bytes);
  const at = new Uint32Array(columns.length);
  for (let row = 0; row < rows; row++) {
    out.setInt16(to, columns.length);
    to += 2;
    for (let i = 0; i < columns.length; i++) {
      const view = views[i];
      const from = at[i];
      const size = 4 + Math.max(0, view.getInt32(from));
      if (size < SHORT)
        for (let word = 0; word < size; word += WORD_BYTES)
          out.setInt32(to + word, view.getInt32(from + word, true), true);
      else sources[i].copy(bytes, to, from, from + size);
      to += size;
      at[i] += size * goesOn[i];
    }
  }
  to += COPY_END.copy(bytes, to);
  return bytes.subarray(0, to);
}

/** Throws when columns differ in length: half a row must never be sent. */
function rowsOf(columns: readonly TupleColumn[]): number {
  const counts = columns.flatMap((column) => (column instanceof ColumnBuffer ? [column.count] : []));
  const rows = counts[0] ?? 0;
  const uneven = counts.find((count) => count !== rows);
  if (uneven !== undefined) throw new Error(`one column holds ${uneven} values, another ${rows}`);
  return rows;
}
