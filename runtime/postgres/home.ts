import { mkdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from './files.ts';
import { isRoot, type Account } from './unprivileged.ts';

/** The places of one home (RELEVO_HOME) that belong to its server. */
export interface Home {
  readonly folder: string;
  /** `postgres/` in the home: everything below is in it. */
  readonly own: string;
  readonly lock: string;
  readonly users: string;
  readonly password: string;
  readonly log: string;
  /** Written only when the data cannot be in the home: see `location.ts`. */
  readonly location: string;
  /** When root works in somebody else's home, the files stay that user's; undefined: no need to give them. */
  readonly owner?: Account;
}

export async function openHome(path: string): Promise<Home> {
  await mkdir(path, { recursive: true });
  const folder = await realpath(path);
  const { uid, gid } = await stat(folder);
  const owner = isRoot() && uid !== 0 ? { uid, gid } : undefined;
  const own = join(folder, 'postgres');
  const home: Home = {
    folder,
    own,
    lock: join(own, 'lock'),
    users: join(own, 'users'),
    password: join(own, 'password'),
    log: join(own, 'server.log'),
    location: join(own, 'location.json'),
    owner,
  };
  // The server of root runs as another user, who must pass through this folder but read nothing in it.
  await makeFolder(own, { mode: isRoot() ? 0o711 : 0o700, owner });
  await makeFolder(home.lock, { mode: 0o755, owner });
  await makeFolder(home.users, { mode: 0o755, owner });
  return home;
}
