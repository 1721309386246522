import type { BatchCmac } from '#runtime/vault/cmac.ts';
import type { ExternalKind, IdCoder } from '#runtime/vault/id-coder.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import { type RowCheck, Utf8Lines } from '../portfolio/check-row.ts';
import { C, O, W } from '../portfolio/records.ts';
import { Fields, splitLine } from '../portfolio/split-line.ts';
import type { ChunkLines } from '../queue/chunk-payload.ts';
import { FieldPositions } from './field-positions.ts';
import type { Reason, RecordType } from './outcome.ts';

const CODE_BYTES = 16;
const COMMA = 0x2c;
const NONE = -1;

/** What one worker reads lines with. All of it keeps buffers, so it is made once and used chunk after chunk. */
export class LineReader {
  readonly positions = new FieldPositions();
  readonly ids: IdCoder;
  readonly panIndexes: BatchCmac;
  readonly contents: BatchCmac;

  constructor(vault: Vault) {
    this.ids = vault.idCoder();
    this.panIndexes = vault.coder('pan-index');
    this.contents = vault.coder('content');
  }
}

/**
 * The lines of a chunk, split and judged each by itself, with the ids and keyed codes of those that stand.
 */
export class ParsedLines {
  readonly count: number;
  readonly numbers: Uint32Array;
  readonly types: RecordType[] = [];
  readonly externalIds: string[] = [];
  /** Why the line itself is rejected; null where it stands. */
  readonly reasons: (Reason | null)[] = [];
  /** Ids of the lines that stand; `C`: card, account, cardholder; `O`: hold, card; `W`: token, card. */
  readonly ids: Buffer;
  /** The ids that the holds of `O` lines have here when messages placed them. */
  readonly liveHoldIds: Buffer;
  readonly contents: Buffer;
  readonly panIndexes: Buffer;
  readonly #chunk: ChunkLines;
  readonly #idAt: Int32Array;
  readonly #contentAt: Int32Array;
  readonly #panAt: Int32Array;
  readonly #liveHoldAt: Int32Array;
  readonly #positions: FieldPositions;
  readonly #fields = new Fields();

  constructor(chunk: ChunkLines, check: RowCheck, reader: LineReader) {
    this.#chunk = chunk;
    this.#positions = reader.positions;
    this.#positions.reset(chunk.count);
    this.count = chunk.count;
    this.numbers = chunk.numbers;
    this.#idAt = new Int32Array(chunk.count).fill(NONE);
    this.#contentAt = new Int32Array(chunk.count).fill(NONE);
    this.#panAt = new Int32Array(chunk.count).fill(NONE);
    this.#liveHoldAt = new Int32Array(chunk.count).fill(NONE);
    const utf8 = new Utf8Lines(chunk.bytes);
    const fields = this.#fields;
    for (let i = 0; i < chunk.count; i++) {
      splitLine(chunk.bytes, chunk.starts[i], chunk.ends[i], fields);
      const reason = check.check(fields, utf8.isValid(chunk.starts[i], chunk.ends[i]));
      this.reasons.push(reason);
      this.types.push(fields.type === 'H' || fields.type === 'T' ? '?' : fields.type);
      this.externalIds.push(
        reason ? check.externalId(fields) : fields.source.toString('latin1', fields.start[1], fields.end[1]),
      );
      if (reason) continue;
      this.#addCodes(i, fields, reader);
      reader.positions.keep(i, fields, chunk.bytes);
    }
    this.ids = reader.ids.ids();
    this.liveHoldIds = this.#nameLiveHolds(reader.ids);
    this.contents = reader.contents.macs();
    this.panIndexes = reader.panIndexes.macs();
  }

