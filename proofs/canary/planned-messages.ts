import type { Message } from '#runtime/iso8583/message.ts';
import { type Body, merchant } from '#services/authorisations/http/testing/bodies.ts';
import { BINS, type Canaries } from './canaries.ts';
import { CanaryMessages, placeOf } from './messages.ts';
import type { CanaryLines } from './portfolio.ts';

export const TOO_MUCH_MINOR = 5_000_000;
/** A trigger of the proof makes messages of this amount fail. */
export const FAILING_MINOR = 66_600;

/** A message and what field 39 of its answer has to be. */
export interface Planned {
  readonly path: string;
  readonly message: Message;
  readonly expected: string;
}

/** A request over HTTP and the status of its answer. */
export interface PlannedBody {
  readonly path: string;
  readonly body: Body | string;
  readonly expected: number;
  readonly query?: string;
  readonly token?: string;
}

/** Every message, in the order in which they go in, by what the earlier processor does meanwhile. */
export interface Plan {
  readonly answering: readonly Planned[];
  readonly silent: readonly Planned[];
  readonly late: readonly Planned[];
  readonly failing: readonly Planned[];
  readonly afterFlip: readonly Planned[];
  readonly http: readonly PlannedBody[];
  /** Sent as they are: no message. */
  readonly noise: readonly Buffer[];
  /** `C` lines of the cards that the earlier processor knows. */
  readonly earlierCards: readonly (readonly string[])[];
}

