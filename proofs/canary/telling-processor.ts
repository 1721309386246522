import type { Message } from '#runtime/iso8583/message.ts';
import { PRIVATE_FIELDS, SENSITIVE_FIELDS } from '#runtime/iso8583/sensitive.ts';
import { Processor } from '#simulators/processor/processor.ts';

/** An earlier processor that sends all card data of a message back with its answer. */
export class TellingProcessor extends Processor {
  override answer(message: Message): Message | null {
    const answer = super.answer(message);
    if (!answer) return null;
    for (const field of [...SENSITIVE_FIELDS, ...PRIVATE_FIELDS]) {
      const value = message.get(field);
      if (value !== undefined) answer.set(field, value);
    }
    return answer;
  }
}
