import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Census, type CensusOptions } from './census.ts';
import { lineCodes, RowCheck, Utf8Lines, type LineCode } from './check-row.ts';
import { currencyNumber } from './code-lists.ts';
import { readHeader, type Header } from './header.ts';
import { LineCutter, type CutOptions, type LineBatch } from './line-cutter.ts';
import { int } from './read-fields.ts';
import { O, type RowType } from './records.ts';
import type { PlaintextRefusal } from './refusal.ts';
import { LineSet } from './line-set.ts';
import { Fields, splitLine } from './split-line.ts';
import { TotalsSum, type Totals } from './totals.ts';
import { compareTotals, missingTrailer, readTrailer, type TrailerResult } from './trailer.ts';

export interface ScanOptions extends Pick<CutOptions, 'chunkLines' | 'chunkBytes'> {
  /** `YYYY-MM-DD`; a later birth date lies in the future. */
  readonly today: string;
  /** Where what does not fit into memory goes, enciphered and without a name. */
  readonly tempDirectory: string;
  readonly census?: Omit<CensusOptions, 'tempDirectory'>;
  /** Called after each batch with all bytes and lines so far, header and trailer included. */
  readonly onProgress?: (progress: { bytes: number; lines: number }) => void;
}

/** What one pass over a plaintext tells. Of a refused file everything but the digest may be incomplete. */
export interface Scan {
  readonly header: Header | null;
  /** The first in the contract's order of precedence. */
  readonly refusal: PlaintextRefusal | null;
  /** Hexadecimal, over the exact bytes. */
  readonly plaintextSha256: string;
  readonly plaintextBytes: number;
  /** Lines between header and trailer. */
  readonly lines: number;
  readonly rows: Readonly<Record<RowType | '?', number>>;
  /** How many lines fail the checks of a single line; other codes may still be given later. */
  readonly rejections: Readonly<Record<LineCode, number>>;
  readonly posted: Totals;
  readonly held: Totals;
  /** Lines that have to be judged in file order, among themselves; see `census.ts`. */
  readonly entangled: Uint32Array | 'all';
  /** Lines whose account or cardholder other lines state too, in the same words; see `census.ts`. */
  readonly shared: LineSet;
}

/**
 * Reads a plaintext to its end, whatever is wrong with it: only there does the envelope tell whether the bytes
 * are genuine, and its verdict has precedence. If the stream fails, so does the scan.
 */
export async function scanPortfolio(
  plaintext: AsyncIterable<Uint8Array>,
  options: ScanOptions,
): Promise<Scan> {
  using scanner = new Scanner(options);
  const sha256 = createHash('sha256');
  const cutter = new LineCutter({ ...options, recycle: true });
  let bytes = 0;
  for await (const chunk of plaintext) {
    sha256.update(chunk);
    bytes += chunk.length;
    if (scanner.isSettled) continue;
    for (const batch of cutter.push(chunk)) {
      scanner.add(batch);
      options.onProgress?.({ bytes, lines: scanner.linesRead });
      await nextTurn();
    }
  }
  for (const batch of cutter.end()) scanner.add(batch);
  const findings = await scanner.finish();
  options.onProgress?.({ bytes, lines: scanner.linesRead });
  return { ...findings, plaintextSha256: sha256.digest('hex'), plaintextBytes: bytes };
}

class Scanner implements Disposable {
  readonly #today: string;
  readonly #census: Census;
  readonly #fields = new Fields();
  readonly #rows = { C: 0, O: 0, W: 0, '?': 0 };
  readonly #rejections = Object.fromEntries(lineCodes.map((code) => [code, 0])) as Record<LineCode, number>;
  readonly #held = new TotalsSum();
  #rowCheck: RowCheck | null = null;
  #header: Header | null = null;
  #refusal: PlaintextRefusal | null = null;
  /** Of a T line; it counts as long as no other line follows. */
  #trailer: TrailerResult | null = null;
  #linesRead = 0;

