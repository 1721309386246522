import type { Client } from '#declare/service.ts';
import { invalidRequest } from '#runtime/http/problems.ts';
import type { Answer, Incoming } from '../pipeline/task.ts';
import { fromMessage } from '../request/from-iso8583.ts';
import { isMalformed } from '../request/request.ts';
import type { authorisations } from '../service.ts';
import { crossFaults, malformedFault, yearFault } from './cross-faults.ts';
import { decisionBody } from './decision-body.ts';
import { problem } from './problems.ts';
import type { DecisionBody, MessageBody } from './schemas.ts';
import { toMessage } from './to-message.ts';

export interface MessageOptions {
  readonly submit: (incoming: Incoming) => Promise<Answer>;
  /** After so long without a decision the sender is told that none was made in time. */
  readonly answerMsMax?: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** The operations by which messages come. */
export type MessageHandlers = Pick<Client<typeof authorisations>, 'authorise' | 'pay' | 'advise' | 'reverse'>;

const ANSWER_MS_MAX = 6_000;

/** The type of the message that says the same. */
export const messageTypes: { readonly [Name in keyof MessageHandlers]: (body: Told<Name>) => string } = {
  authorise: () => '0100',
  pay: () => '0200',
  advise: ({ kind }) => (kind === 'authorisation' ? '0120' : '0220'),
  reverse: ({ advice }) => (advice ? '0420' : '0400'),
};

type Told<Name extends keyof MessageHandlers> = Parameters<MessageHandlers[Name]>[0];

/** Each takes what a host tells of a card and decides it as a message of its type. */
export const messageHandlers = (options: MessageOptions): MessageHandlers => ({
  authorise: (body) => decide(messageTypes.authorise(body), body, options),
  pay: (body) => decide(messageTypes.pay(body), body, options),
  advise: (body) => decide(messageTypes.advise(body), body, options),
  reverse: (body) => decide(messageTypes.reverse(body), body, options),
});

async function decide(
  mti: string,
  body: MessageBody,
  { submit, now = Date.now, answerMsMax = ANSWER_MS_MAX }: MessageOptions,
): Promise<DecisionBody> {
  const message = toMessage(mti, body);
  const faults = crossFaults(message.mti, body);
  if (faults.length > 0) throw invalidRequest(faults);
  const request = fromMessage(message, new Date(now()));
  if (isMalformed(request)) throw invalidRequest([malformedFault(request)]);
  const yearFaults = yearFault(request, body);
  if (yearFaults.length > 0) throw invalidRequest(yearFaults);
  return decisionBody(body, await inTime(submit({ request, message }), answerMsMax));
}

/** The framework's own limit would count the time in which the body comes, too. */
async function inTime(answer: Promise<Answer>, ms: number): Promise<Answer> {
  let late: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    late = setTimeout(() => reject(problem('failed')), ms);
  });
  return Promise.race([answer, tooLate]).finally(() => clearTimeout(late));
}
