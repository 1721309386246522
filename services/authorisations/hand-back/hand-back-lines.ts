import { Batch } from '#runtime/batch/batch.ts';
import { cardholderIdRow, type FoundCardholder } from '#services/cardholders/service.ts';
import {
  cardIdRow,
  type CardOfRange,
  type CardToken,
  type OpenedCard,
  type PinValue,
} from '#services/cards/service.ts';
import type { AccountAt, OpenHold } from '#services/ledger/service.ts';
import type { CutoverClients } from '../cutover/cutover-cell.ts';
import { csvLine, instantText } from './csv-line.ts';
import { PortfolioTrailer } from './portfolio-trailer.ts';

/** What a portfolio file that is written here tells of, and how it names itself. */
export interface HandBack {
  readonly kind: 'delta' | 'full';
  /** Beginnings of card numbers, 6 to 8 digits; none lies within another. */
  readonly prefixes: readonly string[];
  readonly tenant: string;
  readonly environment: string;
  readonly fileId: string;
  readonly sequence: number;
  /** Balances and holds are those of this moment, a whole second. */
  readonly asOf: Date;
  /** What messages have moved from here on has changed here. */
  readonly since: Date;
  /** What imports after this one have brought has changed here. */
  readonly importedAfter: number;
}

/** What the file calls this side. */
export const SOURCE = 'relevo';

const PAGE = 1_000;

/**
 * The lines of a hand-back file, page by page, in memory that does not grow with the cards. What one page says of
 * balances and what the next one says is of the same moment, although messages go on moving them.
 */
export class HandBackLines {
  readonly #clients: CutoverClients;
  readonly #file: HandBack;
  readonly #trailer = new PortfolioTrailer();

  constructor(clients: CutoverClients, file: HandBack) {
    this.#clients = clients;
    this.#file = file;
  }

  get rows(): Readonly<PortfolioTrailer['rows']> {
    return this.#trailer.rows;
  }

  async *all(): AsyncGenerator<Buffer> {
    const { fileId, tenant, environment, kind, sequence, asOf, prefixes } = this.#file;
    const created = instantText(asOf);
    yield Buffer.from(
      csvLine(['H', 1, fileId, tenant, environment, kind, sequence, SOURCE, created, prefixes.join(';')]),
    );
    for (const prefix of prefixes) yield* this.#cards(prefix);
    yield* this.#holds();
    for (const prefix of prefixes) yield* this.#tokens(prefix);
    yield Buffer.from(this.#trailer.line());
  }

  async *#cards(prefix: string): AsyncGenerator<Buffer> {
    const { cards } = this.#clients;
    let after: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof cards.listCardsOfRange>> = await cards.listCardsOfRange({
        prefix,
        after,
        limit: PAGE,
      });
      const text = page.cards.length > 0 ? await this.#cardLines(page.cards) : '';
      if (text !== '') yield Buffer.from(text);
      after = page.after;
    } while (after !== null);
  }

  async #cardLines(page: readonly CardOfRange[]): Promise<string> {
    const { asOf: at, since, importedAfter } = this.#file;
    const accountIds = [...new Set(page.map(({ accountId }) => accountId))];
    const found = await this.#clients.ledger.accountsAt({ accountIds, at, since });
    const accounts = new Map(found.map((account) => [account.accountId, account]));
    // A card without an import was issued here.
    const changed = page.filter(
      ({ importNumber, accountId }) =>
        importNumber === 0 || importNumber > importedAfter || accounts.get(accountId)?.hasMoved,
    );
    if (changed.length === 0) return '';
    const ids = idsOf(changed.map(({ cardId }) => cardId));
    const opened = byLine(await this.#clients.cards.openCards(ids));
    const pins = byLine(await this.#clients.cards.openPinValues(ids));
    const holders = byLine(await this.#clients.cardholders.findCardholders(cardholderIdsOf(changed)));
    return changed
      .map((card, line) => {
        const account = accounts.get(card.accountId);
        const holder = holders.get(line);
        const numbered = opened.get(line);
        if (!account || !holder || !numbered) throw new Error(`card ${card.cardId} is here in part only`);
        this.#trailer.addCard(account);
        return this.#cardLine({ card, numbered, pin: pins.get(line), account, holder });
      })
      .join('');
  }

  /** The version is raised by the file's number: above the one that came, and above that of every file before. */
  #cardLine({ card, numbered, pin, account, holder }: WholeCard): string {
    return csvLine([
      'C',
      card.externalCardId,
      card.version + BigInt(this.#file.sequence),
      'upsert',
      numbered.pan.reveal(),
      card.expiry,
      card.panSequence,
      card.serviceCode,
      card.status,
      card.statusReason,
      card.cardType,
      card.product,
      card.issuedOn,
      pin?.format ?? null,
      pin?.value ?? null,
      pin?.keyId ?? null,
      pin?.triesLeft ?? null,
      account.externalAccountId ?? account.accountId,
      account.accountType,
      account.currency,
      account.postedMinor,
      account.creditLimitMinor,
      card.dailyLimitMinor,
      card.monthlyLimitMinor,
      holder.externalCardholderId,
      holder.givenNames,
      holder.familyNames,
      holder.documentType,
      holder.documentNumber,
      holder.birthDate,
      holder.email,
      holder.phone,
      holder.addressLine,
      holder.city,
      holder.country,
      card.embossedName,
    ]);
  }

  async *#holds(): AsyncGenerator<Buffer> {
    const { cards, ledger } = this.#clients;
    const { asOf: at, since, importedAfter, prefixes } = this.#file;
    let after: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof ledger.holdsAt>> = await ledger.holdsAt({
        at,
        since,
        importedAfter,
        after,
        limit: PAGE,
      });
      after = page.after;
      if (page.holds.length === 0) continue;
      const opened = byLine(await cards.openCards(idsOf(page.holds.map(({ cardId }) => cardId))));
      const text = page.holds
        .map((hold, line) => {
          const card = opened.get(line);
          const pan = card?.pan.reveal();
          if (!card || !prefixes.some((prefix) => pan?.startsWith(prefix))) return '';
          this.#trailer.addHold(hold);
          return holdLine(hold, card.externalCardId);
        })
        .join('');
      if (text !== '') yield Buffer.from(text);
    } while (after !== null);
  }

  async *#tokens(prefix: string): AsyncGenerator<Buffer> {
    const { cards } = this.#clients;
    const { importedAfter } = this.#file;
    let after: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof cards.listTokensOfRange>> = await cards.listTokensOfRange({
        prefix,
        importedAfter,
        after,
        limit: PAGE,
      });
      after = page.after;
      if (page.tokens.length > 0)
        yield Buffer.from(page.tokens.map((token) => this.#tokenLine(token)).join(''));
    } while (after !== null);
  }

  #tokenLine(token: CardToken): string {
    this.#trailer.addToken();
    const { externalTokenRef, externalCardId, requestor, deviceId, status, expiry } = token;
    return csvLine(['W', externalTokenRef, externalCardId, requestor, deviceId, status, expiry]);
  }
}

