import type pg from 'pg';
import { programOf } from '../postgres/processes.ts';
import { sendToBackground } from '../priority.ts';

/**
 * PostgreSQL's own processes for the connections of some pools, so that all of them can go to the background. Behind
 * a Unix socket they are on this machine; as the embedded server runs under our user, or we are root, it is allowed.
 */
export class Backends {
  readonly #pids = new Set<number>();
  #inBackground = false;

  /** From now on, those of later connections too. */
  goToBackground(): void {
    this.#inBackground = true;
    for (const pid of this.#pids) lower(pid);
  }

  add(client: pg.PoolClient): void {
    const pid = localPid(client);
    if (pid === null) return;
    this.#pids.add(pid);
    if (this.#inBackground) lower(pid);
  }

  remove(client: pg.PoolClient): void {
    const pid = localPid(client);
    if (pid !== null) this.#pids.delete(pid);
  }
}

function lower(pid: number): void {
  if (programOf(pid) === 'postgres') sendToBackground(pid);
}

/** The types of `pg` leave out what its clients know of their server. */
function localPid(client: pg.PoolClient): number | null {
  const { host, processID } = client as unknown as { host: string; processID: number | null };
  return host.startsWith('/') ? processID : null;
}
