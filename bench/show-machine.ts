import { pc } from '#cli/colours.ts';
import { count } from '#cli/output.ts';
import type { DatabaseFacts, Machine, SyncLatency } from './machine.ts';

const GB = 1024 ** 3;

/** The machine in two or three lines, as it heads every result. */
export function showMachine(facts: {
  readonly machine: Machine;
  readonly database?: DatabaseFacts;
  readonly sync?: SyncLatency;
}): string {
  const { machine, database, sync } = facts;
  const lines = [
    `${pc.bold('Machine')}  ${machine.processor}, ${machine.cores} core(s), ` +
      `${(machine.memoryBytes / GB).toFixed(1)} GB, ${machine.kernel}, Node ${machine.node} (OpenSSL ${machine.openssl})`,
  ];
  if (database) {
    const settings = Object.entries(database.settings).map(([name, value]) => `${name} ${value}`);
    lines.push(`         PostgreSQL ${database.version}: ${settings.join(', ')}`);
  }
  if (sync)
    lines.push(
      `         fdatasync of 8 KiB: median ${count(sync.medianUs)} µs, 99 in 100 below ${count(sync.p99Us)} µs`,
    );
  return lines.join('\n');
}
