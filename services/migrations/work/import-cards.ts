import { crashPoint } from '#runtime/crash-point.ts';
import { idText } from '#runtime/vault/derived-ids.ts';
import type { RowException } from '#services/cards/service.ts';
import { currencies, currencyNumber } from '../portfolio/code-lists.ts';
import { int } from '../portfolio/read-fields.ts';
import { C } from '../portfolio/records.ts';
import { CardBatches } from './card-batches.ts';
import { addMinor } from './chunk-totals.ts';
import type { Claims } from './claims.ts';
import type { ImportContext } from './importer.ts';
import type { LineResults } from './line-results.ts';
import { type JudgedCode, judged } from './outcome.ts';
import type { ParsedLines } from './parsed-lines.ts';

/**
 * Imports `C` lines that share no card, PAN or account with each other, unless they say the same of the account.
 *
 * The contract's checks run in its order: duplicate_row and account_conflict against earlier lines of the file,
 * account_conflict against the ledger, the rest inside the cards service, where deciding and writing are one
 * transaction. A line that was rejected has touched nothing by then. Running the same lines again gives the
 * same outcomes: each service knows its own rows by import and line.
 */
export class CardImport {
  readonly #context: ImportContext;
  readonly #batches: CardBatches;
  #mayConflict: boolean | null = null;

  constructor(context: ImportContext) {
    this.#context = context;
    this.#batches = new CardBatches(context.vault);
  }

  async run(
    lines: ParsedLines,
    rows: readonly number[],
    results: LineResults,
    claims: Claims | null,
  ): Promise<void> {
    const { clients, importNumber, asOf } = this.#context;
    const batches = this.#batches;
    const reject = (i: number, code: JudgedCode) => results.reject(i, judged(code));
    for (const i of rows) {
      const code = claims && conflictInFile(lines, i, claims);
      if (code) reject(i, code);
    }
    let open = rows.filter((i) => results.isOpen(i));
    if (open.length === 0) return;
    const rowOf = new Map(open.map((i) => [lines.numbers[i], i]));
    for (const line of await this.#accountConflicts(lines, open))
      reject(rowOf.get(line)!, 'account_conflict');
    open = open.filter((i) => results.isOpen(i));
    if (open.length === 0) return;

    batches.fillAll(lines, open);
    const exceptions = await clients.cards.importCards({ importNumber, rows: batches.cards });
    crashPoint('cards:imported');
    const exceptionOf = new Map(exceptions.map((exception) => [rowOf.get(exception.line)!, exception]));
    const accepted = open.filter((i) => exceptionOf.get(i)?.outcome !== 'rejected');
    const stateCardholder = open.filter((i) => statesCardholder(lines, i, exceptionOf.get(i)));
    if (accepted.length < open.length) batches.fillAccounts(lines, accepted);
    if (stateCardholder.length < open.length) batches.fillCardholders(lines, stateCardholder);
    // The ledger comes last: what it states is in the books, so nothing may fail after it.
    if (stateCardholder.length > 0)
      await clients.cardholders.importCardholders({ importNumber, rows: batches.cardholders });
    crashPoint('cardholders:imported');
    const others =
      accepted.length > 0
        ? await clients.ledger.stateAccounts({ importNumber, asOf, rows: batches.accounts })
        : [];

    crashPoint('accounts:stated');
    for (const i of open) {
      const exception = exceptionOf.get(i);
      if (exception?.outcome === 'rejected') reject(i, exception.code as JudgedCode);
      else results.accept(i, exception?.outcome ?? 'migrated');
    }
    addPosted(lines, accepted, new Set(others), results);
    for (const i of accepted) if (claims) claim(lines, i, claims);
  }

  /**
   * The lines whose account is here with other terms. The first file of a cell, usually by far the largest, need
   * not ask: nothing but this import opens accounts while it runs.
   */
  async #accountConflicts(lines: ParsedLines, rows: readonly number[]): Promise<number[]> {
    const { clients, importNumber } = this.#context;
    this.#mayConflict ??= await clients.ledger.hasEarlierAccounts({ importNumber });
    if (!this.#mayConflict) return [];
    this.#batches.fillAccountKinds(lines, rows);
    return clients.ledger.findAccountConflicts({ importNumber, rows: this.#batches.accountKinds });
  }
}

/** What lines that cannot be finished did to cards is taken back before they are laid among the dead letters. */
export async function takeBackCards(
  { clients, importNumber }: Pick<ImportContext, 'clients' | 'importNumber'>,
  lines: ParsedLines,
  rows: readonly number[],
): Promise<void> {
  const ofCards = rows.filter((i) => lines.types[i] === 'C').map((i) => lines.numbers[i]);
  if (ofCards.length > 0) await clients.cards.withdrawLines({ importNumber, lines: ofCards });
}

/** `status` and `close` lines and lines that change nothing say nothing new of the cardholder. */
function statesCardholder(lines: ParsedLines, i: number, exception: RowException | undefined): boolean {
  if (!exception) return true;
  return exception.outcome === 'updated' && lines.fieldsOf(i).text(C.operation) === 'upsert';
}

/** The posted balances of the file, each account once: at the line that stated it to the ledger. */
function addPosted(
  lines: ParsedLines,
  accepted: readonly number[],
  others: Set<number>,
  results: LineResults,
): void {
  const sums = new Map<number, bigint>();
  for (const i of accepted) {
    if (others.has(lines.numbers[i])) continue;
    const fields = lines.fieldsOf(i);
    const currency = currencyNumber(fields.source, fields.start[C.currency], fields.end[C.currency]);
    sums.set(currency, (sums.get(currency) ?? 0n) + BigInt(int(fields, C.posted_minor)));
  }
  for (const [currency, minor] of sums) addMinor(results.posted, currencies[currency], minor);
}

const versionKey = (lines: ParsedLines, i: number) =>
  `${idText(lines.ids, lines.ownIdAt(i))} ${int(lines.fieldsOf(i), C.version)}`;
const accountKey = (lines: ParsedLines, i: number) => idText(lines.ids, lines.accountIdAt(i));

/** What a file must say of an account on every line that names it. */
function accountTerms(lines: ParsedLines, i: number): string {
  const fields = lines.fieldsOf(i);
  const type = fields.text(C.account_type);
  const currency = fields.text(C.currency);
  return [type, currency, int(fields, C.posted_minor), int(fields, C.credit_limit_minor)].join(' ');
}

function conflictInFile(lines: ParsedLines, i: number, claims: Claims): JudgedCode | null {
  if (claims.find('version', versionKey(lines, i)) !== undefined) return 'duplicate_row';
  const terms = claims.find('account', accountKey(lines, i));
  return terms !== undefined && terms !== accountTerms(lines, i) ? 'account_conflict' : null;
}

function claim(lines: ParsedLines, i: number, claims: Claims): void {
  const line = lines.numbers[i];
  claims.add({ kind: 'version', key: versionKey(lines, i), value: '', line });
  claims.add({ kind: 'account', key: accountKey(lines, i), value: accountTerms(lines, i), line });
}

/** The claims that a `C` line has to be compared with. */
export const cardClaimKeys = (lines: ParsedLines, i: number): string[] => [
  versionKey(lines, i),
  accountKey(lines, i),
];

/** The keys whose lines must be worked in file order. */
export const cardOrderKeys = (lines: ParsedLines, i: number): string[] => [
  idText(lines.ids, lines.ownIdAt(i)),
  idText(lines.ids, lines.accountIdAt(i)),
  idText(lines.ids, lines.cardholderIdAt(i)),
  idText(lines.panIndexes, lines.panIndexAt(i)),
];
