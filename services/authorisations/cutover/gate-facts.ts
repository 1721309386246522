import type { Tx } from '#runtime/database/database.ts';
import type { LastBooks } from '#services/migrations/service.ts';
import type { RangeSettings } from '../ranges/list-ranges.ts';
import type { CutoverCell } from './cutover-cell.ts';
import type { Direction } from './direction.ts';
import { advicesDue, relaying, unfollowed, type Waiting } from './lag.ts';
import { type Peer, servingPeers } from './peers.ts';
import { addTallies, type ShadowTally, tallyShadow } from './shadow-tally.ts';

/** Everything that the gate of a range looks at, as it was at one moment. */
export interface GateFacts {
  readonly range: RangeSettings;
  readonly direction: Direction;
  readonly books: LastBooks;
  readonly shadow: ShadowTally;
  readonly relaying: Waiting;
  readonly unfollowed: Waiting;
  readonly advices: Waiting;
  readonly peers: readonly Peer[];
  /** Cards issued here that no file has named and no hand-back file has told of. */
  readonly issuedHere: number;
}

const MINUTE_MS = 60_000;

/**
 * Reads the facts. A window may hold millions of messages, and counting them takes its time; a flip must not. So it
 * hands in what was counted `before` it stopped the range, and only what has come since is counted again.
 */
export async function readGateFacts(
  { clients }: Pick<CutoverCell, 'clients'>,
  tx: Tx,
  range: RangeSettings,
  direction: Direction,
  before?: GateFacts,
): Promise<GateFacts> {
  const { prefix } = range;
  return {
    range,
    direction,
    shadow: await shadowOf(tx, range, direction, before?.shadow),
    relaying: await relaying(tx, prefix),
    unfollowed: await unfollowed(tx, prefix),
    advices: await advicesDue(tx, prefix),
    peers: await servingPeers(tx),
    books: await clients.migrations.lastBooks({ prefix }),
    issuedHere: await issuedHere(clients, tx, range),
  };
}

/** Of the epoch that a cutover would end: what came before the last flip says nothing about now. */
async function shadowOf(
  tx: Tx,
  { prefix, windowMinutes, flippedAt }: RangeSettings,
  direction: Direction,
  before?: ShadowTally,
): Promise<ShadowTally> {
  const [{ now }] = await tx.rows<{ now: Date }>`select clock_timestamp() as now`;
  if (direction === 'rollback') return { upTo: now, messages: 0, agreed: 0, differences: [] };
  if (before) return addTallies(before, await tallyShadow(tx, { prefix, from: before.upTo, upTo: now }));
  const window = now.getTime() - windowMinutes * MINUTE_MS;
  return tallyShadow(tx, { prefix, from: new Date(Math.max(window, flippedAt?.getTime() ?? 0)), upTo: now });
}

async function issuedHere(
  { cards }: CutoverCell['clients'],
  tx: Tx,
  { prefix, epoch }: RangeSettings,
): Promise<number> {
  const [{ since }] = await tx.rows<{ since: Date | null }>`
    select max(as_of) as since from authorisations.hand_backs where prefix = ${prefix} and epoch = ${epoch}`;
  return (await cards.countIssuedHere({ prefix, since })).cards;
}
