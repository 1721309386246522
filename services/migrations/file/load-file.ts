import { crashPoint } from '#runtime/crash-point.ts';
import { Refusal } from '#runtime/refusal.ts';
import type { MigrationCell } from '../migration-cell.ts';
import { isSameChunk } from '../portfolio/chunk-digest.ts';
import { cutLines, type LineBatch } from '../portfolio/line-cutter.ts';
import { Fields, splitLine } from '../portfolio/split-line.ts';
import { ChunkBuilder } from '../queue/chunk-payload.ts';
import {
  addChunk,
  CARDS_PHASE,
  FREE_LANE,
  LINKS_PHASE,
  ORDERED_LANE,
  SHARED_LANE,
} from '../queue/chunk-queue.ts';
import type { Migration } from '../store.ts';
import { openPortfolio, type VerifiedFile } from './verify-file.ts';

const CHUNK_BYTES = 2 * 1024 * 1024;
/** Chunks on their way to the database at once; the file is read faster than they can be written. */
const WRITES_MAX = 3;

export interface LoadOptions {
  /** Asked at every chunk's edge; loading stops there when it answers false. */
  readonly mayGoOn: () => Promise<boolean>;
  readonly onProgress?: (lines: number) => void;
}

/** One of the runs of chunks that a file is dealt out to. */
interface Run {
  readonly phase: number;
  readonly lane: number;
  readonly builder: ChunkBuilder;
}

/**
 * Pass two: deals the verified file out to the queue. Every batch of lines must have the digest that pass one
 * saw before any of it is queued, so a file that was changed between the passes never takes effect.
 * Where chunks begin depends on the file alone: loading again after a crash adds only what is missing.
 */
export async function loadFile(
  cell: MigrationCell,
  { importNumber, chunkLines }: Migration,
  path: string,
  { scan }: VerifiedFile,
  { mayGoOn, onProgress }: LoadOptions,
): Promise<'loaded' | 'stopped'> {
  const newRun = (phase: number, lane: number): Run => ({
    phase,
    lane,
    builder: new ChunkBuilder(chunkLines!),
  });
  const runs = [
    newRun(CARDS_PHASE, FREE_LANE),
    newRun(CARDS_PHASE, ORDERED_LANE),
    newRun(CARDS_PHASE, SHARED_LANE),
    newRun(LINKS_PHASE, FREE_LANE),
    newRun(LINKS_PHASE, ORDERED_LANE),
  ];
  const [freeCards, orderedCards, sharedCards, freeLinks, orderedLinks] = runs;
  const writes = new BoundedWrites(WRITES_MAX);
  const queueChunk = ({ phase, lane, builder }: Run) => {
    const place = { importNumber, redrive: 0, phase, lane, firstLine: builder.firstLine };
    const lines = builder.count;
    const payload = builder.seal(cell.vault, place);
    return writes.start(async () => {
      await addChunk(cell.db, place, lines, payload);
      crashPoint('load:chunk-queued');
    });
  };
  const isEntangled = entangledIn(scan.entangled);
  const fields = new Fields();
  const lastLine = scan.lines + 1; // the header is line 1, the trailer comes after
  for await (const batch of readBatches(cell, path)) {
    if (!isSameChunk(scan.chunkDigests, batch)) throw changedFile(path);
    for (let i = 0; i < batch.count; i++) {
      const line = batch.firstLine + i;
      if (line === 1 || line > lastLine) continue;
      const ordered = isEntangled(line);
      let run: Run;
      if (isLink(batch, i, fields)) run = ordered ? orderedLinks : freeLinks;
      else if (ordered) run = orderedCards;
      else run = scan.shared.has(line) ? sharedCards : freeCards;
      run.builder.add(line, batch.bytes, batch.starts[i], batch.ends[i]);
      if (run.builder.isFull(CHUNK_BYTES)) await queueChunk(run);
    }
    onProgress?.(batch.firstLine + batch.count - 1);
    if (!(await mayGoOn())) {
      await writes.all();
      return 'stopped';
    }
  }
  for (const run of runs) if (run.builder.count > 0) await queueChunk(run);
  await writes.all();
  return 'loaded';
}

/** The lines of the file as pass one cut them. */
export async function* readBatches(cell: MigrationCell, path: string): AsyncGenerator<LineBatch> {
  const { plaintext } = await openPortfolio(cell, path);
  yield* cutLines(plaintext, { recycle: true });
}

export const changedFile = (path: string): Refusal =>
  new Refusal('file_changed', `${path} was changed while it was being loaded.`, {
    advice: 'Cancel this migration and start the file again when nobody writes to it any more.',
  });

/** Whether a line must be worked in file order; lines are asked for in rising order. */
export function entangledIn(entangled: Uint32Array | 'all'): (line: number) => boolean {
  if (entangled === 'all') return () => true;
  let next = 0;
  return (line) => {
    while (next < entangled.length && entangled[next] < line) next++;
    return entangled[next] === line;
  };
}

const COMMA = 0x2c;
const LETTERS = { C: 0x43, O: 0x4f, W: 0x57 } as const;

/** Holds and tokens are worked after all cards. Nearly every line tells its type by its first two bytes. */
export function isLink({ bytes, starts, ends }: LineBatch, i: number, fields: Fields): boolean {
  const start = starts[i];
  if (bytes[start + 1] === COMMA && bytes[start] === LETTERS.C) return false;
  if (bytes[start + 1] === COMMA && (bytes[start] === LETTERS.O || bytes[start] === LETTERS.W)) return true;
  splitLine(bytes, start, ends[i], fields);
  return fields.type === 'O' || fields.type === 'W';
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
