import { randomBytes } from 'node:crypto';
import { writeAside } from '#runtime/files/write-aside.ts';
import { ServerError } from './errors.ts';
import { readIfThere } from './files.ts';
import type { Home } from './home.ts';

/** The superuser's password: chosen once per home, before there is data, and never changed. */
export async function passwordOf(home: Home, { mayChoose }: { mayChoose: boolean }): Promise<string> {
  const known = await readIfThere(home.password);
  if (known !== undefined) return known.trim();
  if (!mayChoose) {
    throw new ServerError('password_missing', {
      what: 'The file with the password of the database server is gone.',
      where: home.password,
      next: `Bring it back from where the home came from, or remove ${home.own} to begin with an empty database.`,
    });
  }
  const password = randomBytes(24).toString('base64url');
  await writeAside(home.password, `${password}\n`, { mode: 0o600, owner: home.owner });
  return password;
}
