import type { Message } from '#runtime/iso8583/message.ts';
import { isAdvice, isReversal } from '../request/kinds.ts';
import { isApproval } from '../request/request.ts';
import type { DueAdvice } from '../store/waiting.ts';

const APPROVED = '00';

/**
 * What the earlier processor is told of a message that was decided without it, made from the message itself:
 *
 *  - an approved request is told as an advice, 0120 or 0220, under our approval code;
 *  - a request that was declined in its stead as a reversal, 0420, for it may have approved it;
 *  - advices and reversals go on as they came, a reversal as 0420.
 *
 * It has the fields 7, 11, 32 and 37 of the message, by which the other side knows what it is about. Told again, it is
 * marked as a repeat.
 */
export function adviceMessage(message: Message, due: DueAdvice): Message {
  const { kind, responseCode, approvalCode, attempts } = due;
  const again = attempts > 0 ? '1' : '0';
  const advice = message.copy();
  if (isReversal(kind)) {
    advice.mti = `042${again}`;
  } else if (isAdvice(kind)) {
    advice.mti = message.mti.slice(0, 3) + again;
    if (approvalCode !== null) advice.set(38, approvalCode);
  } else if (isApproval(responseCode)) {
    advice.mti = `${message.mti.slice(0, 2)}2${again}`;
    advice.set(39, APPROVED);
    if (approvalCode !== null) advice.set(38, approvalCode);
  } else {
    advice.mti = `042${again}`;
    advice.set(90, originalData(message));
  }
  return advice;
}

/** Field 90: message type, STAN, transmission time, acquirer and forwarder of the original. */
const originalData = (message: Message): string =>
  `${message.mti.slice(0, 3)}0${message.get(11)!}${message.get(7)!}` +
  `${(message.get(32) ?? '').padStart(11, '0')}${(message.get(33) ?? '').padStart(11, '0')}`;
