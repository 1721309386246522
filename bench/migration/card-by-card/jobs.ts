import type { Vault } from '#runtime/vault/vault.ts';
import type { CardLine } from './card-lines.ts';

export const QUEUE_SCHEMA = 'graphile_worker';
export const TASK = 'card';

/** One card in the queue. It is sealed there, as the product seals its chunks: no card data lies in the clear. */
export interface Job {
  readonly number: number;
  readonly sealed: string;
}

const place = (number: number) => Buffer.from(`job|${number}`);

export const sealJob = (vault: Vault, { number, bytes }: CardLine): Job => ({
  number,
  sealed: vault.seal('chunk', bytes, place(number)).toString('base64'),
});

export const openJob = (vault: Vault, { number, sealed }: Job): CardLine => ({
  number,
  bytes: vault.open('chunk', Buffer.from(sealed, 'base64'), place(number)),
});
