import { hash } from 'node:crypto';

const LANES = 8;

/**
 * A digest of a table's rows that does not ask for their order: the SHA-256 of each row in PostgreSQL's binary form,
 * added up in eight lanes of 32 bits. A row that is lost, doubled or changed changes it. It tells of accidents; what
 * somebody altered on purpose is told by the seal of the backup that the digest lies in.
 */
export class RowsDigest {
  rows = 0;
  bytes = 0;
  readonly #lanes = new Uint32Array(LANES);

  add(row: Buffer): void {
    const digest = hash('sha256', row, 'buffer');
    for (let lane = 0; lane < LANES; lane++) this.#lanes[lane] += digest.readUInt32LE(lane * 4);
    this.rows++;
    this.bytes += row.length;
  }

  /** 64 hexadecimal digits. */
  get text(): string {
    return Buffer.from(this.#lanes.buffer).toString('hex');
  }
}
