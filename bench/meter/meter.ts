import type { DatabaseProbe } from './database-probe.ts';
import { hasProc, ProcessTree, pssBytes, rssBytes } from './processes.ts';

/** What a piece of work took. Figures that need /proc, or a server on this machine, are null elsewhere. */
export interface Measured {
  readonly seconds: number;
  /** Of all node processes of the work together. */
  readonly nodeCpuSeconds: number | null;
  readonly postgresCpuSeconds: number | null;
  /** The highest sum over all node processes at one moment. */
  readonly nodeRssBytesMax: number | null;
  readonly nodePssBytesMax: number | null;
  /** Of all server processes, shared buffers counted once. */
  readonly postgresPssBytesMax: number | null;
  readonly walBytes: number;
}

const SAMPLE_MS = 100;
/** Reading PSS makes the kernel walk page tables; it may take this share of one core at most. */
const PSS_SHARE_MAX = 0.005;

/**
 * Watches a tree of node processes and the database server from outside. What is measured spends nothing on
 * being measured, apart from the kernel's answers.
 */
export class Meter {
  readonly #probe: DatabaseProbe;
  readonly #postgres: ProcessTree | null;

  constructor(probe: DatabaseProbe) {
    this.#probe = probe;
    this.#postgres = hasProc && probe.postmaster ? new ProcessTree(probe.postmaster) : null;
  }

  /**
   * Begins a measurement of the tree under `root`; the answer ends it. Memory is looked at again and again, and while
   * the kernel adds up the server's pages, the server waits for some milliseconds: whoever measures answer times does
   * without it.
   */
  async begin(root: number, { memory = true } = {}): Promise<(seconds?: number) => Promise<Measured>> {
    const node = hasProc ? new Peaks(new ProcessTree(root), { rss: memory, pss: memory }) : null;
    const postgres = this.#postgres ? new Peaks(this.#postgres, { rss: false, pss: memory }) : null;
    const walBefore = await this.#probe.walPosition();
    const startedAt = performance.now();
    const sample = () => {
      node?.sample();
      postgres?.sample();
    };
    sample();
    const timer = memory ? setInterval(sample, SAMPLE_MS) : undefined;
    return async (seconds = (performance.now() - startedAt) / 1000) => {
      clearInterval(timer);
      sample();
      return {
        seconds,
        nodeCpuSeconds: node?.cpuSeconds ?? null,
        postgresCpuSeconds: postgres?.cpuSeconds ?? null,
        nodeRssBytesMax: node?.rssBytesMax ?? null,
        nodePssBytesMax: node?.pssBytesMax ?? null,
        postgresPssBytesMax: postgres?.pssBytesMax ?? null,
        walBytes: (await this.#probe.walPosition()) - walBefore,
      };
    };
  }
}

/** The highest readings of one process tree. */
class Peaks {
  rssBytesMax: number | null = null;
  pssBytesMax: number | null = null;
  readonly #tree: ProcessTree;
  readonly #wants: { readonly rss: boolean; readonly pss: boolean };
  #cpuFirst: number | null = null;
  #cpuLast = 0;
  #nextPssAt = 0;

  constructor(tree: ProcessTree, wants: { readonly rss: boolean; readonly pss: boolean }) {
    this.#tree = tree;
    this.#wants = wants;
  }

  get cpuSeconds(): number {
    return this.#cpuLast - (this.#cpuFirst ?? this.#cpuLast);
  }

  sample(): void {
    const members = this.#tree.members();
    if (members.length === 0) return; // the work has ended; the last reading stands
    this.#cpuLast = Math.max(
      this.#cpuLast,
      members.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
    );
    this.#cpuFirst ??= this.#cpuLast;
    if (this.#wants.rss) {
      const rss = members.reduce((sum, { pid }) => sum + rssBytes(pid), 0);
      this.rssBytesMax = Math.max(this.rssBytesMax ?? 0, rss);
    }
    if (!this.#wants.pss || performance.now() < this.#nextPssAt) return;
    const before = process.cpuUsage();
    const pss = members.reduce<number | null>((sum, { pid }) => {
      const bytes = pssBytes(pid);
      return bytes === null ? sum : (sum ?? 0) + bytes;
    }, null);
    if (pss !== null) this.pssBytesMax = Math.max(this.pssBytesMax ?? 0, pss);
    const { user, system } = process.cpuUsage(before);
    this.#nextPssAt = performance.now() + (user + system) / 1000 / PSS_SHARE_MAX;
  }
}

/** Several pieces of one work, measured one after the other. */
export function addMeasured(pieces: readonly Measured[]): Measured {
  const sum = (pick: (piece: Measured) => number | null) =>
    pieces.reduce<number | null>((total, piece) => {
      const value = pick(piece);
      return total === null || value === null ? null : total + value;
    }, 0);
  const most = (pick: (piece: Measured) => number | null) =>
    pieces.reduce<number | null>((max, piece) => {
      const value = pick(piece);
      return value === null ? max : Math.max(max ?? 0, value);
    }, null);
  return {
    seconds: sum((piece) => piece.seconds)!,
    nodeCpuSeconds: sum((piece) => piece.nodeCpuSeconds),
    postgresCpuSeconds: sum((piece) => piece.postgresCpuSeconds),
    nodeRssBytesMax: most((piece) => piece.nodeRssBytesMax),
    nodePssBytesMax: most((piece) => piece.nodePssBytesMax),
    postgresPssBytesMax: most((piece) => piece.postgresPssBytesMax),
    walBytes: sum((piece) => piece.walBytes)!,
  };
}
