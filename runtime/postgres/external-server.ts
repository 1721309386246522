import { ask } from './connect.ts';
import { codeOf, ServerError } from './errors.ts';

const VERSION_MIN = 15;

/** Checks that a server given by RELEVO_DATABASE_URL can be used, before anything depends on it. */
export async function checkExternalServer(databaseUrl: string): Promise<URL> {
  const url = parseUrl(databaseUrl);
  const { version, maySetUp, role } = await askAbout(url);
  if (version < VERSION_MIN * 10_000) {
    throw new ServerError('version_too_old', {
      what: `The server is PostgreSQL ${Math.floor(version / 10_000)}, and ${VERSION_MIN} is the least that serves.`,
      where: withoutPassword(url),
      next: 'Upgrade it, or unset RELEVO_DATABASE_URL to use the embedded server.',
    });
  }
  if (!maySetUp) {
    throw new ServerError('role_not_allowed', {
      what: `The role "${role}" may not create databases and roles, which every cell has of its own.`,
      where: withoutPassword(url),
      next: `As a superuser, run: alter role "${role}" createdb createrole`,
    });
  }
  return url;
}

/** The same server seen by another role in another database; what else the URL says (TLS, socket) stays. */
export function urlWithLogin(url: URL, database: string, user: string, password: string): string {
  const other = new URL(url);
  other.username = encodeURIComponent(user);
  other.password = encodeURIComponent(password);
  other.pathname = encodeURIComponent(database);
  for (const name of ['user', 'password']) other.searchParams.delete(name);
  return other.href;
}

/**
 * Reads the forms libpq knows, for TCP and for Unix sockets. An address without a host (`postgresql:///relevo`,
 * `postgresql://me@/relevo?host=/run/postgresql`) gets one, because a URL cannot carry a user without a host;
 * a host in the query is the one that counts.
 */
function parseUrl(text: string): URL {
  const wrong = (what: string): ServerError =>
    new ServerError('url_invalid', {
      what,
      where: 'RELEVO_DATABASE_URL',
      next: 'Write postgresql://role:password@host:5432/postgres, or ...@localhost/postgres?host=/socket/folder.',
    });
  if (!/^postgres(ql)?:\/\//.test(text))
    throw wrong('The address of the database is not a postgresql:// URL.');
  try {
    return new URL(text.replace(/^(\w+:\/\/(?:[^/@]*@)?)(?=\/|$)/, '$1localhost'));
  } catch {
    throw wrong('The address of the database cannot be read.'); // the cause would repeat the password
  }
}

interface Facts {
  version: number;
  maySetUp: boolean;
  role: string;
}

async function askAbout(url: URL): Promise<Facts> {
  try {
    const [facts] = await ask<{ version: number; may_set_up: boolean; role: string }>(
      url.href,
      `select current_setting('server_version_num')::int as version,
              rolsuper or (rolcreatedb and rolcreaterole) as may_set_up,
              rolname as role
         from pg_roles
        where rolname = current_user`,
    );
    return { version: facts.version, maySetUp: facts.may_set_up, role: facts.role };
  } catch (error) {
    throw refusal(error, withoutPassword(url));
  }
}

function refusal(error: unknown, where: string): ServerError {
  const said = error instanceof Error ? error.message || codeOf(error) : String(error);
  const code = codeOf(error);
  if (code?.startsWith('28') || said?.startsWith('SASL')) {
    return new ServerError('login_refused', {
      what: `The server refuses the login: ${said}.`,
      where,
      next: 'Mend role and password in RELEVO_DATABASE_URL, or let pg_hba.conf admit them.',
      cause: error,
    });
  }
  if (code === '3D000') {
    return new ServerError('url_invalid', {
      what: `The server has no such database: ${said}.`,
      where,
      next: 'Name one that exists, for instance postgres.',
      cause: error,
    });
  }
  return new ServerError('url_unreachable', {
    what: `The server cannot be reached: ${said}.`,
    where,
    next: 'Start it, mend RELEVO_DATABASE_URL, or unset that setting to use the embedded server.',
    cause: error,
  });
}

function withoutPassword(url: URL): string {
  const shown = new URL(url);
  shown.password = '';
  shown.searchParams.delete('password');
  return shown.href;
}
