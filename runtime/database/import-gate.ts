import { Refusal } from '#runtime/refusal.ts';
import { identifier } from './sql.ts';
import type { Tx } from './database.ts';

/**
 * Lets an import write into a service's tables, or refuses when the import was withdrawn. The lock on the
 * gate's row is held to the end of the transaction, so a withdrawal waits for writers that are under way and
 * a worker that wakes up late finds the gate shut.
 */
export async function passImportGate(tx: Tx, schema: string, importNumber: number): Promise<void> {
  const gate = identifier(schema);
  let states = await tx.rows<{ state: string }>`
    select state from ${gate}.imports where import_number = ${importNumber} for share`;
  if (states.length === 0) {
    await tx.run`insert into ${gate}.imports values (${importNumber}, 'open') on conflict do nothing`;
    states = await tx.rows`
      select state from ${gate}.imports where import_number = ${importNumber} for share`;
  }
  if (states[0].state !== 'open')
    throw new Refusal(
      'import_withdrawn',
      `Import ${importNumber} was withdrawn; nothing more is written for it.`,
    );
}

/** Shuts the gate for ever. Waits for transactions of the import that are under way. */
export async function shutImportGate(tx: Tx, schema: string, importNumber: number): Promise<void> {
  await tx.run`
    insert into ${identifier(schema)}.imports values (${importNumber}, 'withdrawn')
        on conflict (import_number) do update set state = 'withdrawn'`;
}
