import { crashPoint } from '#runtime/crash-point.ts';
import type { MigrationCell } from '../migration-cell.ts';
import type { Scan } from '../portfolio/scan.ts';
import { ChunkBuilder, sealPayload, unpack } from '../queue/chunk-payload.ts';
import {
  addChunk,
  CARDS_PHASE,
  FREE_LANE,
  LINKS_PHASE,
  ORDERED_LANE,
  SHARED_LANE,
} from '../queue/chunk-queue.ts';
import type { SpooledChunk } from './chunk-spool.ts';
import type { VerifiedFile } from './verify-file.ts';

/** Chunks on their way to the database at once; they are read faster than they can be written. */
const WRITES_MAX = 3;

export interface LoadOptions {
  /** Asked at every chunk's edge; loading stops there when it answers false. */
  readonly mayGoOn: () => Promise<boolean>;
  readonly onProgress?: (lines: number) => void;
}

/**
 * Pass two: brings the chunks of a verified file into the queue. Lines that must be worked in file order, or that
 * share what they state, are taken out of their chunks and gathered in chunks of those lanes. Where chunks begin and
 * what they hold depends on the file alone: loading again after a crash adds only what is missing.
 */
export async function loadFile(
  cell: MigrationCell,
  importNumber: number,
  { scan, chunks }: VerifiedFile,
  { mayGoOn, onProgress }: LoadOptions,
): Promise<'loaded' | 'stopped'> {
  const writes = new BoundedWrites(WRITES_MAX);
  const queueChunk = (at: QueuePlace, lines: number, packed: Buffer, without?: number[]) => {
    const place = { importNumber, redrive: 0, ...at };
    const payload = sealPayload(cell.vault, place, packed, without);
    return writes.start(async () => {
      await addChunk(cell.db, place, lines, payload);
      crashPoint('load:chunk-queued');
    });
  };
  const gathered = new GatheredLines(chunks.chunkLines, queueChunk);
  const lastLine = scan.lines + 1; // the header is line 1, the trailer comes after
  const laneOf = new Map([CARDS_PHASE, LINKS_PHASE].map((phase) => [phase, lanesOf(scan, phase)]));
  let read = 0;
  for (const chunk of chunks.chunks()) {
    const { phase, firstLine, lines, packed } = chunk;
    const apart = await takeApart(chunk, lastLine, laneOf.get(phase)!, gathered);
    if (apart.length < lines)
      await queueChunk({ phase, lane: FREE_LANE, firstLine }, lines - apart.length, packed, apart);
    read += lines;
    onProgress?.(Math.min(read, scan.lines));
    if (!(await mayGoOn())) {
      await writes.all();
      return 'stopped';
    }
  }
  await gathered.queueAll();
  await writes.all();
  return 'loaded';
}

interface QueuePlace {
  readonly phase: number;
  readonly lane: number;
  readonly firstLine: number;
}

/** Which lane a line belongs to; lines are asked for in rising order. */
function lanesOf({ entangled, shared }: Scan, phase: number): (line: number) => number {
  const isEntangled = entangledIn(entangled);
  return (line) => {
    if (isEntangled(line)) return ORDERED_LANE;
    return phase === CARDS_PHASE && shared.has(line) ? SHARED_LANE : FREE_LANE;
  };
}

/** Whether a line must be worked in file order; lines are asked for in rising order. */
function entangledIn(entangled: Uint32Array | 'all'): (line: number) => boolean {
  if (entangled === 'all') return () => true;
  let next = 0;
  return (line) => {
    while (next < entangled.length && entangled[next] < line) next++;
    return entangled[next] === line;
  };
}

/** Hands the lines of other lanes on; answers the places of all lines that are not worked in this chunk. */
async function takeApart(
  { phase, packed }: SpooledChunk,
  lastLine: number,
  laneOf: (line: number) => number,
  gathered: GatheredLines,
): Promise<number[]> {
  const { count, numbers, starts, ends, bytes } = unpack(packed);
  const apart: number[] = [];
  for (let i = 0; i < count; i++) {
    const line = numbers[i];
    const lane = line > lastLine ? null : laneOf(line);
    if (lane === FREE_LANE) continue;
    apart.push(i);
    if (lane === null) continue;
    const run = gathered.runOf(phase, lane);
    run.builder.add(line, bytes, starts[i], ends[i]);
    if (run.builder.isFull) await gathered.queue(run);
  }
  bytes.fill(0);
  return apart;
}

interface Run {
  readonly phase: number;
  readonly lane: number;
  readonly builder: ChunkBuilder;
}

type QueueChunk = (at: QueuePlace, lines: number, packed: Buffer) => Promise<void>;

/** Lines of the lanes that have chunks of their own. */
class GatheredLines {
  readonly #runs: readonly Run[];
  readonly #queueChunk: QueueChunk;

  constructor(chunkLines: number, queueChunk: QueueChunk) {
    this.#queueChunk = queueChunk;
    this.#runs = [
      { phase: CARDS_PHASE, lane: ORDERED_LANE },
      { phase: CARDS_PHASE, lane: SHARED_LANE },
      { phase: LINKS_PHASE, lane: ORDERED_LANE },
    ].map((place) => ({ ...place, builder: new ChunkBuilder(chunkLines) }));
  }

  runOf(phase: number, lane: number): Run {
    return this.#runs.find((run) => run.phase === phase && run.lane === lane)!;
  }

  async queueAll(): Promise<void> {
    for (const run of this.#runs) if (run.builder.count > 0) await this.queue(run);
  }

  queue({ phase, lane, builder }: Run): Promise<void> {
    const { firstLine, count } = builder;
    return this.#queueChunk({ phase, lane, firstLine }, count, builder.pack());
  }
}

/** Starts writes without waiting for each, but never more than a few; the first failure stops everything. */
class BoundedWrites {
  readonly #max: number;
  readonly #running = new Set<Promise<unknown>>();

  constructor(max: number) {
    this.#max = max;
  }

  async start(write: () => Promise<unknown>): Promise<void> {
    while (this.#running.size >= this.#max) await Promise.race(this.#running);
    const running = write().finally(() => this.#running.delete(running));
    // A failure is met by whoever waits next; until then it must not count as unhandled.
    running.catch(() => {});
    this.#running.add(running);
  }

  async all(): Promise<void> {
    await Promise.all(this.#running);
  }
}
