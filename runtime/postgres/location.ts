import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAside } from '#runtime/files/write-aside.ts';
import { ServerError } from './errors.ts';
import { makeFolder, readIfThere } from './files.ts';
import type { Home } from './home.ts';
import { accountMay, type Account } from './unprivileged.ts';

interface Location {
  readonly home: string;
  readonly base: string;
}

/**
 * The folder that holds `data/`: the home's own, or the one the home recorded when its server's user could not
 * reach the home. A home that was moved keeps its data; of one that was copied, the data stayed behind.
 */
export async function baseOf(home: Home): Promise<string> {
  const location = await readLocation(home.location);
  if (location === undefined) return home.own;
  if (location.home === home.folder) return location.base;
  const before = await readLocation(join(location.home, 'postgres', 'location.json'));
  if (before?.base === location.base) {
    throw new ServerError('home_copied', {
      what: `This home is a copy of ${location.home}, whose data is elsewhere and was not copied.`,
      where: location.base,
      next: `Set RELEVO_HOME=${location.home}, or remove ${home.own} to begin with an empty database.`,
    });
  }
  await recordLocation(home, location.base);
  return location.base;
}

async function readLocation(file: string): Promise<Location | undefined> {
  const text = await readIfThere(file);
  return text === undefined ? undefined : (JSON.parse(text) as Location);
}

/** Said once there is data in the base, so that a first start that failed is simply made again. */
export async function recordLocation(home: Home, base: string): Promise<void> {
  if (base === home.own) return;
  const location: Location = { home: home.folder, base };
  await writeAside(home.location, JSON.stringify(location), { mode: 0o644, owner: home.owner });
}

interface Choosing {
  readonly account?: Account;
  /** Where root keeps what the account could not reach otherwise. */
  readonly systemFolder: string;
  readonly log: (message: string) => void;
}

/** A base the account can reach, for a home that has no data yet. */
export async function chooseBase(home: Home, { account, systemFolder, log }: Choosing): Promise<string> {
  if (account === undefined || (await accountMay(account, ['may enter', home.own]))) return home.own;
  const name = createHash('sha256').update(home.folder).digest('hex').slice(0, 16);
  const base = join(systemFolder, `${name}-${randomBytes(4).toString('hex')}`);
  for (const folder of [systemFolder, base]) await makeFolder(folder, { mode: 0o711 });
  if (!(await accountMay(account, ['may enter', base]))) {
    throw new ServerError('not_permitted', {
      what: `PostgreSQL must not run as root, and user number ${account.uid} can reach neither the home nor this folder.`,
      where: base,
      next: `Make the folder of the home passable (chmod o+x), set RELEVO_HOME to one that is, or run as an ordinary user.`,
    });
  }
  for (const entry of await readdir(systemFolder)) {
    // The home was removed and made again, and the password went with it; the data is not ours to remove.
    const former = entry.startsWith(`${name}-`) && join(systemFolder, entry) !== base;
    if (former) log(`data of an earlier home in this place remains: ${join(systemFolder, entry)}`);
  }
  return base;
}
