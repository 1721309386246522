import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { PrivateKey } from 'openpgp';
import type { CellName } from '#delivery/cells/cell-name.ts';
import { cellText } from '#delivery/cells/cell-name.ts';
import { openAudit } from '#delivery/cells/open-audit.ts';
import { type Cell, openCell, openVault } from '#delivery/cells/open-cell.ts';
import { enterCutover } from '#delivery/local/enter-cutover.ts';
import { registerSampleKey, sampleKey } from '#delivery/local/sample-key.ts';
import type { Database } from '#runtime/database/database.ts';
import type { Server } from '#runtime/postgres/server.ts';
import { Refusal } from '#runtime/refusal.ts';
import type { CutoverCell } from '#services/authorisations/cutover/cutover-cell.ts';
import type { Direction } from '#services/authorisations/cutover/direction.ts';
import { listRanges } from '#services/authorisations/ranges/list-ranges.ts';
import { setRange } from '#services/authorisations/ranges/set-range.ts';
import { cardSetOf } from '#simulators/network/cards.ts';
import { Network } from '#simulators/network/network.ts';
import type { PhaseReport } from '#simulators/network/tally.ts';
import type { Portfolio } from '#simulators/portfolio/read-portfolio.ts';
import { Book } from '#simulators/processor/book.ts';
import { ProcessorServer } from '#simulators/processor/processor-server.ts';
import { Reckoning } from '#simulators/reckoning/reckoning.ts';
import { wholeSecond } from '#simulators/wire/times.ts';
import { type BooksCompared, compareBooks } from './books.ts';
import { type Deciders, RequestLog } from './deciders.ts';
import { approveFlips, type FlipTaken, takeFlip, waitForGates } from './flips.ts';
import { writeSealedPortfolio } from './portfolio-file.ts';
import { historyOf } from './history.ts';
import { askRelevo } from './relevo-command.ts';
import { ServingProcess } from './serving-process.ts';
import { addAgreements, type ShadowAgreement, shadowAgreement } from './shadow.ts';
import { WitnessedProcessor } from './witness.ts';

/** What is told while a rehearsal goes on. */
export interface Watcher {
  phaseBegins(name: string, about: string): void;
  /** Several times a second; `done` of `total` seconds where a phase has its time. */
  tick(figures: { sent: number; unanswered: number; note: string }): void;
  phaseEnds(report: PhaseReport): void;
}

export interface StageOptions {
  readonly server: Server;
  readonly home: string;
  readonly tenant: string;
  /** Of every command that is started. */
  readonly environment: NodeJS.ProcessEnv;
  /** Where portfolio files go. */
  readonly folder: string;
  /** The cards as the earlier processor has them before anything is sent. */
  readonly portfolio: Portfolio;
  readonly rate: number;
  readonly seed: number;
  readonly watcher: Watcher;
  readonly signal: AbortSignal;
  readonly operator: string;
  /** Messages that the gate wants to see in a minute, of each range. */
  readonly windowMessages: number;
  /** How long the network waits for an answer before it repeats. */
  readonly budgetMs?: number;
  /** How long the earlier processor may think before it is stood in for. */
  readonly processorBudgetMs?: number;
  /** The share in which both sides have to agree before a cutover. */
  readonly agreementBar?: string;
  /** Starts what the network connects to; without it, one serving process. */
  readonly serve?: (cell: string) => Promise<Served>;
}

export interface Served {
  readonly processes: readonly ServingProcess[];
  readonly port: number;
}

/** What a migration answered, as far as it is looked at here. */
export interface Migrated {
  readonly migration: string;
  readonly state: string;
  readonly reconciled: boolean | null;
  readonly seconds: number;
  readonly rows: Readonly<Record<string, number>>;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly rejections: Readonly<Record<string, number>>;
}

/** A flip and the phase that was kept for it. */
export type FlipOfPhase = FlipTaken & { readonly phase: string };

