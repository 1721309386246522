import type { Attempts } from './attempts.ts';
import type { Stage } from './stage.ts';
import { tryBackups } from './tries/backups.ts';
import { tryCallers } from './tries/callers.ts';
import { tryFiles } from './tries/files.ts';
import { tryForgedTokens } from './tries/forged-tokens.ts';
import { tryHosts } from './tries/hosts.ts';
import { tryIdentifiers } from './tries/identifiers.ts';
import { tryInjection } from './tries/injection.ts';
import { tryInterleaved } from './tries/interleaved.ts';
import { tryLogs } from './tries/logs.ts';
import { tryNetwork } from './tries/network.ts';
import { tryQueues } from './tries/queues.ts';
import { trySockets } from './tries/sockets.ts';
import { tryStolenCredentials } from './tries/stolen-credentials.ts';

export const PART_NAMES = [
  'callers',
  'database',
  'files',
  'hosts',
  'tokens',
  'identifiers',
  'interleaved',
  'sockets',
  'queues',
  'network',
  'backups',
  'injection',
  'logs',
] as const;
export type PartName = (typeof PART_NAMES)[number];

interface Part {
  readonly name: PartName;
  readonly needsPlatform: boolean;
  run(stage: Stage, attempts: Attempts, size: { isShort: boolean }): Promise<void>;
}

/** In the order in which they are tried. */
export const parts: readonly Part[] = [
  { name: 'callers', needsPlatform: false, run: tryCallers },
  { name: 'database', needsPlatform: false, run: tryStolenCredentials },
  { name: 'files', needsPlatform: false, run: tryFiles },
  { name: 'hosts', needsPlatform: true, run: tryHosts },
  { name: 'tokens', needsPlatform: true, run: tryForgedTokens },
  { name: 'identifiers', needsPlatform: true, run: tryIdentifiers },
  {
    name: 'interleaved',
    needsPlatform: true,
    run: (stage, attempts, { isShort }) => tryInterleaved(stage, attempts, { requests: isShort ? 100 : 400 }),
  },
  { name: 'sockets', needsPlatform: true, run: trySockets },
  { name: 'queues', needsPlatform: false, run: tryQueues },
  { name: 'network', needsPlatform: false, run: tryNetwork },
  { name: 'backups', needsPlatform: false, run: tryBackups },
  { name: 'injection', needsPlatform: true, run: tryInjection },
  { name: 'logs', needsPlatform: true, run: tryLogs },
];
