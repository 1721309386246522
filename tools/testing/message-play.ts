import assert from 'node:assert/strict';
import { Message } from '#runtime/iso8583/message.ts';
import { answerFrame } from '#services/authorisations/door/network-door.ts';
import type { MessagePipeline } from '#services/authorisations/pipeline/pipeline.ts';
import { unpack } from '#runtime/iso8583/unpack.ts';
import { pack } from '#runtime/iso8583/pack.ts';
import { fromMessage } from '#services/authorisations/request/from-iso8583.ts';
import { isMalformed } from '#services/authorisations/request/request.ts';
import { toAnswer } from '#services/authorisations/request/to-answer.ts';
import { assertLedgerLaws } from './books.ts';
import type { TestCell } from './cell.ts';
import { migrate } from './migrate.ts';
import { panOf } from './pans.ts';
import { readScript } from './script.ts';

/**
 * Messages of the network as a person would tell them, each with the code it has to be answered:
 *
 *   authorise  a1 c1 60             -> 00
 *   authorise  a2 c1 50             -> 51
 *   reverse    a1 left=20           -> 00
 *   clear      a1 25                -> 00
 *   balance    c1 posted=75 held=0
 *
 * `authorise` is an 0100, `pay` an 0200, `advise` an 0120, `force` an 0220 of its own, `credit` an 0220 that gives back,
 * `clear` the 0220 and `reverse` the 0400 of what is named. `prepare` makes an 0100 without sending it and `send`
 * sends it; `repeat` sends a message once more, marked as a repeat, and its answer must be the same to the last byte;
 * `alter` sends it with another amount. Further fields go by number, `14=2908`; `of=a1` takes fields 7, 11, 32 and
 * 37 from another message.
 */
export class MessagePlay {
  readonly #cell: TestCell;
  readonly #prefix: string;
  readonly #pipeline: MessagePipeline;
  readonly #sent = new Map<string, { message: Message; answer: Buffer | null }>();
  #stan = 0;

  constructor(cell: TestCell, pipeline: MessagePipeline, prefix: string) {
    this.#cell = cell;
    this.#pipeline = pipeline;
    this.#prefix = prefix;
  }

  /** Brings cards in by a file, told as in `script.ts`. */
  static async cards(cell: TestCell, script: string, prefix: string): Promise<void> {
    for (const { csv } of readScript(script, prefix)) {
      const { report } = await migrate(cell, csv);
      assert.equal(report.reconciled, true, JSON.stringify(report));
    }
  }

