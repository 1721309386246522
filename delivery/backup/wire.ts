import type pg from 'pg';

/**
 * What a statement that copies rows sees of its connection. `pg` hands it to whatever is submitted in place of a query,
 * and its types do not tell of it.
 */
export interface Wire {
  readonly stream: {
    pause(): void;
    resume(): void;
    readonly writableNeedDrain: boolean;
    once(event: 'drain', told: () => void): void;
  };
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
  sendCopyFail(message: string): void;
}

/** Hands a statement of our own to a client. */
export const submit = <S extends { submit(wire: Wire): void }>(client: pg.Client, statement: S): S =>
  client.query(statement as unknown as S & pg.Submittable);

/** How many rows `COPY 1204` says. */
export const copiedRows = (commandTag: string): number => Number(commandTag.split(' ')[1]);