  /** The fields of line `i`, which stands; good until the next call. */
  fieldsOf(i: number): Fields {
    const { bytes, starts, ends } = this.#chunk;
    if (!this.#positions.restore(i, this.#fields, bytes)) splitLine(bytes, starts[i], ends[i], this.#fields);
    return this.#fields;
  }

  /** The bytes of line `i` as they came. */
  bytesOf(i: number): Buffer {
    return this.#chunk.bytes.subarray(this.#chunk.starts[i], this.#chunk.ends[i]);
  }

  /** Where line `i`'s own id (card, hold or token) lies in `ids`. */
  ownIdAt(i: number): number {
    return this.#idAt[i];
  }

  accountIdAt(i: number): number {
    return this.#idAt[i] + CODE_BYTES;
  }

  cardholderIdAt(i: number): number {
    return this.#idAt[i] + 2 * CODE_BYTES;
  }

  /** The card that an `O` or `W` line hangs on. */
  linkedCardIdAt(i: number): number {
    return this.#idAt[i] + CODE_BYTES;
  }

  contentAt(i: number): number {
    return this.#contentAt[i];
  }

  cardholderContentAt(i: number): number {
    return this.#contentAt[i] + CODE_BYTES;
  }

  panIndexAt(i: number): number {
    return this.#panAt[i];
  }

  liveHoldIdAt(i: number): number {
    return this.#liveHoldAt[i];
  }

  /** Drawn from the ids of cards, so they come after all others. */
  #nameLiveHolds(ids: IdCoder): Buffer {
    for (let i = 0; i < this.count; i++) {
      if (this.types[i] !== 'O' || this.#idAt[i] === NONE) continue;
      const { source, start, end } = this.fieldsOf(i);
      const rrn = source.subarray(start[O.rrn], end[O.rrn]);
      const approvalCode = source.subarray(start[O.approval_code], end[O.approval_code]);
      this.#liveHoldAt[i] = ids.liveHold(this.ids, this.linkedCardIdAt(i), rrn, approvalCode) * CODE_BYTES;
    }
    return ids.ids();
  }

  #addCodes(i: number, fields: Fields, { ids, contents, panIndexes }: LineReader): void {
    switch (fields.type) {
      case 'C':
        this.#idAt[i] = addId(ids, 'card', fields, C.external_card_id);
        addId(ids, 'account', fields, C.external_account_id);
        addId(ids, 'cardholder', fields, C.external_cardholder_id);
        this.#contentAt[i] = addContent(contents, fields, 0, C.embossed_name);
        addContent(contents, fields, C.given_names, C.country);
        this.#panAt[i] = panIndexes.add(fields.source, fields.start[C.pan], fields.end[C.pan]) * CODE_BYTES;
        return;
      case 'O':
        this.#idAt[i] = addId(ids, 'hold', fields, O.external_hold_id);
        addId(ids, 'card', fields, O.external_card_id);
        this.#contentAt[i] = addContent(contents, fields, 0, O.expires_at);
        return;
      default:
        this.#idAt[i] = addId(ids, 'token', fields, W.external_token_ref);
        addId(ids, 'card', fields, W.external_card_id);
        this.#contentAt[i] = addContent(contents, fields, 0, W.expiry);
    }
  }
}

/** Where the code of an id will lie among the others. */
function addId(ids: IdCoder, kind: ExternalKind, { source, start, end }: Fields, field: number): number {
  return ids.external(kind, source, start[field], end[field]) * CODE_BYTES;
}

/** Where the code of the fields `from` to `to` will lie among the others. */
function addContent(contents: BatchCmac, fields: Fields, from: number, to: number): number {
  appendContent(contents, fields, from, to);
  return contents.end() * CODE_BYTES;
}

/**
 * What the fields `from` to `to` say, however they were quoted: the fields joined by commas, a comma inside a
 * field as NUL, which no field that stands can hold.
 */
function appendContent(contents: BatchCmac, fields: Fields, from: number, to: number): void {
  const { source, start, end } = fields;
  for (let first = from; first <= to;) {
    // Fields that lie side by side were not quoted: no comma is in them, and they go in as they stand.
    let last = first;
    while (last < to && end[last] + 1 === start[last + 1]) last++;
    if (first > from) contents.appendByte(COMMA);
    if (last > first) contents.append(source, start[first], end[last]);
    else appendField(contents, source, start[first], end[first]);
    first = last + 1;
  }
}

/** A field that may have been quoted, with each comma in it as NUL. */
function appendField(contents: BatchCmac, source: Buffer, start: number, end: number): void {
  let from = start;
  for (let at = start; at < end; at++) {
    if (source[at] !== COMMA) continue;
    contents.append(source, from, at);
    contents.appendByte(0);
    from = at + 1;
  }
  contents.append(source, from, end);
}
