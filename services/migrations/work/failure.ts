import { isFaultOfRow, sqlState } from '#runtime/database/sql-state.ts';
import { Refusal } from '#runtime/refusal.ts';

/**
 * What a failure says about who is at fault.
 *  - `row`: PostgreSQL could not take a value or a row: the batch is split until the row that fails is alone.
 *  - `dependency`: anything that may pass (connections, locks, shutdowns, full disks, rights withdrawn): the
 *    whole chunk waits and is tried again.
 *  - `defect`: PostgreSQL could make no sense of a statement of ours (class 42): another attempt is the same statement.
 *    But rights may come back, and names that are not there (`MAY_PASS`) may be those of a schema that is newer, or
 *    older, than this worker: the next one knows them.
 *  - `withdrawn`: the import was cancelled meanwhile; nothing is left to do.
 */
export type Fault = 'row' | 'dependency' | 'defect' | 'withdrawn';

/** insufficient_privilege, undefined_table, undefined_column, undefined_function. */
const MAY_PASS = ['42501', '42P01', '42703', '42883'];

export function faultOf(error: unknown): Fault {
  if (error instanceof Refusal && error.code === 'import_withdrawn') return 'withdrawn';
  const code = sqlState(error);
  if (code === undefined) return 'dependency';
  if (code.startsWith('42') && !MAY_PASS.includes(code)) return 'defect';
  return isFaultOfRow(error) ? 'row' : 'dependency';
}

/** Why the open lines of a chunk are laid among the dead letters; null when they are not yet, or never. */
export function codeOfGivingUp(
  error: unknown,
  isLastAttempt: boolean,
): 'statement_defective' | 'dependency_unavailable' | null {
  const fault = faultOf(error);
  if (fault === 'defect') return 'statement_defective';
  return fault === 'dependency' && isLastAttempt ? 'dependency_unavailable' : null;
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
