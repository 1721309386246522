import { SampleCards } from './cards.ts';
import { Chunks } from './chunks.ts';
import { DeltaEdition } from './delta-edition.ts';
import { FullEdition, type Edition } from './edition.ts';
import { FaultSource } from './fault-source.ts';
import { BIN_RANGES, INDEX_LIMIT } from './ids.ts';
import { Satellites, type Place } from './satellites.ts';
import { Trailer } from './trailer.ts';

export interface SampleOptions {
  tenant: string;
  environment: 'demo' | 'staging' | 'production';
  /** From 0 to 2^32 - 1. Two seeds share no external id. */
  seed: number;
  /** Cards of the full file; a delta changes some of these. From 1 to 80 million. */
  cards: number;
  kind: 'full' | 'delta' | 'mock';
  /** Faulty lines among the good ones, going round every rejection code. Default 0. */
  faults?: number;
  /** Default 1 for `full`, 2 for `delta`; a `mock` always carries 0. Deltas count on from the full file's 1. */
  sequence?: number;
  source?: string;
  fileId?: string;
  /** `YYYY-MM-DDThh:mm:ssZ`. A delta of a full file is told the same moment: dates are drawn around it. */
  createdAt?: string;
  /** Cards with an open hold. Default 8. */
  holdsPercent?: number;
  /** Cards with a wallet token. Default 6. */
  tokensPercent?: number;
  /** Cards a delta touches, the same in all deltas of a portfolio. Default 10. A tenth as many are new. */
  changedPercent?: number;
}

/** So many lines before its card may a hold or token stand. */
const LINES_BEFORE = 64;

/**
 * The plaintext of a portfolio, in chunks of about 256 KiB. Everything in it is random combination, the
 * same for the same options. Memory stays flat: any card can be drawn again from the seed and its index.
 */
export function* samplePortfolio(options: SampleOptions): Generator<Buffer, void, void> {
  const cards = new SampleCards({ seed: options.seed, createdAt: createdAtOf(options) });
  const edition = editionOf(options, cards);
  const chunks = new Chunks();
  const writer = new Writer({ cards, edition, chunks });
  chunks.addLine(headerOf(options, cards.ids.prefix));

  const steps = edition.ranges.reduce((sum, { first, end }) => sum + end - first, 0);
  const faults = options.faults ?? 0;
  let step = 0;
  let made = 0;
  for (const { first, end } of edition.ranges) {
    for (let index = first; index < end; index++, step++) {
      // Cards near the start have no line so far before them: their holds and tokens follow them.
      if (index + LINES_BEFORE < end) writer.satellites(index + LINES_BEFORE, 'before');
      writer.card(index);
      if (index < first + LINES_BEFORE) writer.satellites(index, 'before');
      writer.satellites(index, 'after');
      if (chunks.isFull) yield chunks.take();
      for (; made < faults && (made + 0.5) * steps < (step + 1) * faults; made++) {
        writer.fault(index);
        if (chunks.isFull) yield chunks.take();
      }
    }
  }
  for (const { first, end } of edition.ranges) {
    for (let index = first; index < end; index++) {
      writer.satellites(index, 'end');
      if (chunks.isFull) yield chunks.take();
    }
  }
  chunks.addLine(writer.trailer());
  yield chunks.take();
}

/** Writes lines and keeps count of them. */
class Writer {
  readonly #edition: Edition;
  readonly #faults: FaultSource;
  readonly #chunks: Chunks;
  readonly #trailer = new Trailer();

  constructor({ cards, edition, chunks }: { cards: SampleCards; edition: Edition; chunks: Chunks }) {
    this.#edition = edition;
    this.#faults = new FaultSource(cards, edition);
    this.#chunks = chunks;
  }

  card(index: number): void {
    const sent = this.#edition.card(index);
    if (sent === null) return;
    this.#chunks.addLine(sent.fields.join(','));
    this.#trailer.countRow('C');
    if (sent.isFirstOfAccount) this.#trailer.addPosted(sent.fields);
    if (sent.isAccepted) this.#faults.rememberCard(sent.fields);
  }

  satellites(index: number, place: Place): void {
    const hold = this.#edition.hold(index, place);
    if (hold !== null) {
      this.#chunks.addLine(hold.join(','));
      this.#trailer.countRow('O');
      this.#trailer.addHeld(hold);
      this.#faults.last.hold = hold;
    }
    const token = this.#edition.token(index, place);
    if (token !== null) {
      this.#chunks.addLine(token.join(','));
      this.#trailer.countRow('W');
      this.#faults.last.token = token;
    }
  }

  fault(position: number): void {
    const { recordType, line, summed } = this.#faults.make(position);
    this.#chunks.addLine(line);
    if (recordType === '?') return;
    this.#trailer.countRow(recordType);
    if (summed === null) return;
    if (recordType === 'C') this.#trailer.addPosted(summed);
    else this.#trailer.addHeld(summed);
  }

  trailer(): string {
    return this.#trailer.line();
  }
}

/** Above them is room for the new cards of deltas, and at the very top for faulty lines. */
const CARDS_MAX = INDEX_LIMIT * 0.8;

const createdAtOf = ({ createdAt = '2026-11-20T06:00:00Z' }: SampleOptions): string => createdAt;

const sequenceOf = ({ kind, sequence }: SampleOptions): number =>
  kind === 'mock' ? 0 : (sequence ?? (kind === 'full' ? 1 : 2));

function headerOf(options: SampleOptions, prefix: string): string {
  const { tenant, environment, kind, source = 'old-processor' } = options;
  const sequence = sequenceOf(options);
  const fileId = options.fileId ?? `sample-${prefix}-${kind}-${sequence}`;
  return `H,1,${fileId},${tenant},${environment},${kind},${sequence},${source},${createdAtOf(options)},${BIN_RANGES}`;
}

function editionOf(options: SampleOptions, cards: SampleCards): Edition {
  const { seed, cards: count, kind, holdsPercent = 8, tokensPercent = 6, changedPercent = 10 } = options;
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) throw new RangeError(`no seed: ${seed}`);
  if (!Number.isInteger(count) || count < 1 || count > CARDS_MAX)
    throw new RangeError(`no number of cards: ${count}`);
  const common = { cards, seed, createdAt: createdAtOf(options), shares: { holdsPercent, tokensPercent } };
  const satellites = new Satellites(common);
  if (kind !== 'delta') return new FullEdition({ cards, satellites, count });
  const deltaNumber = sequenceOf(options) - 1;
  if (deltaNumber < 1)
    throw new RangeError('a delta comes after the full file, so its sequence is 2 or more');
  return new DeltaEdition({
    cards,
    earlier: satellites,
    own: new Satellites({ ...common, deltaNumber }),
    seed,
    count,
    deltaNumber,
    changedPercent,
  });
}
