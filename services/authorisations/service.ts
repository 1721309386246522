import type { Static } from 'typebox';
import { errors } from '#declare/errors.ts';
import { operation, service } from '#declare/service.ts';
import { integer, type Setting } from '#declare/setting.ts';
import type {
  AdviceBody,
  AuthorisationBody,
  DecisionBody,
  FinancialBody,
  ReversalBody,
} from './http/schemas.ts';
import type { CardControls, ReadControls } from './controls/schemas.ts';
import { cutoverErrors } from './cutover/cutover-errors.ts';
import { rangeErrors } from './ranges/range-errors.ts';

/** How a message ends that is not decided by the table of precedence (`decision/precedence.ts`). */
export const messageErrors = errors({
  malformed: { retry: 'never', text: 'A field is missing or cannot be understood: answered 30.' },
  other_content: { retry: 'never', text: 'The same message came before with other content: answered 94.' },
  reversed_ahead: { retry: 'never', text: 'Its reversal came before it: answered 12.' },
  nobody_could_decide: {
    retry: 'same_key',
    text: 'The earlier processor is silent and stand-in does not cover the message: answered 91.',
  },
  failed: { retry: 'same_key', text: 'Too many messages at once, or the database is away: answered 96.' },
});

export const controlErrors = errors({
  bad_controls: {
    retry: 'after_change',
    status: 422,
    text: 'A control is not as it must be; nothing is set.',
  },
  unknown_card: { retry: 'after_change', status: 404, text: 'No such card is here.' },
});

const localHost = (text: string): Setting<string> => ({
  kind: 'text',
  text: `${text} Beyond this machine, put TLS in front.`,
  secret: false,
  fallback: '127.0.0.1',
});

export const authorisationSettings = {
  RELEVO_ISO8583_HOST: localHost('The address on which messages of the network are taken.'),
  RELEVO_ISO8583_PORT: integer({
    text: 'The port for ISO 8583 over TCP; `up` gives the next ones to further cells. 0 takes any that is free.',
    min: 0,
    max: 65_535,
    fallback: 8583,
  }),
  RELEVO_HTTP_HOST: localHost('The address on which messages as JSON over HTTP are taken.'),
  RELEVO_HTTP_PORT: integer({
    text: 'The port for messages as JSON over HTTP. 0 takes any that is free.',
    min: 0,
    max: 65_535,
    fallback: 8683,
  }),
  RELEVO_MESSAGE_BUDGET_MS: integer({
    text: 'How long a message may take here before its sender gives up; what waits longer is not decided any more.',
    min: 100,
    max: 60_000,
    fallback: 4_000,
  }),
  RELEVO_CONNECTIONS_MAX: integer({
    text: 'Connections of the network at once.',
    min: 1,
    max: 10_000,
    fallback: 256,
  }),
  RELEVO_IN_FLIGHT_MAX: integer({
    text: 'Messages of one connection, or to one earlier processor, that wait for their answer at once.',
    min: 1,
    max: 100_000,
    fallback: 4_096,
  }),
  RELEVO_WAITING_MAX: integer({
    text: 'Messages that wait for their turn in one process; more are answered 96 at once.',
    min: 1,
    max: 1_000_000,
    fallback: 8_192,
  }),
  RELEVO_LANES: integer({
    text: 'Batches under way at once in one process; the messages of one card are all of one lane.',
    min: 1,
    max: 32,
    fallback: 3,
  }),
  RELEVO_HOLD_DAYS: integer({
    text: 'Days after which a hold that nobody cleared is released.',
    min: 1,
    max: 60,
    fallback: 7,
  }),
} as const;

export interface Pressure {
  readonly messagesPerSecond: number;
  /**
   * Of the slowest process that serves messages, over the last seconds, without the time of the earlier processor;
   * null when nothing was answered in them.
   */
  readonly p99Ms: number | null;
}

export const authorisations = service('authorisations', {
  purpose:
    'Answers the messages of the card network: decides, relays to the earlier processor, follows and stands in for it.',
  data: 'cardholder-data',
  errors: { ...messageErrors, ...rangeErrors, ...cutoverErrors, ...controlErrors },
  settings: authorisationSettings,
  scaling: 'p99 of the answers: one more serving process per core',
  objectives: [
    { text: 'A message is decided by exactly one side', target: 'always' },
    { text: 'A repeat is answered as its original was', target: 'always' },
    { text: 'Own decisions answered', target: 'p99 under 25 ms at 5,000 a second' },
    { text: 'What an answer promises is durable before it leaves', target: 'always, but for relayed ones' },
  ],
  // Messages come through the doors of this service and the gateway, ranges and flips are the operator's commands.
  operations: {
    authorise: operation<Static<typeof AuthorisationBody>, DecisionBody>({
      text: 'Reserves the amount when it is approved (0100). A posting moves it later; a reversal gives it back.',
      callers: ['gateway'],
      idempotentBy: 'transmitted_at, stan, acquirer and rrn',
    }),
    pay: operation<Static<typeof FinancialBody>, DecisionBody>({
      text: 'Moves the amount when it is approved (0200), without a posting to follow.',
      callers: ['gateway'],
      idempotentBy: 'transmitted_at, stan, acquirer and rrn',
    }),
    advise: operation<Static<typeof AdviceBody>, DecisionBody>({
      text: 'Tells of an authorisation that was decided elsewhere (0120), or of money that moved (0220): a clearing, or a sale without approval. It is entered even over the balance.',
      callers: ['gateway'],
      idempotentBy: 'transmitted_at, stan, acquirer and rrn',
    }),
    reverse: operation<Static<typeof ReversalBody>, DecisionBody>({
      text: 'Gives back what a request reserved or moved, down to `replacement_minor` (0400, 0420). One that comes before its original is remembered, and the original declined.',
      callers: ['gateway'],
      idempotentBy: 'transmitted_at, stan, acquirer and rrn',
    }),
    readCardControls: operation<{ card_id: string }, ReadControls>({
      text: 'The spend controls of a card that decide now.',
      callers: ['gateway'],
    }),
    setCardControls: operation<CardControls & { card_id: string }, ReadControls>({
      text: 'Sets the spend controls of a card, in place of those it had; of an empty object, none. They decide within a second.',
      callers: ['gateway'],
      idempotentBy: 'Idempotency-Key',
    }),
    pressure: operation<void, Pressure>({
      text: 'How many messages the cell answers just now, and how fast: what work on a migration gives way to.',
      callers: ['migrations'],
    }),
  },
});
