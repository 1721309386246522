import { BIN_RANGES } from '#services/migrations/sample/ids.ts';
import { samplePortfolio } from '#services/migrations/sample/sample-portfolio.ts';

export const binRanges: readonly string[] = BIN_RANGES.split(';');

const LF = 0x0a;
const COMMA = 0x2c;
const CARD = 'C'.charCodeAt(0);

export interface CardLine {
  readonly number: number;
  readonly bytes: Buffer;
}

/** The `C` lines of a synthetic portfolio. */
export function cardLines(cards: number, seed: number): CardLine[] {
  const lines: CardLine[] = [];
  let number = 0;
  for (const chunk of samplePortfolio({
    tenant: 'bench',
    environment: 'production',
    seed,
    cards,
    kind: 'full',
  }))
    for (let at = 0; at < chunk.length;) {
      const end = chunk.indexOf(LF, at);
      number++;
      if (chunk[at] === CARD && chunk[at + 1] === COMMA)
        lines.push({ number, bytes: chunk.subarray(at, end) });
      at = end + 1;
    }
  return lines;
}
