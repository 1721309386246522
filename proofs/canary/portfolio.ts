import { C, SampleCards } from '#services/migrations/sample/cards.ts';
import { Trailer } from '#services/migrations/sample/trailer.ts';
import { BINS, type Canaries } from './canaries.ts';
import { EXPIRY } from './messages.ts';

const CREATED_AT = '2026-11-20T06:00:00Z';
/** Every fourth card of a sample has an account and a holder of its own. */
const FOUNDERS = 4;

/** Fields of a card in which 16 to 19 digits break the field's rule, so that the line is rejected for them. */
const REJECTING = [
  'operation',
  'expiry',
  'pan_sequence',
  'service_code',
  'status',
  'card_type',
  'issued_on',
  'pin_format',
  'pin_tries_left',
  'account_type',
  'document_type',
  'birth_date',
  'email',
  'phone',
  'country',
] as const;

export interface Line {
  readonly type: 'C' | 'O' | 'W' | '?';
  readonly bytes: Buffer;
  /** The fields that count in the trailer's sums. */
  readonly summed: readonly string[] | null;
}

/** A card that later lines lean on. */
type Fields = readonly string[];

/** Makes lines of every kind, each with canaries of its own. */
export class CanaryLines {
  readonly lines: Line[] = [];
  /** Cards that a trigger of the proof makes fail. */
  readonly failing: string[] = [];
  readonly #cards: SampleCards;
  readonly #canaries: Canaries;
  #next = 0;

  constructor(seed: number, canaries: Canaries) {
    this.#cards = new SampleCards({ seed, createdAt: CREATED_AT });
    this.#canaries = canaries;
  }

  /** A good card with a PAN and PIN value of its own. */
  card(path: string, change: Partial<Record<keyof typeof C, string>> = {}): string[] {
    const index = this.#next;
    this.#next += FOUNDERS;
    const fields = this.#cards.fields(index);
    const format = (['iso0', 'iso4', 'ibm3624'] as const)[(index / FOUNDERS) % 3];
    fields[C.pan] = this.#canaries.pan(path, index % 16 === 0 ? { bin: BINS.long, digits: 19 } : {});
    fields[C.pin_format] = format;
    fields[C.pin_value] = this.#canaries.pin(path, format);
    fields[C.pin_key_id] = 'zpk-1';
    fields[C.pin_tries_left] = '3';
    for (const [name, value] of Object.entries(change)) fields[C[name as keyof typeof C]] = value;
    return fields;
  }

  add(fields: Fields, { summed = true } = {}): Fields {
    this.lines.push({ type: 'C', bytes: Buffer.from(fields.join(',')), summed: summed ? fields : null });
    return fields;
  }

  raw(type: Line['type'], text: string | Buffer, summed: Fields | null = null): void {
    this.lines.push({ type, bytes: Buffer.from(text as string), summed });
  }

  good(count: number): void {
    for (let i = 0; i < count; i++) this.add(this.card('a good line'));
  }

