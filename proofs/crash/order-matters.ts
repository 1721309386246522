import { C, SampleCards } from '#services/migrations/sample/cards.ts';

const CREATED_AT = '2026-11-20T06:00:00Z';
/** Every fourth card of a sample has an account and a holder of its own. */
const FOUNDERS = 4;

/**
 * Lines whose outcome hangs on what came before them in the same file. A chunk that is worked again after a crash
 * meets what its later lines have done already, and must come to the same outcomes all the same.
 */
export function orderMatters(seed: number, groups: number): string[][] {
  const cards = new SampleCards({ seed, createdAt: CREATED_AT });
  const lines: string[][] = [];
  let index = 0;
  const next = () =>
    cards
      .fields(FOUNDERS * index++)
      .with(C.version, '1')
      .with(C.operation, 'upsert');
  for (let group = 0; group < groups; group++) {
    // Not here yet; then here; then closed, in three versions.
    const first = next();
    lines.push(first.with(C.operation, 'status').with(C.status, 'lost'), first);
    lines.push(first.with(C.version, '2').with(C.operation, 'close'));
    lines.push(first.with(C.version, '2'));
    // A lower version under another PAN, which then goes to another card.
    const [second, third] = [next(), next()];
    lines.push(second.with(C.version, '3'), second.with(C.version, '2').with(C.pan, third[C.pan]), third);
    // A PAN that one card leaves stays its own.
    const [fourth, fifth] = [next(), next()];
    lines.push(fourth, fourth.with(C.version, '2').with(C.pan, fifth[C.pan]));
    lines.push(next().with(C.pan, fourth[C.pan]), fourth.with(C.version, '3'));
  }
  return lines;
}
