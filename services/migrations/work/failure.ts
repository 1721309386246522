import { Refusal } from '#runtime/refusal.ts';

/**
 * What a failure says about who is at fault.
 *  - `row`: PostgreSQL could not take a value or a row (classes 22, 23, P0): the batch is split until the row
 *    that fails is alone.
 *  - `dependency`: anything that may pass (connections, locks, shutdowns, full disks, rights withdrawn): the
 *    whole chunk waits and is tried again.
 *  - `withdrawn`: the import was cancelled meanwhile; nothing is left to do.
 */
export type Fault = 'row' | 'dependency' | 'withdrawn';

export function faultOf(error: unknown): Fault {
  if (error instanceof Refusal && error.code === 'import_withdrawn') return 'withdrawn';
  const code = sqlState(error);
  return code && /^(22|23|P0)/.test(code) ? 'row' : 'dependency';
}

/**
 * The failure in words that may be stored and shown. PostgreSQL's own messages can quote values of the row, so
 * only its code and the names of table and constraint are taken over.
 */
export function describeFailure(error: unknown): string {
  const code = sqlState(error);
  const { schema, table, constraint } = error as { schema?: string; table?: string; constraint?: string };
  if (code) {
    const where = table ? ` in ${schema}.${table}` : '';
    return `PostgreSQL answered ${code}${where}${constraint ? ` (${constraint})` : ''}`;
  }
  const system = (error as NodeJS.ErrnoException).code;
  return system ? `the connection failed with ${system}` : `${(error as Error).name} while importing`;
}

function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}
