import { setTimeout as sleep } from 'node:timers/promises';
import { documentOf, endOf, type Running } from '../lab/command.ts';
import { childrenOf, endProcess, isAlive, processesOf } from '../lab/processes.ts';
import type { MigrationRow, ProofCell } from '../lab/proof-cell.ts';
import type { Random } from '../lab/random.ts';
import { waitFor } from '../lab/wait.ts';
import { type PlannedKill, textOf } from './plan.ts';

/** A process that was killed in the middle of its work. */
export interface Kill {
  readonly where: string;
  readonly victim: string;
  readonly point: string | null;
  readonly times: number;
  /** How far the migration was. */
  readonly state: string;
  readonly chunksDone: number;
}

/** From the start of the process that goes on until a chunk is worked on again or the migration is complete. */
export interface Resumption {
  readonly after: string;
  readonly ms: number;
}

/** What a command answers about a migration. */
export interface MigrationDocument {
  readonly migration: string;
  readonly state: string;
  readonly reconciled: boolean | null;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly posted: unknown;
  readonly held: unknown;
  readonly rows: unknown;
  readonly rejections: unknown;
}

const HANGS_MS = 90_000;

/** One file on its way into a cell, killed again and again, resumed as an operator would. */
export class Campaign {
  readonly kills: Kill[] = [];
  readonly resumptions: Resumption[] = [];
  /** What must not happen: a command that hangs, a file that cannot be finished. */
  readonly failures: string[] = [];
  /** Planned kills that came too late. */
  readonly missed: PlannedKill[] = [];
  readonly #cell: ProofCell;
  readonly #file: string;
  readonly #chunks: number;
  readonly #random: Random;
  readonly #before: number;
  /** The kill whose resumption is still to be measured. */
  #open: string | null = null;
  #current: Running | null = null;

  /** `chunks` is how many the undisturbed run had; `before` the last migration's number before this one. */
  constructor(cell: ProofCell, file: string, chunks: number, before: number, random: Random) {
    this.#cell = cell;
    this.#file = file;
    this.#chunks = chunks;
    this.#before = before;
    this.#random = random;
  }

  async kill(planned: PlannedKill): Promise<void> {
    await this.#endCurrent();
    const hit =
      planned.kind === 'moment'
        ? await this.#killAtMoment(planned)
        : planned.victim === 'command'
          ? await this.#killCommandAt(planned)
          : await this.#killWorkerAt(planned);
    if (!hit) this.missed.push(planned);
  }

  /** The last resumption, which nobody disturbs. */
  async finish(): Promise<MigrationDocument | null> {
    await this.#endCurrent();
    const orphans = processesOf(this.#cell.lab.home);
    const running = this.#start(await this.#resumeCommand('--json'), {});
    const ended = await endOf(running, HANGS_MS);
    await this.#measure(running, orphans);
    if (ended?.code !== 0) {
      this.failures.push(
        ended
          ? `${running.args.join(' ')} ended with ${ended.code ?? ended.signal}: ${ended.stdout}${ended.stderr}`
          : `${running.args.join(' ')} did not end within ${HANGS_MS / 1000} s`,
      );
      return null;
    }
    return documentOf<MigrationDocument>(ended);
  }

  /** The migration of this file, once it is entered. */
  async migration(): Promise<MigrationRow | null> {
    const last = await this.#cell.lastMigration();
    return last && last.importNumber > this.#before ? last : null;
  }

  async #killCommandAt(planned: PlannedKill & { kind: 'point' }): Promise<boolean> {
    const orphans = processesOf(this.#cell.lab.home);
    const isStart = planned.point === 'verify:done';
    const args = isStart ? this.#startCommand('--wait') : await this.#resumeCommand();
    const running = this.#start(args, { RELEVO_CRASH_AT: `${planned.point}#${planned.times}` });
    const ended = await endOf(running, HANGS_MS);
    await this.#measure(running, orphans);
    if (ended?.signal !== 'SIGKILL') {
      if (!ended) this.failures.push(`${args.join(' ')} did not end within ${HANGS_MS / 1000} s`);
      return false;
    }
    return this.#count(planned, 'command');
  }

  async #killWorkerAt(planned: PlannedKill & { kind: 'point' }): Promise<boolean> {
    const { lab, text } = this.#cell;
    if (!(await this.#queueFile())) return false;
    const orphans = processesOf(lab.home);
    const running = this.#start(['worker', '--cell', text], {
      RELEVO_CRASH_AT: `${planned.point}#${planned.times}`,
    });
    const end = await waitFor(
      async () => {
        if (running.hasEnded()) return 'ended';
        const state = (await this.migration())?.state;
        return state === 'completed' && planned.point !== 'close:recorded' ? 'too late' : null;
      },
      { msMax: HANGS_MS, everyMs: 50 },
    );
    await this.#measure(running, orphans);
    if (end !== 'ended') {
      if (!end) this.failures.push(`a worker came neither to ${planned.point} nor to the end`);
      running.kill('SIGTERM');
      if (!(await endOf(running, 15_000))) this.failures.push('a worker did not end at SIGTERM');
      return false;
    }
    const { signal } = await running.ended;
    return signal === 'SIGKILL' && this.#count(planned, 'worker');
  }