/** Everything that is checked when all is over. */
export interface Ending {
  readonly phases: readonly PhaseReport[];
  readonly flips: readonly FlipOfPhase[];
  readonly shadow: ShadowAgreement;
  readonly deciders: Deciders;
  readonly books: BooksCompared;
  /** Messages that an overfull network did not send. */
  readonly shed: number;
  readonly audit: { readonly entries: number; readonly breaks: number };
  /** Transmitted before the boundary of a file and not in it. */
  readonly latecomers: number;
}

const SOURCE = 'earlier-processor';
const TICK_MS = 200;
/** Card networks give up after some seconds. */
const NETWORK_BUDGET_MS = 5_000;
/** What was transmitted before the boundary of a file has arrived by then. */
const BOUNDARY_GRACE_MS = 2_500;
const SETTLE_MS_MAX = 90_000;
/** An ordinary neighbour in another building. */
const LATENCY = { fixedMs: 4, jitterMs: 8 };

/**
 * The players of a rehearsal: an earlier processor that owns the cards, a network that sends the whole time, Relevo in
 * processes of its own, and those who write down what happens.
 */
export class Stage {
  readonly cellName: string;
  readonly ranges: readonly string[];
  readonly processor: WitnessedProcessor;
  readonly processorServer: ProcessorServer;
  readonly network: Network;
  readonly cutover: CutoverCell;
  readonly flips: FlipOfPhase[] = [];
  serving: ServingProcess[];
  readonly #options: StageOptions;
  readonly #cell: Cell;
  readonly #reporting: Database;
  readonly #tenantKey: PrivateKey;
  readonly #requests: RequestLog;
  readonly #reckoning: Reckoning;
  readonly #agreements: ShadowAgreement[] = [];
  readonly #phases: PhaseReport[] = [];
  #sequence = 0;
  #phase = '';
  #shadowFrom: Date | null = null;

  static async open(options: StageOptions): Promise<Stage> {
    const { server, home, tenant, portfolio, environment, operator } = options;
    const name: CellName = { tenant, environment: 'production' };
    const cell = await openCell(server, home, name);
    const closing: (() => Promise<unknown>)[] = [() => cell.close()];
    try {
      const tenantKey = await sampleKey(home, tenant);
      await registerSampleKey(cell, tenantKey, operator);
      const cutover = await enterCutover(cell);
      const vault = await openVault(cell, cutover.db);
      const processor = new WitnessedProcessor({ book: Book.of(portfolio), seed: options.seed });
      const processorServer = await ProcessorServer.start({
        processor,
        latency: LATENCY,
        seed: options.seed,
      });
      closing.unshift(() => processorServer.close());
      for (const prefix of portfolio.binRanges)
        await setRange(
          cutover,
          {
            prefix,
            processor: `127.0.0.1:${processorServer.port}`,
            budgetMs: String(options.processorBudgetMs ?? 2000),
            standInAmountMinor: '20000',
            standInCount: '3',
            windowMinutes: '1',
            windowMessages: String(options.windowMessages),
            agreementBar: options.agreementBar,
          },
          { operator },
        );
      const serve = options.serve ?? ((cellName) => serveOnce(cellName, environment));
      const { processes, port } = await serve(cellText(name));
      const serving = [...processes];
      closing.unshift(() => Promise.all(serving.map((each) => each.stop())));
      const requests = new RequestLog(vault);
      const reckoning = new Reckoning(portfolio);
      const network = new Network({
        port,
        cards: cardSetOf(portfolio),
        seed: options.seed,
        budgetMs: options.budgetMs ?? NETWORK_BUDGET_MS,
        onAnswered: (exchange) => {
          requests.add(exchange);
          reckoning.answered(exchange);
        },
        onGivenUp: (exchange) => {
          requests.add(exchange);
          reckoning.givenUp(exchange);
        },
      });
      return new Stage(options, {
        cell,
        cutover,
        processor,
        processorServer,
        serving,
        network,
        tenantKey,
        requests,
        reckoning,
      });
    } catch (error) {
      for (const close of closing) await close().catch(() => {});
      throw error;
    }
  }