interface WholeCard {
  readonly card: CardOfRange;
  readonly numbered: OpenedCard;
  readonly pin: PinValue | undefined;
  readonly account: AccountAt;
  readonly holder: FoundCardholder;
}

const SECOND_MS = 1_000;

/**
 * A hold of a file keeps its name; one that a message placed is named by its id here. What messages leave out or
 * write differently is brought into the form that the contract asks for.
 */
function holdLine(hold: OpenHold, externalCardId: string): string {
  const approvedMs = Math.floor(hold.approvedAt.getTime() / SECOND_MS) * SECOND_MS;
  const expiresMs = Math.max(hold.expiresAt.getTime(), approvedMs + SECOND_MS);
  return csvLine([
    'O',
    hold.externalHoldId ?? hold.holdId,
    externalCardId,
    hold.amountMinor,
    hold.currency,
    merchantText(hold.merchantName),
    /^\d{4}$/.test(hold.mcc ?? '') ? hold.mcc : '0000',
    codeText(hold.approvalCode, 6),
    /^\d{6}$/.test(hold.stan ?? '') ? hold.stan : '000000',
    codeText(hold.rrn, 12),
    instantText(new Date(approvedMs)),
    instantText(new Date(expiresMs)),
  ]);
}

const merchantText = (name: string | null): string =>
  (name ?? '')
    .replaceAll(/\p{Cc}/gu, ' ')
    .trim()
    .slice(0, 64) || 'unknown';

/** So many of `A-Z 0-9`. */
const codeText = (text: string | null, length: number): string =>
  (text ?? '')
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]/g, '0')
    .slice(0, length)
    .padEnd(length, '0');

const byLine = <Row extends { readonly line: number }>(rows: readonly Row[]): Map<number, Row> =>
  new Map(rows.map((row) => [row.line, row]));

/** Ids on their way to an operation; the line of each is its place. */
function idsOf(cardIds: readonly string[]): Batch<typeof cardIdRow> {
  const batch = new Batch(cardIdRow);
  cardIds.forEach((cardId, line) => {
    batch.columns.line.int4(line);
    batch.columns.cardId.uuid(cardId);
  });
  return batch;
}

function cardholderIdsOf(cards: readonly CardOfRange[]): Batch<typeof cardholderIdRow> {
  const batch = new Batch(cardholderIdRow);
  cards.forEach(({ cardholderId }, line) => {
    batch.columns.line.int4(line);
    batch.columns.cardholderId.uuid(cardholderId);
  });
  return batch;
}
