import { mkdir, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CellName } from './cell-name.ts';

const pathOf = (home: string, { tenant, environment }: CellName): string =>
  join(home, 'touched', `${tenant}.${environment}`);

/** Notes that somebody did something with a cell: whoever watches the home looks at it at once. */
export async function touchCell(home: string, name: CellName): Promise<void> {
  const path = pathOf(home, name);
  const now = new Date();
  try {
    await utimes(path, now, now);
  } catch {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(path, '', { mode: 0o600 });
  }
}

/** When that was last, as a text that is another one each time; empty where it never was. */
export async function lastTouch(home: string, name: CellName): Promise<string> {
  try {
    return String((await stat(pathOf(home, name), { bigint: true })).mtimeNs);
  } catch {
    return '';
  }
}