  constructor({ today, tempDirectory, census }: ScanOptions) {
    this.#today = today;
    this.#census = new Census({ ...census, tempDirectory });
  }

  /** Nothing that follows can change the refusal. */
  get isSettled(): boolean {
    return this.#refusal !== null;
  }

  get linesRead(): number {
    return this.#linesRead;
  }

  add(batch: LineBatch): void {
    const utf8 = new Utf8Lines(batch.bytes);
    for (let i = 0; i < batch.count && !this.isSettled; i++) {
      const start = batch.starts[i];
      const end = batch.ends[i];
      splitLine(batch.bytes, start, end, this.#fields);
      this.#addLine(batch.firstLine + i, utf8.isValid(start, end));
    }
  }

  async finish(): Promise<Omit<Scan, 'plaintextSha256' | 'plaintextBytes'>> {
    const held = this.#held.totals();
    let posted: Totals = new Map();
    let entangled: Scan['entangled'] = new Uint32Array();
    let shared = new LineSet();
    this.#refusal ??= this.#linesRead === 0 ? { code: 'bad_header', detail: 'the file is empty' } : null;
    if (this.#refusal === null) {
      ({ posted, entangled, shared } = await this.#census.finish());
      const [cardRows, holdRows, tokenRows] = [this.#rows.C, this.#rows.O, this.#rows.W];
      const { trailer, refusal } = this.#trailer ?? noTrailer;
      this.#refusal = refusal ?? compareTotals(trailer, { cardRows, holdRows, tokenRows, posted, held });
    }
    return {
      header: this.#header,
      refusal: this.#refusal,
      lines: this.#rows.C + this.#rows.O + this.#rows.W + this.#rows['?'],
      rows: this.#rows,
      rejections: this.#rejections,
      posted,
      held,
      entangled,
      shared,
    };
  }

  [Symbol.dispose](): void {
    this.#census[Symbol.dispose]();
  }

  #addLine(line: number, isUtf8: boolean): void {
    this.#linesRead = line;
    if (this.#rowCheck === null) return this.#addHeader(isUtf8);
    if (this.#trailer !== null) this.#refusal = missingTrailer('a T line stands before the last line');
    else if (this.#fields.type === 'H')
      this.#refusal = missingTrailer('a second H line stands before the end');
    else if (this.#fields.type === 'T') this.#trailer = readTrailer(this.#fields, isUtf8);
    else this.#addRow(this.#rowCheck, line, isUtf8);
  }

  #addHeader(isUtf8: boolean): void {
    const { header, refusal } = readHeader(this.#fields, isUtf8);
    this.#header = header;
    this.#refusal = refusal;
    if (header !== null) this.#rowCheck = new RowCheck({ binRanges: header.binRanges, today: this.#today });
  }

  #addRow(rowCheck: RowCheck, line: number, isUtf8: boolean): void {
    const fields = this.#fields;
    const type = fields.type as RowType | '?';
    this.#rows[type]++;
    const rejection = rowCheck.check(fields, isUtf8);
    if (rejection !== null) this.#rejections[rejection.code]++;
    switch (type) {
      case 'C':
        if (rejection === null) this.#census.card(fields, line);
        else if (rowCheck.statesPosted(fields)) this.#census.rejectedCard(fields, line);
        break;
      case 'O':
        if (rejection === null) this.#census.hold(fields, line);
        if (rejection === null || rowCheck.statesHeld(fields))
          this.#held.add(holdCurrency(fields), int(fields, O.amount_minor));
        break;
      case 'W':
        if (rejection === null) this.#census.token(fields, line);
        break;
      case '?':
        break;
    }
  }
}

const noTrailer: TrailerResult = { trailer: null, refusal: missingTrailer('the last line is no T line') };

function holdCurrency(fields: Fields): number {
  return currencyNumber(fields.source, fields.start[O.currency], fields.end[O.currency]);
}
