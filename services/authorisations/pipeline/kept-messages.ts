import type { Message } from '#runtime/iso8583/message.ts';
import { pack } from '#runtime/iso8583/pack.ts';
import { keepable } from '#runtime/iso8583/sensitive.ts';
import { unpack } from '#runtime/iso8583/unpack.ts';
import { answeredApproval } from './entry.ts';
import type { KnownMessage } from '../store/messages.ts';
import type { Answer, EarlierAnswer, Task } from './task.ts';

/** A message as it may be kept: packed, without card data. */
export const keep = (message: Message): Buffer => pack(keepable(message));

/** What the earlier processor answered, as it is passed on and as it is kept. */
export function earlierAnswer({ message, frame }: { message: Message; frame: Buffer }): EarlierAnswer {
  return {
    // An answer without a code says nothing that could be acted on.
    code: message.get(39) ?? '96',
    approvalCode: message.get(38)?.trim() || undefined,
    raw: frame,
    kept: keep(message),
    hasPan: message.has(2),
  };
}

/** The answer that a message got before, from its record. */
export function answerFromRecord({ request }: Task, known: KnownMessage): Answer {
  const code = known.responseCode!;
  const approvalCode = answeredApproval(request, code, known.approvalCode);
  if (!known.answer) return { code, approvalCode, reason: known.reason };
  const answer = unpack(known.answer);
  if (known.answerHasPan) answer.set(2, request.pan.reveal());
  return { code, approvalCode: answer.get(38)?.trim() || undefined, relayed: pack(answer) };
}

/** A frame as its sender repeats it: the last digit of the message type is 1. */
export function asRepeat(frame: Buffer): Buffer {
  const repeat = Buffer.from(frame);
  repeat.write('1', 3, 'latin1');
  return repeat;
}
