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
    // Letters of a byte each: a buffer for every row costs more than the digest does.
    const digest = hash('sha256', row, 'binary');
    for (let lane = 0, at = 0; lane < LANES; lane++, at += 4)
      this.#lanes[lane] +=
        digest.charCodeAt(at) |
        (digest.charCodeAt(at + 1) << 8) |
        (digest.charCodeAt(at + 2) << 16) |
        (digest.charCodeAt(at + 3) << 24);
    this.rows++;
    this.bytes += row.length;
  }

  /** 64 hexadecimal digits. */
  get text(): string {
    return Buffer.from(this.#lanes.buffer).toString('hex');
  }
}
