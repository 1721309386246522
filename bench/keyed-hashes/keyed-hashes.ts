import { machine, type Machine } from '../machine.ts';
import { say } from '../say.ts';
import { ratios, summarise, type Summary } from '../statistics.ts';
import { codeContenders } from './codes.ts';
import { sealContenders } from './seals.ts';

/** One way to treat many messages. */
export interface Contender {
  readonly name: string;
  /** What has to be known to compare it fairly. */
  readonly note?: string;
  /** Treats every message once. */
  run(messages: readonly Buffer[]): void | Promise<void>;
}

export interface ContenderFigures {
  readonly name: string;
  readonly note?: string;
  readonly nanosecondsEach: Summary;
  readonly perSecond: number;
  /** Its time over that of the first contender: below 1, it is quicker. */
  readonly timesTheFirst: Summary;
}

export interface Comparison {
  readonly what: 'code' | 'seal';
  readonly bytes: number;
  readonly contenders: readonly ContenderFigures[];
}

export interface KeyedHashesBench {
  readonly benchmark: 'keyed-hashes';
  readonly options: { readonly messages: number; readonly rounds: number };
  readonly machine: Machine;
  readonly comparisons: readonly Comparison[];
}

/** A card number with its kind, an id of ours, and the line of a card. */
const CODED_BYTES = [16, 24, 300];
/** A card number or PIN value. */
const SEALED_BYTES = [16];

export async function benchKeyedHashes(options: {
  messages: number;
  rounds: number;
}): Promise<KeyedHashesBench> {
  const comparisons: Comparison[] = [];
  for (const bytes of CODED_BYTES) comparisons.push(await compare('code', bytes, codeContenders(), options));
  for (const bytes of SEALED_BYTES) comparisons.push(await compare('seal', bytes, sealContenders(), options));
  return { benchmark: 'keyed-hashes', options, machine: machine(), comparisons };
}

/** Runs the contenders in turn, round after round, so that a disturbance meets all of them. */
async function compare(
  what: Comparison['what'],
  bytes: number,
  contenders: readonly Contender[],
  { messages: count, rounds }: { messages: number; rounds: number },
): Promise<Comparison> {
  say(`${what} ${bytes} bytes ...`);
  const messages = makeMessages(count, bytes);
  for (const contender of contenders) await contender.run(messages.slice(0, Math.ceil(count / 10))); // warm
  const times = contenders.map((): number[] => []);
  for (let round = 0; round < rounds; round++)
    for (const [i, contender] of contenders.entries()) {
      const startedAt = performance.now();
      await contender.run(messages);
      times[i].push(((performance.now() - startedAt) * 1e6) / count);
    }
  return {
    what,
    bytes,
    contenders: contenders.map(({ name, note }, i) => {
      const nanosecondsEach = summarise(times[i]);
      return {
        name,
        note,
        nanosecondsEach,
        perSecond: Math.round(1e9 / nanosecondsEach.median),
        timesTheFirst: ratios(times[i], times[0]),
      };
    }),
  };
}

/** All different, and spread over memory as fields of lines are. */
function makeMessages(count: number, bytes: number): Buffer[] {
  const all = Buffer.alloc(count * bytes);
  return Array.from({ length: count }, (_, i) => {
    const message = all.subarray(i * bytes, (i + 1) * bytes);
    message.write(String(i).padStart(bytes, '4'), 'latin1');
    return message;
  });
}