  async play(script: string): Promise<void> {
    for (const line of script.split('\n').map((each) => each.trim())) {
      if (line === '' || line.startsWith('#')) continue;
      await this.#line(line);
    }
    await assertLedgerLaws(this.#cell);
  }

  message(name: string): Message {
    const sent = this.#sent.get(name);
    if (!sent) throw new Error(`no message ${name}`);
    return sent.message;
  }

  answer(name: string): Message {
    return unpack(this.#sent.get(name)!.answer!);
  }

  pan(card: string): string {
    return panOf(`${this.#prefix}-${card}`);
  }

  /** The answer as it would leave the door. */
  async send(message: Message): Promise<Buffer> {
    const raw = pack(message);
    const incoming = unpack(raw);
    const request = fromMessage(incoming, new Date());
    if (isMalformed(request)) return pack(toAnswer(incoming, { responseCode: '30' }));
    return answerFrame(incoming, await this.#pipeline.answer({ request, message: incoming, raw }));
  }

  async #line(line: string): Promise<void> {
    const [told, expected] = line.split(/\s*->\s*/);
    const [verb, name, ...rest] = told.split(/\s+/);
    const plain = rest.filter((word) => !word.includes('='));
    const values = Object.fromEntries(
      rest.filter((word) => word.includes('=')).map((word) => word.split('=')),
    );
    if (verb === 'balance') return this.#balance(name, values, line);
    const key = ['reverse', 'clear', 'repeat', 'alter', 'send'].includes(verb) ? `${verb} ${name}` : name;
    const message = this.#make(verb, name, plain, values);
    if (verb === 'prepare') return void this.#sent.set(name, { message, answer: null });
    const answer = await this.send(message);
    assert.equal(unpack(answer).get(39), expected, line);
    if (verb === 'repeat')
      assert.equal(answer.toString('latin1'), this.#sent.get(name)!.answer!.toString('latin1'), line);
    else if (verb === 'send') this.#sent.set(name, { message, answer });
    else if (verb !== 'alter') this.#sent.set(key, { message, answer });
  }

  #make(verb: string, name: string, plain: string[], values: Record<string, string>): Message {
    switch (verb) {
      case 'authorise':
      case 'prepare':
        return this.#fresh('0100', '000000', plain, values);
      case 'pay':
        return this.#fresh('0200', '000000', plain, values);
      case 'advise':
        return this.#fresh('0120', '000000', plain, values);
      case 'force':
        return this.#fresh('0220', '000000', plain, values);
      case 'credit':
        return this.#fresh('0220', '200000', plain, values);
      case 'send':
        return this.message(name);
      case 'repeat': {
        const repeat = this.message(name).copy();
        repeat.mti = `${repeat.mti.slice(0, 3)}1`;
        return repeat;
      }
      case 'alter':
        return this.message(name).copy().set(4, amount(plain[0]));
      case 'clear':
        return this.#about(name, '0220').set(4, amount(plain[0]));
      case 'reverse':
        return this.#reversal(name, values);
      default:
        throw new Error(`a message play does not know "${verb}"`);
    }
  }

  #fresh(
    mti: string,
    processingCode: string,
    [card, minor]: string[],
    values: Record<string, string>,
  ): Message {
    const { of, ...fields } = values;
    const message = new Message(mti)
      .set(2, this.pan(card))
      .set(3, processingCode)
      .set(4, amount(minor))
      .set(18, '5411')
      .set(32, '123456')
      .set(41, 'TERM0001')
      .set(42, 'MERCHANT0000001')
      .set(43, 'BODEGA EL SOL          LIMA           PE')
      .set(49, '604');
    this.#stamp(message).set(
      37,
      `${this.#prefix}${String(this.#stan).padStart(6, '0')}`.padStart(12, '0').slice(-12),
    );
    if (of) for (const field of [7, 11, 32, 37]) message.set(field, this.message(of).get(field)!);
    for (const [field, value] of Object.entries(fields)) message.set(Number(field), value);
    return message;
  }

  /** A message about another one: its RRN and the approval code that it was answered. */
  #about(name: string, mti: string): Message {
    const original = this.message(name);
    const { answer } = this.#sent.get(name)!;
    const about = original.copy();
    about.mti = mti;
    this.#stamp(about);
    const approvalCode = (answer ? unpack(answer).get(38) : undefined) ?? original.get(38);
    return approvalCode === undefined ? about.delete(38) : about.set(38, approvalCode);
  }

  #reversal(name: string, { left, ...fields }: Record<string, string>): Message {
    const original = this.message(name);
    const reversal = this.#about(name, '0400').set(
      90,
      `${original.mti}${original.get(11)}${original.get(7)}${original.get(32)!.padStart(11, '0')}${'0'.repeat(11)}`,
    );
    if (left) reversal.set(95, `${amount(left)}${'0'.repeat(30)}`);
    for (const [field, value] of Object.entries(fields))
      if (value === '') reversal.delete(Number(field));
      else reversal.set(Number(field), value);
    return reversal;
  }

  #stamp(message: Message): Message {
    const now = new Date().toISOString();
    const stan = String(++this.#stan).padStart(6, '0');
    return message.set(7, now.slice(5, 19).replace(/[^0-9]/g, '')).set(11, stan);
  }

  async #balance(account: string, values: Record<string, string>, line: string): Promise<void> {
    const [here] = await this.#cell.admin.rows<{ posted: string; held: string }>`
      select posted_minor::text as posted, held_minor::text as held from ledger.accounts
       where external_account_id = ${`${this.#prefix}-a-${account}`}`;
    assert.deepEqual(here, { ...here, ...values }, line);
  }
}

const amount = (minor: string): string => minor.padStart(12, '0');