  private constructor(
    options: StageOptions,
    players: {
      cell: Cell;
      cutover: CutoverCell;
      processor: WitnessedProcessor;
      processorServer: ProcessorServer;
      serving: ServingProcess[];
      network: Network;
      tenantKey: PrivateKey;
      requests: RequestLog;
      reckoning: Reckoning;
    },
  ) {
    this.#options = options;
    this.#cell = players.cell;
    this.#reporting = players.cell.connect('reporting', 1);
    this.#tenantKey = players.tenantKey;
    this.#requests = players.requests;
    this.#reckoning = players.reckoning;
    this.cellName = cellText(players.cell.name);
    this.ranges = options.portfolio.binRanges;
    this.processor = players.processor;
    this.processorServer = players.processorServer;
    this.serving = players.serving;
    this.network = players.network;
    this.cutover = players.cutover;
    this.#sequence = options.portfolio.sequence - 1;
  }

  /** The network signs on and begins to send, and does so until `end`. */
  async begin(): Promise<void> {
    await this.network.signOn();
    this.network.start({ rate: this.#options.rate });
  }

  /** Everything that `play` does, and at least so long, is one phase of the report. */
  async phase<T>(
    name: string,
    about: string,
    { seconds, play }: { seconds: number; play?: (note: (text: string) => void) => Promise<T> },
  ): Promise<T | undefined> {
    const { watcher, signal } = this.#options;
    let note = '';
    this.#phase = name;
    watcher.phaseBegins(name, about);
    this.network.beginPhase(name);
    const tick = () => {
      const { sent } = this.network.report().at(-1)!;
      watcher.tick({ sent, unanswered: this.network.unanswered, note });
    };
    const ticking = setInterval(tick, TICK_MS);
    try {
      const [played] = await Promise.all([
        play?.((text) => (note = text)),
        pause(seconds * 1000, undefined, { signal }),
      ]);
      return played;
    } catch (error) {
      if (signal.aborted)
        throw new Refusal('interrupted', 'The rehearsal was ended before its time.', { cause: error });
      throw error;
    } finally {
      clearInterval(ticking);
      const report = this.network.endPhase();
      this.#phases.push(report);
      watcher.phaseEnds(report);
    }
  }

  /** A file as of a second boundary: the earlier processor is asked when everything from before it has arrived. */
  async bringIn(kind: 'full' | 'delta', note: (text: string) => void): Promise<Migrated> {
    const { folder, tenant, environment, signal } = this.#options;
    const asOfMs = wholeSecond(Date.now()) + 1000;
    note(
      `the earlier processor writes its ${kind} file as of ${new Date(asOfMs).toISOString().slice(11, 19)}Z`,
    );
    await pause(asOfMs - Date.now() + BOUNDARY_GRACE_MS, undefined, { signal });
    const sequence = ++this.#sequence;
    const path = join(folder, `${tenant}-${sequence}-${kind}-${asOfMs}.csv.gpg`);
    const { cell } = await this.cutover.keys();
    await writeSealedPortfolio(
      path,
      this.processor.book,
      { tenant, environment: 'production', kind, sequence, source: SOURCE, asOfMs },
      { signingKey: this.#tenantKey, to: cell.map((key) => key.toPublic()) },
    );
    note(`${kind} file is migrated`);
    return askRelevo<Migrated>(
      ['migrate', 'start', path, '--cell', this.cellName, '--wait', '--workers', '1'],
      environment,
    );
  }

  /** Cards that the earlier processor has issued meanwhile: the network meets them in shops, too. */
  issued(lines: readonly (readonly string[])[]): void {
    for (const fields of lines) this.#reckoning.open(fields);
    this.network.addCards(cardSetOf({ ...this.#options.portfolio, cards: lines, holds: [] }));
  }

  /** Decisions of both sides are compared from now on. */
  watchShadow(): void {
    this.#shadowFrom = new Date();
  }

  async stopWatchingShadow(): Promise<void> {
    if (!this.#shadowFrom) return;
    this.#agreements.push(await shadowAgreement(this.#reporting, this.#shadowFrom, new Date()));
    this.#shadowFrom = null;
  }

  /** Waits for green gates, and has two operators approve. */
  async approve(direction: Direction, note: (text: string) => void, msMax = 120_000): Promise<void> {
    const { signal } = this.#options;
    await waitForGates(this.cutover, this.ranges, direction, {
      msMax,
      signal,
      onWait: (what) => note(`waits for ${what}`),
    });
    await approveFlips(this.cutover, this.ranges, direction);
    note('green, and approved by two');
  }

  /** Whether the ranges are decided here, as an earlier rehearsal may have left them. */
  async isOwn(): Promise<boolean> {
    const ranges = await listRanges(this.cutover.db);
    return ranges.some(({ prefix, mode }) => mode === 'own' && this.ranges.includes(prefix));
  }

  /** All ranges, one after the other, or some of them. */
  async flip(direction: Direction, ranges = this.ranges): Promise<void> {
    if (direction === 'cutover') await this.stopWatchingShadow();
    for (const range of ranges)
      this.flips.push({ ...(await takeFlip(this.cutover, range, direction)), phase: this.#phase });
    if (direction === 'rollback') this.watchShadow();
  }

  /** The network falls silent; what is under way between both sides comes to its end; then all is looked at. */
  async end(): Promise<Ending> {
    await this.stopWatchingShadow();
    await this.network.pause();
    await this.#settle();
    const [deciders, books, trail] = [
      await this.#requests.judge(this.#reporting, this.processor),
      await compareBooks(this.#reporting, this.#reckoning, this.processor.book),
      await (await openAudit(this.#cell, 'operators')).verifyTrail({ anchors: [] }),
    ];
    const ended = this.network.report().filter(({ name }) => this.#phases.some((each) => each.name === name));
    return {
      phases: ended,
      flips: this.flips,
      shadow: addAgreements(this.#agreements),
      deciders,
      books,
      shed: this.network.shed,
      audit: { entries: trail.entries, breaks: trail.breaksTotal },
      latecomers: this.processor.book.latecomers,
    };
  }

  historyOf(account: string): Promise<string[]> {
    return historyOf(this.#reporting, account);
  }

  async close(): Promise<void> {
    await this.network.close();
    await Promise.all(this.serving.map((each) => each.stop()));
    await this.processorServer.close();
    await this.#cell.close();
  }

  /** Until every advice is delivered, every approval followed, and every relayed message on record. */
  async #settle(): Promise<void> {
    const { signal, watcher } = this.#options;
    const since = performance.now();
    for (;;) {
      const [waiting] = await this.#reporting.rows<Waiting>`
        select count(*) filter (where state = 'relaying')::int4 as relaying,
               count(*) filter (where state = 'unfollowed')::int4 as unfollowed,
               count(*) filter (where advice_due_at is not null)::int4 as advices
          from reporting.messages
         where state <> 'done' or advice_due_at is not null`;
      if (waiting.relaying + waiting.unfollowed + waiting.advices === 0) break;
      if (performance.now() - since > SETTLE_MS_MAX) break; // the comparison will say what is missing
      watcher.tick({
        sent: 0,
        unanswered: 0,
        note: `${waiting.advices} advices, ${waiting.unfollowed} unfollowed, ${waiting.relaying} relaying`,
      });
      await pause(TICK_MS, undefined, { signal });
    }
    await this.#releaseExpired();
  }

  /** All three books let go of holds whose time is over, each by its own clock; here they do so at one moment. */
  async #releaseExpired(): Promise<void> {
    this.processor.book.expire(Date.now());
    const limit = 5_000;
    while ((await this.cutover.clients.ledger.releaseExpiredHolds({ limit })).released === limit);
  }
}

interface Waiting {
  readonly relaying: number;
  readonly unfollowed: number;
  readonly advices: number;
}

async function serveOnce(cell: string, environment: NodeJS.ProcessEnv): Promise<Served> {
  const serving = await ServingProcess.start(cell, environment);
  return { processes: [serving], port: serving.port };
}
