import { C } from '#services/migrations/sample/cards.ts';

/** A portfolio with more `C` lines before its trailer, whose figures agree again. */
export function withLines(portfolio: Buffer, more: readonly (readonly string[])[]): Buffer {
  const at = portfolio.lastIndexOf('\nT,') + 1;
  const [type, cards, holds, tokens, posted, held] = portfolio.toString('latin1', at).trimEnd().split(',');
  const sums = new Map(posted.split(';').map((pair) => [pair.slice(0, 3), BigInt(pair.slice(4))] as const));
  const accounts = new Set<string>();
  for (const fields of more) {
    const account = fields[C.external_account_id];
    if (accounts.has(account)) continue;
    accounts.add(account);
    const currency = fields[C.currency];
    sums.set(currency, (sums.get(currency) ?? 0n) + BigInt(fields[C.posted_minor]));
  }
  const totals = [...sums]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([currency, sum]) => `${currency}=${sum}`);
  const trailer = [type, Number(cards) + more.length, holds, tokens, totals.join(';'), held].join(',');
  return Buffer.concat([
    portfolio.subarray(0, at),
    Buffer.from([...more.map((fields) => fields.join(',')), trailer, ''].join('\n')),
  ]);
}