  /** Lines that cannot be split or decoded. */
  broken(): void {
    const { card } = this;
    const line = (path: string, change: (fields: string[]) => string | Buffer) =>
      this.raw('C', change(card.call(this, path)));
    line('a field too few', (f) => f.slice(0, -1).join(','));
    line('a field too many', (f) => [...f, 'x'].join(','));
    line('the id left out: PAN one field early', (f) => f.toSpliced(C.external_card_id, 1).join(','));
    line('PAN where the id is', (f) => f.toSpliced(1, 3).join(','));
    line('PAN with dashes where the id is', (f) => f.with(C.pan, dashed(f[C.pan])).toSpliced(1, 3).join(','));
    line('PAN and PIN value in one field', (f) =>
      f.with(C.pan, `${f[C.pan]}${f[C.pin_value]}`).toSpliced(1, 3).join(','),
    );
    line('quotes that do not close', (f) => f.with(C.pan, `"${f[C.pan]}`).join(','));
    line('a quote inside a field', (f) => f.with(C.pan, `${f[C.pan]}"`).join(','));
    const nul = this.card('NUL inside');
    this.raw('C', nul.with(C.given_names, 'A\0B').join(','), nul);
    this.raw('?', this.card('semicolons for commas').join(';'));
    line('a line of 70,000 bytes', (f) => f.with(C.address_line, 'x'.repeat(70_000)).join(','));
    const latin1 = this.card('bytes that are no UTF-8');
    this.raw('C', Buffer.from(latin1.with(C.given_names, 'María').join(','), 'latin1'), latin1);
    this.raw('?', `Z,${this.#canaries.pan('a line of an unknown type')},x`);
    this.raw('?', this.#canaries.pan('a line that is nothing but a PAN'));
    this.raw('?', `;${this.#canaries.pin('a line that is nothing but a PIN value', 'iso4')}`);
    this.raw('?', `%B${this.#canaries.pan('track data')}^NAME/SUR^30122010000000000000?`);
  }

  /** Lines whose fields break a rule. */
  invalid(): void {
    for (const field of REJECTING) {
      const f = this.card(`PAN in ${field}`);
      this.add(f.with(C[field], this.#canaries.pan(`PAN in ${field}`)));
    }
    const swapped = this.card('id and PAN swapped');
    this.add(swapped.with(C.external_card_id, swapped[C.pan]).with(C.pan, swapped[C.external_card_id]));
    const pinSwapped = this.card('id and PIN value swapped', { pin_format: 'iso4' });
    const iso4 = this.#canaries.pin('id and PIN value swapped', 'iso4');
    this.add(pinSwapped.with(C.external_card_id, iso4).with(C.pin_value, pinSwapped[C.external_card_id]));
    this.add(
      this.card('a wrong check digit', { pan: this.#canaries.pan('a wrong check digit', { valid: false }) }),
    );
    for (const separator of [' ', '-', '.']) {
      const f = this.card(`PAN in groups with "${separator}"`);
      this.add(f.with(C.pan, f[C.pan].match(/.{1,4}/g)!.join(separator)));
    }
    this.add(
      this.card('PIN value of another format', {
        pin_format: 'ibm3624',
        pin_value: this.#canaries.pin('PIN value of another format', 'iso4'),
      }),
    );
    const long = this.#canaries.pin('PIN value with a letter too much', 'iso0');
    this.add(this.card('PIN value with a letter too much', { pin_format: 'iso0', pin_value: `${long}X` }));
    this.add(this.card('PIN value without a key', { pin_key_id: '' }));
    this.add(
      this.card('a PAN of no declared range', {
        pan: this.#canaries.pan('a PAN of no declared range', { bin: BINS.undeclared }),
      }),
    );
  }

  /** Lines that clash with others, and lines that hang on cards. */
  conflicting(): void {
    const first = this.add(this.card('the line that others clash with'));
    const again = first.with(C.pan, this.#canaries.pan('a duplicate row'));
    this.add(again, { summed: false });
    const account = this.card('an account conflict');
    for (const field of [
      'external_account_id',
      'account_type',
      'currency',
      'posted_minor',
      'credit_limit_minor',
    ] as const)
      account[C[field]] = first[C[field]];
    this.add(account.with(C.posted_minor, String(Number(first[C.posted_minor]) + 7)), { summed: false });
    this.add(this.card('a PAN that belongs to another card', { pan: first[C.pan] }));
    this.add(this.card('the status of an unknown card', { operation: 'status' }));
    this.add(this.card('an unknown card closed', { operation: 'close' }));
    const hold = (id: string, card: string, change: Record<number, string>) => {
      const fields = [
        'O',
        id,
        card,
        '100',
        first[C.currency],
        'SHOP',
        '5411',
        'A1B2C3',
        '123456',
        '123456789012',
        CREATED_AT,
        '2027-11-20T06:00:00Z',
      ];
      for (const [at, value] of Object.entries(change)) fields[Number(at)] = value;
      return fields;
    };
    const held = (fields: string[]) => this.raw('O', fields.join(','), fields);
    held(hold('hold-ok', first[C.external_card_id], {}));
    const other = first[C.currency] === 'PEN' ? 'USD' : 'PEN';
    held(
      hold('hold-currency', first[C.external_card_id], {
        4: other,
        5: this.#canaries.pan('PAN as merchant of a hold in another currency'),
      }),
    );
    held(hold('hold-mcc', first[C.external_card_id], { 6: this.#canaries.pan('PAN in mcc of a hold') }));
    held(hold('hold-stan', first[C.external_card_id], { 8: this.#canaries.pan('PAN in stan of a hold') }));
    held(hold('hold-card', this.#canaries.pan('PAN as the card of a hold'), {}));
    held(
      hold('hold-merchant', 'no-such-card', { 5: this.#canaries.pan('PAN as merchant of a rejected hold') }),
    );
    this.raw(
      'O',
      hold('x', first[C.external_card_id], {})
        .toSpliced(1, 1, this.#canaries.pan('a hold with a field too few'))
        .slice(0, -1)
        .join(','),
    );
    const token = (id: string, card: string, device: string, expiry = '3012') =>
      this.raw('W', ['W', id, card, 'apple-pay', device, 'active', expiry].join(','));
    token('token-ok', first[C.external_card_id], 'phone');
    token('token-expiry', first[C.external_card_id], '', this.#canaries.pan('PAN in expiry of a token'));
    token('token-card', this.#canaries.pan('PAN as the card of a token'), '');
    token('token-device', 'no-such-card', this.#canaries.pan('PAN as device of a rejected token'));
  }

  /** The codes that need cards which are here already: those of the full file, sent again with other numbers. */
  versions(): void {
    const raised = this.add(this.card('a higher version', { version: '9' }));
    const stale = this.#canaries.pan('a stale version');
    this.add(raised.with(C.version, '8').with(C.pan, stale), { summed: false });
    this.add(this.card('a status line', { version: '9', operation: 'status', status: 'lost' }));
    this.add(this.card('a closing line', { version: '9', operation: 'close' }));
    for (let i = 0; i < 10; i++) this.add(this.card('the same version with other content'));
  }

  /** Good lines that the database will not take, for a trigger of the proof fails with the whole row. */
  dead(count: number): void {
    for (let i = 0; i < count; i++) {
      const fields = this.add(this.card('a line that the database fails on'));
      this.failing.push(fields[C.external_card_id]);
    }
  }

  /** A card with money behind it, which nothing speaks against. */
  spendable(path: string, pan: string): string[] {
    return this.card(path, {
      pan,
      expiry: EXPIRY,
      status: 'active',
      status_reason: '',
      account_type: 'debit',
      currency: 'PEN',
      posted_minor: '1000000',
      credit_limit_minor: '0',
      daily_limit_minor: '',
      monthly_limit_minor: '',
    });
  }

  /** The file, with a trailer that agrees. */
  file(header: Partial<Record<keyof typeof HEADER, string>> = {}): Buffer {
    const trailer = new Trailer();
    for (const { type, summed } of this.lines) {
      if (type === '?') continue;
      trailer.countRow(type);
      if (summed && type === 'C') trailer.addPosted(summed);
      if (summed && type === 'O') trailer.addHeld(summed);
    }
    const head = Object.values({ ...HEADER, ...header }).join(',');
    return Buffer.concat([
      Buffer.from(`${head}\n`),
      ...this.lines.flatMap(({ bytes }) => [bytes, Buffer.from('\n')]),
      Buffer.from(`${trailer.line()}\n`),
    ]);
  }
}

const HEADER = {
  record_type: 'H',
  format_version: '1',
  file_id: 'canaries-1',
  tenant: '',
  environment: 'production',
  kind: 'full',
  sequence: '1',
  source: 'old-processor',
  created_at: CREATED_AT,
  bin_ranges: `${BINS.long};${BINS.short}`,
};

const dashed = (pan: string) => pan.match(/.{1,4}/g)!.join('-');
