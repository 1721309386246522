import { Message } from '#runtime/iso8583/message.ts';
import { toField90, toField95 } from '../wire/original.ts';
import { repeatMti } from '../wire/classes.ts';
import type { Exchange } from './exchange.ts';
import { Template } from './template.ts';

/** Field 22 and 25: chip read, nothing unusual. */
const ENTRY_MODE = '051';
const CONDITION = '00';

/** Fields that every message has, and those that only some have. */
const ALWAYS = [0, 2, 3, 4, 7, 11, 12, 13, 14, 18, 32, 37, 41, 42, 43, 49];

/** Writes exchanges as messages: by a template for each shape that occurs. */
export class MessageWriter {
  readonly #templates = new Map<number, Template>();

  /** At most this long; the buffer written to has so much room. */
  static readonly BYTES_MAX = 512;

  /** The message's bytes at `at`, with an ordinary or a repeat's message type. Answers where it ends. */
  write(exchange: Exchange, isRepeat: boolean, into: Buffer, at: number): number {
    const template = this.#templateOf(exchange);
    template.bytes.copy(into, at);
    const put = (field: number, text: string): void => {
      into.write(text, at + template.place(field).at, 'latin1');
    };
    const { merchant, field7 } = exchange;
    put(0, isRepeat ? repeatMti(exchange.mti) : exchange.mti);
    put(2, exchange.card.pan);
    put(3, exchange.processingCode);
    put(4, String(exchange.amountMinor).padStart(12, '0'));
    put(7, field7);
    put(11, exchange.stanText);
    put(12, field7.slice(4));
    put(13, field7.slice(0, 4));
    put(14, exchange.expiry);
    put(18, merchant.category);
    put(32, merchant.acquirer);
    put(37, exchange.rrn);
    put(41, merchant.terminal);
    put(42, merchant.id);
    put(43, merchant.place);
    put(49, exchange.currency);
    if (exchange.approvalCode) put(38, exchange.approvalCode);
    if (exchange.advisedCode) put(39, exchange.advisedCode);
    if (exchange.original) put(90, toField90(exchange.original));
    if (exchange.leftMinor !== null) put(95, toField95(exchange.leftMinor));
    // Letters where the amount should be: what a receiver can still find out of it, it must answer with 30.
    if (exchange.isMalformed) put(4, 'AMOUNT------');
    return at + template.bytes.length;
  }

  #templateOf(exchange: Exchange): Template {
    const { card, merchant, approvalCode, advisedCode, original, leftMinor } = exchange;
    let shape = card.pan.length * 16 + merchant.acquirer.length;
    shape = shape * 16 + (approvalCode ? 1 : 0) + (advisedCode ? 2 : 0) + (original ? 4 : 0);
    if (leftMinor !== null) shape += 8;
    let template = this.#templates.get(shape);
    if (!template) this.#templates.set(shape, (template = makeTemplate(exchange)));
    return template;
  }
}

function makeTemplate(exchange: Exchange): Template {
  const { card, merchant } = exchange;
  const sample = new Message(exchange.mti)
    .set(2, card.pan)
    .set(3, exchange.processingCode)
    .set(4, '0'.repeat(12))
    .set(7, '0101000000')
    .set(11, '000000')
    .set(12, '000000')
    .set(13, '0101')
    .set(14, card.expiry)
    .set(18, merchant.category)
    .set(22, ENTRY_MODE)
    .set(25, CONDITION)
    .set(32, merchant.acquirer)
    .set(37, exchange.rrn)
    .set(41, merchant.terminal)
    .set(42, merchant.id)
    .set(43, merchant.place)
    .set(49, exchange.currency);
  const sometimes: [number, string | false][] = [
    [38, exchange.approvalCode],
    [39, exchange.advisedCode],
    [90, exchange.original !== null && toField90(exchange.original)],
    [95, exchange.leftMinor !== null && toField95(exchange.leftMinor)],
  ];
  const present = sometimes.filter((each): each is [number, string] => Boolean(each[1]));
  for (const [field, value] of present) sample.set(field, value);
  return new Template(sample, [...ALWAYS, ...present.map(([field]) => field)]);
}
