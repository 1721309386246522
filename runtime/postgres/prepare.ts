import { type Binaries, installedBinaries, usableBinaries } from './binaries.ts';
import { accountFor, hasData, mendOwner } from './data-folder.ts';
import { ServerError } from './errors.ts';
import type { Home } from './home.ts';
import { initialise } from './initialise.ts';
import { chooseBase, recordLocation } from './location.ts';
import { passwordOf } from './password.ts';
import { accountMay, type Account } from './unprivileged.ts';

/** Everything a server needs to start. */
export interface Ready {
  readonly base: string;
  readonly binaries: Binaries;
  readonly account?: Account;
  readonly password: string;
}

export interface Preparing {
  /** As whom the server runs when this process is root and the data has no owner yet; default `nobody`. */
  readonly runAs?: Account;
  /** Where root keeps data and binaries that the server's user could not reach otherwise. */
  readonly systemFolder: string;
  readonly log: (message: string) => void;
}

/** Finds or makes what a home's server needs. Called under the home's lock, when no server runs. */
export async function prepare(home: Home, recordedBase: string, options: Preparing): Promise<Ready> {
  const { log, runAs, systemFolder } = options;
  const installed = await installedBinaries();
  const account = await accountFor(home, recordedBase, runAs);
  const isFirst = !(await hasData(home, recordedBase, installed.version));
  const base = isFirst ? await chooseBase(home, { account, systemFolder, log }) : recordedBase;
  const copies = account === undefined ? home.own : systemFolder;
  const binaries = await usableBinaries({ installed, account, copies });
  const password = await passwordOf(home, { mayChoose: isFirst });
  if (isFirst) {
    log('making the database server of this home');
    await initialise({ base, binaries, account, password });
    await recordLocation(home, base);
  }
  await mendOwner(base, account);
  if (account !== undefined && !(await accountMay(account, ['may enter', base]))) {
    throw new ServerError('not_permitted', {
      what: `The database server runs as user number ${account.uid}, who cannot reach its data any more.`,
      where: base,
      next: 'Make every folder on the way passable again (chmod o+x), or move the home to where it was.',
    });
  }
  return { base, binaries, account, password };
}
