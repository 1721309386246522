import { Presets, SingleBar } from 'cli-progress';
import { pc } from '#cli/colours.ts';
import { count } from './output.ts';

/** Shows how far long work is: a bar on a terminal, a line now and then elsewhere, nothing for programs. */
export interface Progress {
  /** Begins a step of `total` units. */
  begin(step: string, total: number): void;
  update(done: number, note?: string): void;
  end(): void;
}

const PLAIN_EVERY_MS = 5_000;

export function showProgress(json: boolean): Progress {
  if (json) return { begin() {}, update() {}, end() {} };
  return process.stderr.isTTY ? bar() : plain();
}

function bar(): Progress {
  let current: SingleBar | null = null;
  let startedAt = 0;
  const stop = () => {
    current?.stop();
    current = null;
  };
  return {
    begin(step, total) {
      stop();
      startedAt = performance.now();
      current = new SingleBar(
        {
          format: `  ${step.padEnd(9)} ${pc.cyan('{bar}')} {percentage}% {rate}/s  ETA {left}  {note}`,
          barsize: 28,
          hideCursor: true,
          stream: process.stderr,
        },
        Presets.shades_classic,
      );
      current.start(Math.max(total, 1), 0, { rate: '-', left: '-', note: '' });
    },
    update(done, note = '') {
      const seconds = (performance.now() - startedAt) / 1000;
      const rate = seconds > 0 ? done / seconds : 0;
      const left = rate > 0 ? `${Math.ceil((current?.getTotal() ?? 0) / rate - seconds)} s` : '-';
      current?.update(done, { rate: count(Math.round(rate)), left, note });
    },
    end: stop,
  };
}

function plain(): Progress {
  let step = '';
  let total = 0;
  let saidAt = 0;
  return {
    begin(name, units) {
      [step, total, saidAt] = [name, units, performance.now()];
    },
    update(done, note = '') {
      if (performance.now() - saidAt < PLAIN_EVERY_MS) return;
      saidAt = performance.now();
      process.stderr.write(`  ${step} ${count(done)} of ${count(total)} ${note}\n`);
    },
    end() {},
  };
}
