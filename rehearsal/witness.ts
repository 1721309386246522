import type { Message } from '#runtime/iso8583/message.ts';
import { classOf, keyOf } from '#simulators/wire/classes.ts';
import { fromField90, originalKey } from '#simulators/wire/original.ts';
import { Processor } from '#simulators/processor/processor.ts';

/** What the earlier processor was asked about a purchase, and what it was told. */
export interface Witnessed {
  /** Field 39 of what it decided; empty when it was never asked to. */
  decided: string;
  /** An advice has told it of an approval, under this code. */
  advised: string | null;
  /** A reversal has taken the purchase back there. */
  isReversed: boolean;
}

const REQUESTS = ['authorisation', 'financial'];
const ADVICES = ['authorisation_advice', 'financial_advice'];

/**
 * The earlier processor, with somebody beside it who writes down what it decides itself and what it is told. Its own
 * book is no witness to that: an advice about a purchase that it has decided already leaves no trace there.
 */
export class WitnessedProcessor extends Processor {
  /** By fields 7, 11, 32 and 37. */
  readonly seen = new Map<string, Witnessed>();

  override answer(message: Message): Message | null {
    const answer = super.answer(message);
    const messageClass = classOf(message.mti);
    if (!answer || messageClass === null) return answer;
    const code = answer.get(39) ?? '';
    if (REQUESTS.includes(messageClass)) {
      const purchase = this.#purchase(keyOf(message));
      // What it was told before it was asked, it only confirms.
      if (purchase.advised === null) purchase.decided ||= code;
    } else if (ADVICES.includes(messageClass)) {
      if (code === '00') this.#purchase(keyOf(message)).advised = message.get(38) ?? '';
    } else if (messageClass.startsWith('reversal')) {
      const original = fromField90(message.get(90));
      const key = original && originalKey(original, message.get(32), (message.get(37) ?? '').trim());
      if (key !== null) this.#purchase(key).isReversed = true;
    }
    return answer;
  }

  #purchase(key: string): Witnessed {
    let purchase = this.seen.get(key);
    if (!purchase) this.seen.set(key, (purchase = { decided: '', advised: null, isReversed: false }));
    return purchase;
  }
}
