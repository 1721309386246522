import { crashPoint } from '#runtime/crash-point.ts';
import { uuidBytes } from '#runtime/uuid-bytes.ts';
import { idText } from '#runtime/vault/derived-ids.ts';
import { int } from '../portfolio/read-fields.ts';
import { O } from '../portfolio/records.ts';
import { addMinor } from './chunk-totals.ts';
import type { Claims } from './claims.ts';
import type { ImportContext } from './importer.ts';
import type { LineResults } from './line-results.ts';
import { LinkBatches } from './link-batches.ts';
import { judged } from './outcome.ts';
import type { ParsedLines } from './parsed-lines.ts';

/**
 * Imports `O` and `W` lines, once all cards of the file are in. A line whose card lies among the dead letters
 * joins it there: it may still come through when the card is redriven.
 */
export class LinkImport {
  readonly #context: ImportContext;
  readonly #deadCards: (externalCardIds: string[]) => Promise<Set<string>>;
  readonly #batches = new LinkBatches();

  constructor(context: ImportContext, deadCards: (externalCardIds: string[]) => Promise<Set<string>>) {
    this.#context = context;
    this.#deadCards = deadCards;
  }

  async run(
    lines: ParsedLines,
    rows: readonly number[],
    results: LineResults,
    claims: Claims | null,
  ): Promise<void> {
    for (const i of rows)
      if (claims?.find(kindOf(lines, i), idText(lines.ids, lines.ownIdAt(i))) !== undefined)
        results.reject(i, judged('duplicate_row'));
    const open = rows.filter((i) => results.isOpen(i));
    const accountIds = await this.#findCards(lines, open, results);
    const known = open.filter((i) => accountIds.has(i));
    const holds = known.filter((i) => lines.types[i] === 'O');
    const tokens = known.filter((i) => lines.types[i] === 'W');
    await this.#importHolds(lines, holds, accountIds, results);
    await this.#importTokens(lines, tokens, results);
    for (const i of known)
      if (claims && results.outcome(i) !== 'rejected')
        claims.add({
          kind: kindOf(lines, i),
          key: idText(lines.ids, lines.ownIdAt(i)),
          value: '',
          line: lines.numbers[i],
        });
  }

  /** The account of each line's card; lines of unknown cards are settled here. */
  async #findCards(
    lines: ParsedLines,
    rows: readonly number[],
    results: LineResults,
  ): Promise<Map<number, Buffer>> {
    const accountIds = new Map<number, Buffer>();
    if (rows.length === 0) return accountIds;
    this.#batches.fillCardIds(lines, rows);
    const rowOf = new Map(rows.map((i) => [lines.numbers[i], i]));
    for (const { line, accountId } of await this.#context.clients.cards.findCards(this.#batches.cardIds))
      accountIds.set(rowOf.get(line)!, uuidBytes(accountId));
    const unknown = rows.filter((i) => !accountIds.has(i));
    if (unknown.length === 0) return accountIds;
    const cardIds = unknown.map((i) => lines.fieldsOf(i).text(O.external_card_id));
    const dead = await this.#deadCards(cardIds);
    unknown.forEach((i, at) => {
      if (dead.has(cardIds[at]))
        results.die(i, { code: 'card_is_dead', detail: 'the card of this line lies among the dead letters' });
      else results.reject(i, judged('unknown_card'));
    });
    return accountIds;
  }

  async #importHolds(
    lines: ParsedLines,
    rows: readonly number[],
    accountIds: ReadonlyMap<number, Buffer>,
    results: LineResults,
  ): Promise<void> {
    if (rows.length === 0) return;
    this.#batches.fillHolds(lines, rows, accountIds);
    const { clients, importNumber, asOf } = this.#context;
    const exceptions = await clients.ledger.importHolds({ importNumber, asOf, rows: this.#batches.holds });
    crashPoint('holds:imported');
    const exceptionOf = new Map(exceptions.map((exception) => [exception.line, exception]));
    for (const i of rows) {
      const exception = exceptionOf.get(lines.numbers[i]);
      if (exception?.outcome === 'rejected') {
        results.reject(i, judged('currency_mismatch'));
        continue;
      }
      results.accept(i, exception?.outcome ?? 'migrated');
      const fields = lines.fieldsOf(i);
      addMinor(results.held, fields.text(O.currency), BigInt(int(fields, O.amount_minor)));
    }
  }

  async #importTokens(lines: ParsedLines, rows: readonly number[], results: LineResults): Promise<void> {
    if (rows.length === 0) return;
    this.#batches.fillTokens(lines, rows);
    const { clients, importNumber } = this.#context;
    const exceptions = await clients.cards.importTokens({ importNumber, rows: this.#batches.tokens });
    crashPoint('tokens:imported');
    const outcomeOf = new Map(exceptions.map(({ line, outcome }) => [line, outcome]));
    for (const i of rows)
      results.accept(
        i,
        (outcomeOf.get(lines.numbers[i]) ?? 'migrated') as 'migrated' | 'updated' | 'unchanged',
      );
  }
}

const kindOf = (lines: ParsedLines, i: number) => (lines.types[i] === 'O' ? 'hold' : 'token');

/** The key whose lines must be worked in file order, which is also the claim to compare with. */
export const linkOrderKeys = (lines: ParsedLines, i: number): string[] => [
  idText(lines.ids, lines.ownIdAt(i)),
];
