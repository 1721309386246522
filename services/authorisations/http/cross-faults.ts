import type { AuthorisationRequest, MalformedRequest } from '../request/request.ts';
import type { FieldFault } from '#runtime/http/problems.ts';
import type { MessageBody } from './schemas.ts';

/** What is wrong between fields that are each as they must be. */
export function crossFaults(mti: string, body: MessageBody): FieldFault[] {
  const faults: FieldFault[] = [];
  if (isReversal(mti) && !body.original && !body.approval_code)
    faults.push({
      pointer: '#/original',
      detail: 'is missing: name what is reversed by it, or by approval_code',
    });
  if (body.replacement_minor !== undefined && BigInt(body.replacement_minor) > BigInt(body.amount_minor))
    faults.push({ pointer: '#/replacement_minor', detail: 'must not be more than amount_minor' });
  return faults;
}

const isReversal = (mti: string): boolean => mti.startsWith('04');

/** Messages tell no year. One that is further away than half a year would be taken for another. */
export const yearFault = (request: AuthorisationRequest, body: MessageBody): FieldFault[] =>
  request.transmittedAt.getTime() === new Date(body.transmitted_at).getTime() ? [] : [TOO_FAR];

const TOO_FAR: FieldFault = { pointer: '#/transmitted_at', detail: 'must be within half a year of now' };

/** What the reading of messages refuses although the schema did not: a time that no year near now has. */
export function malformedFault({ malformed }: MalformedRequest): FieldFault {
  if (malformed === 7) return TOO_FAR;
  return { pointer: '#', detail: `makes no message that can be understood: field ${malformed} of ISO 8583` };
}