/** Draws all messages beforehand. The cards they need are added to the full file. */
export function planMessages(canaries: Canaries, lines: CanaryLines): Plan {
  const make = new CanaryMessages(canaries);
  const own = () => canaries.pan('a card that pays');
  const relayed = () =>
    canaries.pan('a card that pays by the earlier processor', { bin: BINS.long, digits: 19 });
  const earlierCards: (readonly string[])[] = [];
  const here = (pan: string): string => {
    earlierCards.push(lines.add(lines.spendable('a card that pays', pan)));
    return pan;
  };
  const elsewhere = (pan: string): string => {
    earlierCards.push(lines.spendable('a card that only the earlier processor has', pan));
    return pan;
  };
  const request = (
    path: string,
    pan: string,
    expected: string,
    amountMinor?: number,
    mti = '0100',
  ): Planned => ({
    path,
    message: make.message(mti, { pan, path, amountMinor }),
    expected,
  });
  const changed = (path: string, { message }: Planned, expected: string, change: (copy: Message) => void) => {
    const copy = message.copy();
    change(copy);
    return { path, message: copy, expected };
  };
  const repeat = (path: string, of: Planned) =>
    changed(path, of, of.expected, (copy) => (copy.mti = `${copy.mti.slice(0, 3)}1`));
  const reversal = (path: string, { message }: Planned, mti = '0400'): Planned => ({
    path,
    message: make.reversal(mti, message, path),
    expected: '00',
  });

  const mine = here(own());
  const approved = request('approved here', mine, '00');
  const declined = request('declined here', mine, '51', TOO_MUCH_MINOR);
  const answered = here(relayed());
  const relay = request('relayed and answered', answered, '00');
  const unfollowed = request('relayed, of a card that is not here', elsewhere(relayed()), '00');
  const stoodIn = request('stood in for', here(relayed()), '00');
  const body = (path: string, expected: number, pan = mine, amountMinor?: number): PlannedBody => ({
    path,
    body: make.body({ path, pan, amountMinor }),
    expected,
  });
  const accepted = body('approved here, over HTTP', 200);
  const misplaced = (path: string, field: string, expected = 400): PlannedBody => {
    const { body: good } = body(path, expected);
    return { path, body: { ...(good as Body), [field]: canaries.pan(path) }, expected };
  };
  const inName = (path: string, pan: string): Planned =>
    changed(path, request(path, pan, '00'), '00', (copy) =>
      copy.set(43, placeOf(`SHOP ${canaries.pan(path)}`)),
    );
  const shop = body('PAN as the name of the shop, over HTTP', 200);
  const shopName = canaries.pan(shop.path);
  const named = canaries.pan('PAN as the name of a field, over HTTP');
  return {
    answering: [
      approved,
      declined,
      request('an amount of letters', mine, '30'),
      changed('no currency', request('no currency', mine, '30'), '30', (copy) => copy.delete(49)),
      changed(
        'PAN as the amount that stays',
        request('PAN as the amount that stays', mine, '30'),
        '30',
        (copy) => copy.set(95, canaries.pan('PAN as the amount that stays').padEnd(42)),
      ),
      repeat('repeated here', approved),
      changed('the same key with other content', approved, '94', (copy) => copy.set(4, '000000002000')),
      changed(
        'the card by its track alone',
        request('the card by its track alone', mine, '00'),
        '00',
        (copy) => copy.delete(2),
      ),
      inName('PAN as the name of the shop', mine),
      request('an advice, entered here', mine, '00', 1000, '0120'),
      request('a purchase at once, here', mine, '00', 1000, '0200'),
      reversal('reversed here', approved),
      request('a card that is not here, in an own range', canaries.pan('a card that is not here'), '14'),
      request('a card of no range', canaries.pan('a card of no range', { bin: BINS.undeclared }), '14'),
      relay,
      repeat('a relayed message, repeated', relay),
      changed('relayed, the same key with other content', relay, '94', (copy) => copy.set(4, '000000002000')),
      request('declined by the earlier processor', answered, '51', TOO_MUCH_MINOR),
      inName('PAN as the name of the shop, relayed', answered),
      request('an advice, relayed', answered, '00', 1000, '0120'),
      reversal('reversed, relayed', relay),
      unfollowed,
      repeat('of a card that is not here, repeated', unfollowed),
    ],
    silent: [
      stoodIn,
      repeat('stood in for, and repeated', stoodIn),
      request('declined in the stead of a silent one', here(relayed()), '51', TOO_MUCH_MINOR),
      request('of a card that is not here, while it is silent', elsewhere(relayed()), '91'),
      request('an advice while it is silent', here(relayed()), '00', 1000, '0120'),
      request('an advice of a card that is not here', elsewhere(relayed()), '00', 1000, '0120'),
      reversal('reversed while it is silent', stoodIn, '0420'),
    ],
    late: [request('answered late', here(relayed()), '00')],
    failing: [request('a message that the database fails on', mine, '96', FAILING_MINOR)],
    afterFlip: [request('approved here after a cutover', here(relayed()), '00')],
    http: [
      accepted,
      { ...accepted, path: 'repeated over HTTP' },
      body('declined here, over HTTP', 200, mine, TOO_MUCH_MINOR),
      body('relayed, over HTTP', 200, here(relayed())),
      body(
        'a card of no range, over HTTP',
        200,
        canaries.pan('a card of no range', { bin: BINS.undeclared }),
      ),
      misplaced('PAN where the STAN is, over HTTP', 'stan'),
      misplaced('PAN as the currency, over HTTP', 'currency'),
      // Sixteen digits are a PIN block like any other.
      misplaced('PAN as the PIN block, over HTTP', 'pin_block', 200),
      { ...shop, body: { ...(shop.body as Body), merchant: { ...merchant, name: `SHOP ${shopName}` } } },
      misplaced('PAN in a field that there is not, over HTTP', 'cvv'),
      { ...misplaced('PAN as the name of a field, over HTTP', 'stan'), body: { [named]: named } },
      {
        path: 'JSON that does not close',
        body: `{"card_number":"${canaries.pan('JSON that does not close')}`,
        expected: 400,
      },
      { ...body('PAN in the query', 400), query: `?card=${canaries.pan('PAN in the query')}` },
      { ...body('without the right token', 401), token: 'relevo_wrong' },
    ],
    noise: [
      Buffer.from(
        `%B${canaries.pan('bytes that are no message')}^SURNAME/NAME^${canaries.data('track', 'bytes that are no message')}?`,
      ),
      Buffer.from(`0100FFFFFFFFFFFFFFFF16${canaries.pan('a message cut short')}`),
    ],
    earlierCards,
  };
}
