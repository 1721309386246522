/** What can go wrong between a command and its database server, for callers that react to one of them. */
export type ServerErrorCode =
  // the program and its surroundings
  | 'platform_unsupported' // no embedded build runs here
  | 'binaries_missing' // there is a build for this platform, but it is not installed or not whole
  | 'not_permitted' // a folder or process belongs to somebody else
  | 'disk_full'
  | 'socket_path_too_long'
  // the home
  | 'home_copied' // the data stayed behind when the home was copied
  | 'data_missing' // the home says where its data is, and it is not there
  | 'data_damaged' // the data folder is not one a server could have left
  | 'data_version' // the data was written by another major version of PostgreSQL
  | 'password_missing' // there is data, and nobody knows the superuser's password
  // the embedded server
  | 'lock_timeout' // another process is busy with the server for too long
  | 'start_failed'
  | 'start_timeout'
  | 'stop_timeout'
  | 'unreachable' // a server process runs, but its socket is gone
  // RELEVO_DATABASE_URL
  | 'url_invalid'
  | 'url_unreachable'
  | 'login_refused'
  | 'version_too_old'
  | 'role_not_allowed';

interface Circumstances {
  /** What happened, one sentence. */
  readonly what: string;
  /** The folder, file, or address concerned; never a password. */
  readonly where: string;
  /** What the operator does next. */
  readonly next: string;
  readonly cause?: unknown;
}

/** The server cannot be used. The message is complete: what happened, where, and what to do next. */
export class ServerError extends Error {
  override readonly name = 'ServerError';
  readonly code: ServerErrorCode;
  readonly where: string;
  readonly next: string;

  constructor(code: ServerErrorCode, { what, where, next, cause }: Circumstances) {
    super(`${what}\n  where  ${where}\n  next   ${next}`, { cause });
    this.code = code;
    this.where = where;
    this.next = next;
  }
}

export const useYourOwnServer =
  'set RELEVO_DATABASE_URL to a PostgreSQL server (15 or later) whose role may create databases and roles';

/** The code of an error of the operating system or of PostgreSQL (`ENOSPC`, `28P01`). */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

export function pathOf(error: unknown): string | undefined {
  return error instanceof Error && 'path' in error && typeof error.path === 'string' ? error.path : undefined;
}

export const diskFull = (where: string, cause?: unknown): ServerError =>
  new ServerError('disk_full', {
    what: 'The disk is full.',
    where,
    next: 'Free some space (df -h shows where), then run the command again; nothing committed is lost.',
    cause,
  });

/** Errors of the file system in an operator's words; everything else is a defect and stays as it is. */
export function asServerError(error: unknown, folder: string): unknown {
  const where = pathOf(error) ?? folder;
  switch (codeOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return diskFull(where, error);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new ServerError('not_permitted', {
        what: 'This user may not read or write a file of the home.',
        where,
        next: `Run as the user who owns ${folder}, or set RELEVO_HOME to a folder of your own.`,
        cause: error,
      });
    case 'ENOTDIR':
    case 'EEXIST':
      return new ServerError('data_damaged', {
        what: 'There is a file where the home needs a folder.',
        where,
        next: 'Move the file away, or set RELEVO_HOME to another folder.',
        cause: error,
      });
    default:
      return error;
  }
}
