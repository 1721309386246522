import { Link, type LinkAnswer } from '#runtime/iso8583/link/link.ts';
import type { Range } from '../store/ranges.ts';

export interface ProcessorsOptions {
  readonly inFlightMax: number;
  /** An answer that came after the earlier processor had been stood in for. */
  readonly onLate?: (answer: LinkAnswer) => void;
  readonly onState?: (processor: string, state: string, why: string) => void;
}

/** The links to the earlier processors of a cell's ranges: one for each address, shared by its ranges. */
export class Processors {
  readonly #options: ProcessorsOptions;
  readonly #links = new Map<string, Link>();

  constructor(options: ProcessorsOptions) {
    this.#options = options;
  }

  /** Opens the links that these ranges need and closes those that none needs any more. */
  keep(ranges: readonly Range[]): void {
    const needed = new Set<string>();
    for (const range of ranges)
      if (range.processor !== null) {
        needed.add(nameOf(range));
        this.of(range);
      }
    for (const [name, link] of this.#links)
      if (!needed.has(name)) {
        this.#links.delete(name);
        void link.close();
      }
  }

  /** The link to a range's processor. */
  of(range: Range): Link {
    const name = nameOf(range);
    let link = this.#links.get(name);
    if (!link) this.#links.set(name, (link = this.#open(range)));
    return link;
  }

  /** Whether each processor is signed on, by `host:port`. */
  up(): Record<string, boolean> {
    const up: Record<string, boolean> = {};
    for (const [name, link] of this.#links) up[name.slice(name.indexOf(' ') + 1)] = link.up;
    return up;
  }

  async close(): Promise<void> {
    const links = [...this.#links.values()];
    this.#links.clear();
    await Promise.all(links.map((link) => link.close()));
  }

  #open({ processor, processorFraming, budgetMs }: Range): Link {
    const { inFlightMax, onLate, onState } = this.#options;
    const [, host, port] = ADDRESS.exec(processor!)!;
    return new Link({
      host: host.replace(/^\[|\]$/g, ''),
      port: Number(port),
      framing: processorFraming,
      budgetMs,
      inFlightMax,
      onLate,
      onState: (state, why) => onState?.(processor!, state, why),
    });
  }
}

/** `host:port`, an IPv6 address in brackets. */
const ADDRESS = /^(.+):(\d+)$/;

const nameOf = ({ processor, processorFraming }: Range): string => `${processorFraming} ${processor}`;