  /**
   * Brings the whole file into the queue without working it: `migrate start` without `--wait` leaves a worker
   * behind, which dies with its first chunk in hand. That is one more kill.
   */
  async #queueFile(): Promise<boolean> {
    const { lab, database } = this.#cell;
    const now = await this.migration();
    if (now && now.state !== 'loading') return now.state === 'working';
    const orphans = processesOf(lab.home);
    const running = this.#start(this.#startCommand(), {
      RELEVO_WORKERS: '1',
      RELEVO_CRASH_AT: 'chunk:leased',
    });
    const ended = await endOf(running, HANGS_MS);
    if (ended?.code !== 0) {
      this.failures.push(`migrate start without --wait: ${ended ? ended.stdout + ended.stderr : 'it hung'}`);
      return false;
    }
    const dead = await waitFor(
      async () => {
        const [lease] = await lab.ask<{ worker: string }>(
          database,
          `select worker from proof.chunk_log where state = 'leased' and at >= $1 order by at desc limit 1`,
          [new Date(running.startedAtMs)],
        );
        return lease !== undefined && !isAlive(pidOf(lease.worker));
      },
      { msMax: 20_000 },
    );
    await this.#measure(running, orphans);
    if (dead)
      await this.#count({ kind: 'point', victim: 'worker', point: 'chunk:leased', times: 1 }, 'worker');
    return (await this.migration())?.state === 'working';
  }

  async #killAtMoment(planned: PlannedKill & { kind: 'moment' }): Promise<boolean> {
    const { lab } = this.#cell;
    const orphans = processesOf(lab.home);
    const args = [...(await this.#resumeCommand()), '--workers', '2'];
    const running = this.#start(args, {});
    if (!(await this.#untilMoment(running, planned))) {
      await endOf(running, HANGS_MS);
      await this.#measure(running, orphans);
      return false;
    }
    const children = (await childrenOf(running.pid)).filter(isAlive);
    const database = planned.victim === 'database' ? await lab.postmaster() : undefined;
    if (planned.victim === 'worker' && children.length === 0) {
      this.#current = running;
      return false;
    }
    const killedAtMs = Date.now();
    const killed =
      planned.victim === 'worker'
        ? [this.#random.pick(children)]
        : planned.victim === 'database'
          ? [database!]
          : planned.victim === 'everything'
            ? [running.pid, ...children]
            : [running.pid];
    const hit = killed.map((pid) => endProcess(pid)).some(Boolean);
    if (planned.victim === 'worker') {
      // Nobody has to do anything: the command replaces its worker, and the other one goes on.
      const where = textOf(planned);
      if (hit && !(await this.#count(planned, 'worker'))) return false;
      const ms = await this.#workedAgain(killedAtMs, killed, 15_000);
      this.resumptions.push({ after: `${where} (by itself)`, ms: ms ?? 15_000 });
      this.#open = null;
      this.#current = running;
      return hit;
    }
    const ended = await endOf(running, HANGS_MS);
    if (!ended) this.failures.push(`${args.join(' ')} did not end after its ${planned.victim} was killed`);
    await waitFor(() => !killed.some(isAlive), { msMax: 5_000 });
    if (planned.victim === 'database') {
      // Counted by what the database says when it is back: the next command starts it.
      if (ended?.code === 0) return false;
      this.kills.push({
        where: textOf(planned),
        victim: 'database',
        point: null,
        times: 1,
        state: 'its process gone',
        chunksDone: -1,
      });
      this.#open = textOf(planned);
      return hit;
    }
    await this.#measure(running, orphans);
    return hit && ended?.signal === 'SIGKILL' && this.#count(planned, planned.victim);
  }

  /** Waits until the moment has come; false when the command was through before. */
  async #untilMoment(
    running: Running,
    { share, delayMs }: PlannedKill & { kind: 'moment' },
  ): Promise<boolean> {
    if (share !== null) {
      const done = (await this.migration())?.chunksDone ?? 0;
      const target = done + Math.max(1, Math.round((this.#chunks - done) * share));
      await waitFor(async () => running.hasEnded() || ((await this.migration())?.chunksDone ?? 0) >= target, {
        msMax: HANGS_MS,
        everyMs: 10,
      });
    }
    await sleep(delayMs);
    return !running.hasEnded() && (await this.migration())?.state !== 'completed';
  }

  /** Counts a kill if the migration was not through by then. */
  async #count(planned: PlannedKill, victim: string): Promise<boolean> {
    const now = await this.migration();
    const isLast = planned.kind === 'point' && planned.point === 'close:recorded';
    if (now?.state === 'completed' && !isLast) return false;
    this.kills.push({
      where: textOf(planned),
      victim,
      point: planned.kind === 'point' ? planned.point : null,
      times: planned.kind === 'point' ? planned.times : 1,
      state: now?.state ?? 'not entered',
      chunksDone: now?.chunksDone ?? 0,
    });
    this.#open = textOf(planned);
    return true;
  }

  /** A command that still runs after its worker was killed: it dies now, if there is work left. */
  async #endCurrent(): Promise<void> {
    const running = this.#current;
    this.#current = null;
    if (!running) return;
    running.kill();
    const { signal } = await running.ended;
    if (signal === 'SIGKILL')
      await this.#count(
        { kind: 'moment', victim: 'command', share: null, delayMs: Date.now() - running.startedAtMs },
        'command',
      );
  }

  /** Measures how soon `running`, started after the last kill, brought the migration on. */
  async #measure(running: Running, orphans: readonly number[]): Promise<void> {
    if (!this.#open) return;
    const ms = await this.#workedAgain(running.startedAtMs, orphans, 0);
    if (ms === null) return; // it was killed itself before it came so far: the next one is measured
    this.resumptions.push({ after: this.#open, ms });
    this.#open = null;
  }

  /** Since `sinceMs`, until a chunk was leased by a process that was not there before or the books were closed. */
  async #workedAgain(sinceMs: number, without: readonly number[], msMax: number): Promise<number | null> {
    const { lab, database } = this.#cell;
    return waitFor(
      async () => {
        const [{ at }] = await lab.ask<{ at: Date | null }>(
          database,
          `select least(
             (select min(at) from proof.chunk_log
               where at >= $1 and state = 'leased' and not (split_part(worker, ':', 2)::int4 = any($2))),
             (select min(completed_at) from migrations.migrations where completed_at >= $1)) as at`,
          [new Date(sinceMs), without],
        );
        return at && Math.max(1, at.getTime() - sinceMs);
      },
      { msMax },
    );
  }

  #start(args: readonly string[], settings: Record<string, string>): Running {
    return this.#cell.lab.start(args, settings);
  }

  #startCommand(...more: string[]): string[] {
    return ['migrate', 'start', this.#file, '--cell', this.#cell.text, ...more];
  }

  /** What an operator types: the same command again, or `migrate resume`. */
  async #resumeCommand(...more: string[]): Promise<string[]> {
    const now = this.#open?.startsWith('database') ? null : await this.migration();
    if (!now || now.state === 'completed' || this.#random.next() < 0.5)
      return this.#startCommand('--wait', ...more);
    return ['migrate', 'resume', this.#cell.migrationId(now.importNumber), '--wait', ...more];
  }
}

/** Workers are named `host:pid:…`. */
export const pidOf = (worker: string): number => Number(worker.split(':').at(-2));
