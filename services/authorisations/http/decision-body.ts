import { unpack } from '#runtime/iso8583/unpack.ts';
import type { Answer } from '../pipeline/task.ts';
import { isApproval } from '../request/request.ts';
import { codeOf, type Reason, reasons, responseText } from '../request/response-codes.ts';
import { problem } from './problems.ts';
import type { DecisionBody, MessageBody } from './schemas.ts';

const WITHOUT_LEADING_ZEROS = /^0+(?=\d)/;

/** What goes back: the earlier processor's answer, or one of our own, as JSON. */
export function decisionBody(body: MessageBody, answer: Answer): DecisionBody {
  const { relayed, approvalCode } = answer;
  const frame = relayed && unpack(relayed);
  const code = frame?.get(39) ?? answer.code;
  const reason = frame ? undefined : reasonOf(answer);
  if (!frame && code === codeOf('other_content')) throw problem('other_content');
  if (!frame && code === codeOf('failed') && reason === undefined) throw problem('failed');
  const isApproved = isApproval(code);
  const amount = frame?.get(4)?.replace(WITHOUT_LEADING_ZEROS, '') ?? body.amount_minor;
  return {
    decision: isApproved ? 'approved' : 'declined',
    response_code: code,
    response_text: responseText(code),
    ...(reason !== undefined && !isApproved && { reason }),
    ...(isApproved && approvalCode !== undefined && { approval_code: approvalCode.trim() }),
    ...(isApproved && { amount_minor: amount }),
    transmitted_at: body.transmitted_at,
    stan: body.stan,
    acquirer: body.acquirer,
    rrn: body.rrn,
  };
}

/** The reason of an own decision. What stand-in did not cover was judged all the same: that is not why. */
function reasonOf({ code, reason }: Answer): Reason | undefined {
  const word = (reason ?? undefined) as Reason | undefined;
  if (word !== undefined && reasons[word]?.code === code) return word;
  return code === codeOf('nobody_could_decide') ? 'nobody_could_decide' : undefined;
}
