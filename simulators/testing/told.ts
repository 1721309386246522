import type { Message } from '#runtime/iso8583/message.ts';
import type { Told } from '../reckoning/reckoning.ts';
import { fromField90, fromField95 } from '../wire/original.ts';

/** A message and its answer, as a reckoning wants to be told of them. */
export function toldOf(message: Message, card: Told['card'], answer: Message | null): Told {
  return {
    mti: message.mti,
    card,
    processingCode: message.get(3) ?? '',
    amountMinor: Number(message.get(4)),
    field7: message.get(7) ?? '',
    stan: Number(message.get(11)),
    rrn: message.get(37) ?? '',
    merchant: { acquirer: message.get(32) ?? '' },
    approvalCode: message.get(38) ?? '',
    advisedCode: message.get(39) ?? '',
    original: fromField90(message.get(90)),
    leftMinor: message.has(95) ? fromField95(message.get(95)) : null,
    code: answer?.get(39) ?? '',
    answeredApproval: answer?.get(38) ?? '',
  };
}
