import { pc } from '#cli/colours.ts';
import { ServerError } from '#runtime/postgres/errors.ts';
import { Refusal } from '#runtime/refusal.ts';
import { describeFailure } from '#services/migrations/work/failure.ts';
import { EXIT } from './exit.ts';

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly advice?: string;
}

/** Told in the same form, and nobody refused anything: something outside failed. */
const NO_REFUSALS = ['interrupted', 'tenant_not_added', 'tenant_half_added'];

/** Tells of an error in the command's own language and answers the exit status. */
export function reportFailure(error: unknown, json: boolean): number {
  const failure = describe(error);
  if (json) process.stdout.write(`${JSON.stringify({ error: failure }, null, 2)}\n`);
  else {
    process.stderr.write(`${pc.red('relevo:')} ${failure.message}\n`);
    if (failure.advice) process.stderr.write(`  ${failure.advice}\n`);
    process.stderr.write(pc.dim(`  (${failure.code})\n`));
  }
  return error instanceof Refusal && !NO_REFUSALS.includes(error.code) ? EXIT.refused : EXIT.failed;
}

function describe(error: unknown): Failure {
  if (error instanceof Refusal) return { code: error.code, message: error.message, advice: error.advice };
  if (error instanceof ServerError) return { code: error.code, message: error.message };
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC')
    return {
      code: 'disk_full',
      message: 'The disk is full.',
      advice: 'Free some space and run the same command again; it goes on where it stopped.',
    };
  const { path } = error as NodeJS.ErrnoException;
  if (path && code) return { code: 'file_error', message: `${path} cannot be used (${code}).` };
  if (code?.startsWith('42'))
    return {
      code: 'schema_mismatch',
      message: `The cell's tables are not those of this release: ${describeFailure(error)}.`,
      advice: "Run relevo tenant add with the tenant's name: it brings the cells to this release.",
    };
  // A driver's own message may quote the values of a row, so it is not passed on.
  return {
    code: 'failed',
    message: code ? `Something failed on the way: ${describeFailure(error)}.` : defect(error),
    advice: 'Nothing is lost: run the same command again, it goes on where it stopped.',
  };
}

/** A defect of ours: its stack shows where, and is made of our own words alone. */
const defect = (error: unknown): string => `A defect: ${(error as Error).stack ?? String(error)}`;
