import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '#declare/service.ts';
import { cellCalls } from '#delivery/cells/caller-keys.ts';
import { readCellFile } from '#delivery/cells/cell-file.ts';
import { databaseName, roleName } from '#delivery/cells/cell-name.ts';
import { serveLedger } from '#services/ledger/main.ts';
import type { ledger } from '#services/ledger/service.ts';
import { openDatabase, type Database } from '#runtime/database/database.ts';
import type { Message } from '#runtime/iso8583/message.ts';
import { Book } from '#simulators/processor/book.ts';
import { Processor } from '#simulators/processor/processor.ts';
import { ProcessorServer } from '#simulators/processor/processor-server.ts';
import { readPortfolio } from '#simulators/portfolio/read-portfolio.ts';
import { assertLedgerLaws } from '#tools/testing/books.ts';
import { endOf, type Running } from '../lab/command.ts';
import { join } from 'node:path';
import type { ProofCell } from '../lab/proof-cell.ts';
import { Random } from '../lab/random.ts';
import { sealFile } from '../lab/seal-file.ts';
import { waitFor } from '../lab/wait.ts';
import { History, shortened } from './history.ts';
import { type Balance, HOLD_MS, Model } from './model.ts';
import {
  drawCards,
  OPENED_MS,
  OWN_RANGE,
  portfolioText,
  RELAYED_RANGE,
  type SimulatedAccount,
  type SimulatedCard,
  type SimulatedHold,
  SMALL,
  type StatedHold,
} from './portfolio.ts';
import type { Said, Sent } from './purchase.ts';
import { postedByPurchase, recordOf, recordsOf } from './records.ts';
import { type ProcessPlan, SimulatedProcess } from './simulated-process.ts';
import { type Sending, Traffic } from './traffic.ts';

export interface Plan {
  readonly seed: number;
  readonly steps: number;
  readonly cards: number;
}

/** What a simulation came to. */
export interface Tally {
  messages: number;
  asked: number;
  /** Answers like 96, after which the same message is sent again. */
  askedAgain: number;
  kills: number;
  crashes: number;
  cuts: number;
  jumps: number;
  processorFaults: number;
  deltas: number;
  expired: number;
  checkpoints: number;
  /** Messages that were answered otherwise than they are on record. */
  passedOn: number;
}

/** A law that was broken, with what led to it. */
export class Broken extends Error {
  readonly history: readonly string[];

  constructor(message: string, history: readonly string[]) {
    super(message);
    this.name = 'Broken';
    this.history = history;
  }
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** How long a burst is waited for before what is silent counts as unanswered. */
const BURST_MS_MAX = 1_500;
const DELTA_MS_MAX = 120_000;
/** Messages go on while a delta comes in, but not all of them: no balances can be looked at before it is in. */
const DELTA_STEP_MS = 100;
const DELTA_STEPS_MAX = 25;
const SETTLE_MS_MAX = 45_000;
/** Until a message is on record whose answer has left, and until a process has told that such answers have. */
const RECORD_MS_MAX = 10_000;
const TOLD_MS_MAX = 50;
const SETTLE_STEP_SECONDS = 2;
const ROUNDS_MAX = 40;
const CHECKPOINT_STEPS = 10;
const PROCESSES = 2;
/** Holds of a file outlive every simulation, but for those that are made to expire. */
const FILE_HOLDS_MS = OPENED_MS + 6 * DAY_MS;
/** Beyond what any hold has left. */
const EXPIRED_MS = HOLD_MS + DAY_MS;
const POINTS = ['message:moved', 'message:recorded', 'message:answered', 'message:followed'] as const;

/** The full file of a simulation with so many cards: the same for every seed, so that a cell can be set back to it. */
export function fullFile(tenant: string, count: number): { cards: SimulatedCard[]; text: Buffer } {
  const cards = drawCards(count, new Random(count));
  const holds = cards.flatMap((card) =>
    card.holds.map((hold) => ({ ...hold, card, expiresMs: FILE_HOLDS_MS })),
  );
  const stated = cards.map((card) => ({ card, postedMinor: card.account.postedMinor }));
  return { cards, text: portfolioText({ tenant, sequence: 1, asOfMs: OPENED_MS }, stated, holds) };
}

export async function bringFile(cell: ProofCell, text: Buffer, name: string): Promise<Running> {
  const path = join(cell.lab.folder, name);
  await sealFile(path, text, {
    signingKey: cell.tenantKey,
    to: cell.keys.cell.map((key) => key.toPublic()),
  });
  return cell.lab.start(['migrate', 'start', path, '--cell', cell.text, '--wait', '--json']);
}

/** One history of messages and faults on a cell that has had its full file. */
export class Simulation {
  readonly tally: Tally = {
    messages: 0,
    asked: 0,
    askedAgain: 0,
    kills: 0,
    crashes: 0,
    cuts: 0,
    jumps: 0,
    processorFaults: 0,
    deltas: 0,
    expired: 0,
    checkpoints: 0,
    passedOn: 0,
  };
  readonly #cell: ProofCell;
  readonly #plan: Plan;
  readonly #random: Random;
  readonly #faults: Random;
  readonly #cards: readonly SimulatedCard[];
  readonly #accounts: readonly SimulatedAccount[];
  readonly #model: Model;
  readonly #traffic: Traffic;
  readonly #history = new History();
  readonly #unanswered = new Set<Sent>();
  /** Those that were answered in more than one way. */
  readonly #disputed = new Set<Sent>();
  readonly #processes: (SimulatedProcess | null)[] = Array.from({ length: PROCESSES }, () => null);
  readonly #starting = new Set<Promise<void>>();
  /** Holds of the file that is on its way. */
  readonly #later: { card: SimulatedCard; expiresMs: number; hold: SimulatedHold }[] = [];
  #admin!: Database;
  #ledgerDb!: Database;
  #ledger!: Client<typeof ledger>;
  #processor!: ProcessorServer;
  /** The clock of the network and of the earlier processor; that of the serving processes is `skew` away from it. */
  #atMs = OPENED_MS + MINUTE_MS;
  #skewMs = 0;
  #skewEnds = 0;
  #delta: { asOfMs: number; begins: number; text: Buffer; running: Running | null; steps: number } | null =
    null;
  #sequence = 1;
  #passedOn = 0;
  #isEnding = false;
  #isOver = false;
  #failure: Broken | null = null;

  constructor(cell: ProofCell, plan: Plan) {
    this.#cell = cell;
    this.#plan = plan;
    this.#random = new Random(plan.seed);
    this.#faults = new Random(plan.seed ^ 0x5eed);
    const { cards } = fullFile(cell.name.tenant, plan.cards);
    this.#cards = cards;
    this.#accounts = [...new Set(cards.map(({ account }) => account))];
    this.#model = new Model(cards, FILE_HOLDS_MS);
    this.#traffic = new Traffic(this.#random, cards);
  }

  /** Throws Broken when a law does not hold. */
  async run(): Promise<void> {
    try {
      await this.#begin();
      for (let step = 1; step <= this.#plan.steps; step++) {
        this.#history.step = step;
        await this.#step(step);
      }
      await this.#end();
    } finally {
      await this.#close();
    }
  }

  async #begin(): Promise<void> {
    const { lab, database, name } = this.#cell;
    const server = await lab.server();
    const url = new URL(server.adminUrl);
    url.pathname = `/${database}`;
    // Connections are cut by the name of their application: those of the proof have one of their own.
    this.#admin = openDatabase(url.href, { connections: 2, applicationName: 'proof' });
    const file = (await readCellFile(lab.home, name))!;
    this.#ledgerDb = openDatabase(
      server.urlFor(databaseName(name), roleName(name, 'ledger'), file.passwords['ledger']),
      { connections: 1, applicationName: 'proof' },
    );
    this.#ledger = cellCalls(file).client(serveLedger(this.#ledgerDb), 'authorisations');
    const { text } = fullFile(this.#cell.name.tenant, this.#plan.cards);
    const book = Book.of(await readPortfolio([text]));
    const now = () => this.#atMs;
    this.#processor = await ProcessorServer.start({ processor: new Processor({ book, now }), now });
    await this.#admin.run`
      insert into authorisations.ranges
        (prefix, mode, processor, budget_ms, stand_in_amount_minor, stand_in_count)
      values (${OWN_RANGE}, 'own', null, 2000, null, null),
             (${RELAYED_RANGE}, 'relay', ${`127.0.0.1:${this.#processor.port}`}, 250, ${SMALL}, 30)`;
    await Promise.all(this.#processes.map((_, i) => this.#start(i)));
  }

  get #processMs(): number {
    return this.#atMs + this.#skewMs;
  }

  #setClocks(): void {
    for (const process of this.#processes) process?.setClock(this.#processMs);
  }

  /** Starts a serving process; every other one is to die by itself, at a place of its work. */
  async #start(slot: number): Promise<void> {
    const dies = !this.#isEnding && this.#faults.between(1, 100) <= 60;
    const crashAt = dies ? `${this.#faults.pick(POINTS)}#${this.#faults.between(3, 60)}` : null;
    const { lab, text } = this.#cell;
    const started = await this.#started({
      home: lab.home,
      cell: text,
      environment: lab.environment,
      crashAt,
    });
    this.#processes[slot] = started;
    started.setClock(this.#processMs);
    void started.ended.then((signal) => {
      this.#processes[slot] = null;
      this.#passedOn += started.passedOn;
      if (this.#isOver) return;
      if (signal !== 'SIGKILL')
        this.#failure ??= new Broken(`a serving process ended by itself: ${started.said}`, []);
      if (started.wasKilled) this.tally.kills++;
      else this.tally.crashes++;
      this.#history.event(`process ${slot} died${started.wasKilled ? '' : ` at ${crashAt}`}`);
      const next = this.#start(slot).catch((error: unknown) => {
        if (!this.#isOver) this.#failure ??= new Broken(String(error), []);
      });
      this.#starting.add(next);
      void next.finally(() => this.#starting.delete(next));
    });
  }

  /** One whose connections are cut before it serves ends, and is started again: a supervisor would do the same. */
  async #started(plan: Omit<ProcessPlan, 'nowMs'>): Promise<SimulatedProcess> {
    for (;;) {
      const { cuts } = this.tally;
      try {
        return await SimulatedProcess.start({ ...plan, nowMs: this.#processMs });
      } catch (error) {
        if (this.tally.cuts === cuts) throw error;
      }
    }
  }

  async #step(step: number): Promise<void> {
    if (this.#failure) throw this.#failure;
    this.#atMs += this.#faults.between(100, 3_000);
    if (step >= this.#skewEnds && this.#skewMs !== 0) {
      this.#skewMs = 0;
      this.#history.event('the clock is right again');
    }
    this.#setClocks();
    await this.#deltaStep(step);
    const sendings = this.#traffic.burst({
      atMs: this.#atMs,
      notBeforeMs: this.#delta?.asOfMs ?? null,
    });
    for (const sent of this.#unanswered)
      if (this.#random.between(1, 3) === 1) sendings.push({ sent, how: 'marked' });
    const burst = this.#send(sendings);
    await this.#fault(step);
    if (step % 3 === 0) await this.#laws();
    await burst;
    if (step % CHECKPOINT_STEPS === 0) await this.#checkpoint('in its midst');
  }

  async #send(sendings: readonly Sending[]): Promise<void> {
    const late = new AbortController();
    const answers = sendings.flatMap((sending) =>
      sending.isDoubled ? [this.#ask(sending, 0), this.#ask(sending, 1)] : [this.#ask(sending)],
    );
    await Promise.race([
      Promise.all(answers),
      pause(BURST_MS_MAX, undefined, { signal: late.signal }).catch(() => {}),
    ]);
    late.abort();
  }

  async #ask({ sent, how }: Sending, slot = this.#random.between(0, PROCESSES - 1)): Promise<void> {
    const process = this.#processes[slot] ?? this.#processes.find((each) => each !== null);
    if (sent.asked === 0) this.tally.messages++;
    sent.asked++;
    this.tally.asked++;
    if (how !== 'altered' && !sent.final) this.#unanswered.add(sent);
    const account = sent.purchase.card.account.id;
    const message = variantOf(sent.message, how, this.#cards);
    this.#history.message(account, `${how} to ${slot}:`, message);
    const answer = process ? await process.ask(message) : null;
    if (!answer || this.#isOver) return;
    this.#history.message(account, 'answer', answer);
    if (how === 'altered') this.#judgeAltered(sent, answer);
    else this.#take(sent, answer);
  }

  #take(sent: Sent, answer: Message): void {
    const had = sent.final;
    sent.said.push({ code: answer.get(39)!, approval: answer.get(38) });
    const { final } = sent;
    if (sent.differing.length > 0) this.#disputed.add(sent);
    if (!final) this.tally.askedAgain++;
    if (!final || had?.code === final.code) return;
    this.#unanswered.delete(sent);
    this.#model.enter(sent.answered(final));
  }

  #judgeAltered({ purchase }: Sent, answer: Message): void {
    const code = answer.get(39)!;
    if (code === '94' || code === '96' || code === '91') return;
    this.#failure ??= new Broken(
      `a message that came again with other content was answered ${code}`,
      this.#history.about(purchase.card.account.id),
    );
  }

  /** Something breaks while the burst is under way. */
  async #fault(step: number): Promise<void> {
    const faults = this.#faults;
    const choice = faults.between(1, 100);
    await pause(faults.between(0, 12));
    if (choice <= 4) {
      const victim = faults.pick(this.#processes);
      victim?.kill();
    } else if (choice <= 10 && !this.#delta) {
      this.tally.cuts++;
      this.#history.event('connections to the database are cut');
      const share = faults.pick([1, 2, 3]);
      await this.#admin.rows`
        select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid % ${share} = 0
           and application_name in ('relevo authorisations', 'relevo ledger', 'relevo cards')`;
    } else if (choice <= 15 && this.#skewMs === 0) {
      this.tally.jumps++;
      this.#skewMs = faults.pick([-2 * 60 * MINUTE_MS, -MINUTE_MS, 10 * MINUTE_MS, DAY_MS, 8 * DAY_MS]);
      this.#skewEnds = step + faults.between(1, 8);
      this.#history.event(`the clock jumps by ${this.#skewMs / MINUTE_MS} minutes`);
      this.#setClocks();
    } else if (choice <= 22) {
      this.tally.processorFaults++;
      const what = faults.pick(['slow', 'mute', 'cut', 'refuse', 'deaf'] as const);
      this.#history.event(`the earlier processor: ${what}`);
      const forMs = faults.between(500, 6_000);
      if (what === 'slow') this.#processor.slow(forMs, { fixedMs: 200, jitterMs: 150 });
      else if (what === 'cut') this.#processor.cutConnections();
      else if (what === 'refuse') await this.#processor.refuse(faults.between(100, 800));
      else this.#processor[what](forMs);
    }
  }

  /** Everything is answered, then the balances have to be those of the model. */
  async #checkpoint(why: string): Promise<void> {
    await this.#quiesce();
    await this.#letExpire();
    await this.#releaseExpired();
    await this.#laws();
    // What a file states that is on its way is here in part.
    if (!this.#delta) await this.#compare(this.#accounts.filter(({ isRelayed }) => !isRelayed));
    this.tally.checkpoints++;
    this.#history.event(`books looked at ${why}`);
  }

  async #allStarted(): Promise<void> {
    while (this.#starting.size > 0) await Promise.all(this.#starting);
  }

  async #quiesce(): Promise<void> {
    for (let round = 1; this.#unanswered.size > 0; round++) {
      if (this.#failure) throw this.#failure;
      if (round > ROUNDS_MAX) {
        const [sent] = this.#unanswered;
        throw new Broken(
          `a message is not answered, however often it is repeated (${sent.said.map(({ code }) => code).join(', ') || 'silence'})`,
          this.#history.about(sent.purchase.card.account.id),
        );
      }
      if (this.#processes.every((each) => each === null)) await Promise.all(this.#starting);
      this.#atMs += 500;
      this.#setClocks();
      await this.#send([...this.#unanswered].map((sent) => ({ sent, how: 'marked' as const })));
      if (round > 3) await pause(100);
    }
    for (const sent of this.#disputed) await this.#settle(sent);
    this.#disputed.clear();
    if (this.#failure) throw this.#failure;
  }

  /**
   * Every answer of a message must be the same. But where the database is slow or its connections are cut, a process
   * passes on what the earlier processor answered before that is on record, while another one, to which the message was
   * repeated, may have stood in: then what is on record counts, and has to be one of the answers.
   */
  async #settle(sent: Sent): Promise<void> {
    const { account, isRelayed } = sent.purchase.card;
    const { message, said, final } = sent;
    const all = said.map(saidText);
    const mayDiffer = isRelayed && sent.isRequest && (await this.#havePassedOn());
    const recorded = mayDiffer ? await this.#recordOf(sent) : undefined;
    if (!recorded || !all.includes(saidText(recorded)))
      throw new Broken(
        `one message was answered ${all.join(', ')}${recorded ? ` and is on record as ${saidText(recorded)}` : ''}`,
        await this.#allAbout(account, [message.get(37)!]),
      );
    this.tally.passedOn++;
    this.#history.event(
      `37=${message.get(37)} was answered ${all.join(', ')}; ${saidText(recorded)} is on record`,
    );
    if (saidText(recorded) === saidText(final!)) return sent.settle(final!);
    this.#model.withdraw(sent.answered(final!));
    sent.settle(recorded);
    this.#model.enter(sent.answered(recorded));
  }

  async #recordOf(sent: Sent): Promise<Said | undefined> {
    const { account } = sent.purchase.card;
    let recorded: Said | undefined;
    const find = async () => (recorded = await recordOf(this.#admin, account.id, sent.message)) !== undefined;
    await waitFor(find, { msMax: RECORD_MS_MAX, everyMs: 50 });
    return recorded;
  }

  /** Whether an answer has left a process before it was on record; those that have died told of it before. */
  async #havePassedOn(): Promise<boolean> {
    await pause(TOLD_MS_MAX);
    return this.#passedOn + this.#processes.reduce((sum, each) => sum + (each?.passedOn ?? 0), 0) > 0;
  }

  /**
   * Holds expire by the clock of the database, which nobody can set: so the holds of some accounts are dated back, and
   * those alone expire, whatever jumps. Not while a file comes in: it dates holds anew.
   */
  async #letExpire(): Promise<void> {
    const faults = this.#faults;
    if (faults.between(1, 3) === 1)
      for (const account of this.#accounts)
        if (faults.between(1, 4) === 1 && !this.#delta?.running) await this.#dateBack(account);
  }

  async #dateBack(account: SimulatedAccount): Promise<void> {
    const { id } = account;
    const holds = await this.#admin.transaction(async (tx) => {
      // First the account and then its holds, like everybody.
      await tx.run`select from ledger.accounts where external_account_id = ${id} for update`;
      return tx.rows<{ rrn: string }>`
        update ledger.holds set expires_at = expires_at - make_interval(secs => ${EXPIRED_MS / 1_000})
          from ledger.accounts
         where accounts.account_id = holds.account_id and external_account_id = ${id} and closed_at is null
        returning rrn`;
    });
    const rrns = new Set(holds.map(({ rrn }) => rrn));
    this.#model.expire(account, rrns);
    this.#traffic.expire(account, rrns);
    this.tally.expired += holds.length;
    this.#history.event(`holds of ${id} expire: ${[...rrns].join(' ') || 'none is open'}`);
  }

  /** As the serving processes do it now and then. */
  async #releaseExpired(): Promise<void> {
    const limit = 1_000;
    while ((await this.#ledger.releaseExpiredHolds({ limit })).released === limit);
  }

  async #laws(): Promise<void> {
    try {
      await assertLedgerLaws({ admin: this.#admin });
    } catch (error) {
      throw new Broken(String((error as Error).message), this.#history.last());
    }
    const overdrawn = await this.#admin.rows<{ id: string; available: string }>`
      select external_account_id as id, (posted_minor - held_minor + credit_limit_minor)::text as available
        from ledger.accounts
       where posted_minor - held_minor + credit_limit_minor < 0 and external_account_id is not null`;
    for (const { id, available } of overdrawn) {
      const account = this.#accounts.find((each) => each.id === id)!;
      if (account.isRelayed || this.#mayBeOverdrawn(account)) continue;
      throw new Broken(`${id}: ${available} available, and no advice took it`, await this.#allAbout(account));
    }
  }

  /** Also by an advice that is still on its way to an answer. */
  #mayBeOverdrawn({ id }: SimulatedAccount): boolean {
    if (this.#model.forced.has(id)) return true;
    return [...this.#unanswered].some(({ purchase }) => purchase.card.account.id === id);
  }

  async #compare(accounts: readonly SimulatedAccount[]): Promise<void> {
    const here = new Map(
      (
        await this.#admin.rows<{ id: string; posted: bigint; held: bigint }>`
          select external_account_id as id, posted_minor as posted, held_minor as held from ledger.accounts
           where external_account_id is not null`
      ).map(({ id, posted, held }) => [id, { postedMinor: Number(posted), heldMinor: Number(held) }]),
    );
    for (const account of accounts) {
      const should = this.#model.balanceOf(account);
      const is = here.get(account.id);
      if (is && isEqual(is, should)) continue;
      throw new Broken(
        `${account.id} should have ${told(should)} and has ${is ? told(is) : 'no account'}`,
        await this.#allAbout(account, await this.#purchasesNotRight(account)),
      );
    }
  }

  /** All that a person needs to find a cause: what happened, what it should have come to, and what is on record. */
  async #allAbout(account: SimulatedAccount, rrns: readonly string[] = []): Promise<string[]> {
    return [
      ...this.#history.about(account.id, rrns),
      ...shortened(this.#model.told(account, rrns)),
      ...(await recordsOf(this.#admin, account.id, rrns)),
    ];
  }

  /** A file that speaks of a moment and comes in a little later, while messages go on. */
  async #deltaStep(step: number): Promise<void> {
    const { steps } = this.#plan;
    const third = Math.floor(steps / 3);
    if (!this.#delta && third > 3 && step % third === third - 2) {
      await this.#checkpoint('as the delta speaks of them');
      this.#atMs = Math.ceil((this.#atMs + 1) / 1000) * 1000;
      const asOfMs = this.#atMs;
      this.#delta = {
        asOfMs,
        begins: step + this.#faults.between(0, 4),
        text: this.#deltaText(asOfMs),
        running: null,
        steps: 0,
      };
      this.#history.event(`a delta speaks of ${new Date(asOfMs).toISOString()}`);
      this.#setClocks();
    }
    const delta = this.#delta;
    if (!delta) return;
    if (!delta.running) {
      if (step < delta.begins) return;
      this.#history.event('the delta begins');
      delta.running = await bringFile(
        this.#cell,
        delta.text,
        `delta-${this.#plan.seed}-${this.#sequence}.gpg`,
      );
      return;
    }
    await pause(DELTA_STEP_MS);
    if (delta.running.hasEnded() || ++delta.steps > DELTA_STEPS_MAX) await this.#endDelta();
  }

  #deltaText(asOfMs: number): Buffer {
    const faults = this.#faults;
    this.#sequence++;
    const accounts = this.#accounts.filter((each) => !each.isRelayed && faults.between(1, 3) > 1);
    const by = new Map(accounts.map((account) => [account, faults.pick([0, 0, 150, 700])]));
    const stated = this.#cards
      .filter(({ account }) => by.has(account))
      .map((card) => ({
        card,
        postedMinor: this.#model.balanceOf(card.account).postedMinor + by.get(card.account)!,
      }));
    for (const [account, more] of by) this.#model.state(account, more);
    const holds: StatedHold[] = this.#cards
      .filter(({ account }) => by.has(account) && faults.between(1, 3) === 1)
      .map((card, i) => ({
        card,
        id: `later-${this.#sequence}-${i}`,
        amountMinor: 10,
        rrn: `8${this.#sequence}${String(i).padStart(10, '0')}`,
        stan: `8${this.#sequence % 10}${String(i).padStart(4, '0')}`,
        approvalCode: `L${this.#sequence % 10}${String(i).padStart(4, '0')}`,
        expiresMs: asOfMs + HOLD_MS,
      }));
    for (const { card, expiresMs, ...hold } of holds) {
      this.#later.push({ card, expiresMs, hold });
      this.#model.forced.add(card.account.id); // nobody asks whether a hold of a file fits
    }
    holds.push(...this.#model.openHolds().filter(({ card }) => by.has(card.account)));
    const names = { tenant: this.#cell.name.tenant, sequence: this.#sequence, asOfMs };
    return portfolioText(names, stated, holds);
  }

  async #endDelta(): Promise<void> {
    const delta = this.#delta!;
    const ended = await endOf(delta.running!, DELTA_MS_MAX);
    if (ended?.code !== 0)
      throw new Error(`the delta did not come in: ${ended ? ended.stdout + ended.stderr : 'it hung'}`);
    this.#delta = null;
    this.tally.deltas++;
    this.#history.event('the delta is in');
    for (const { card, expiresMs, hold } of this.#later.splice(0)) {
      this.#model.takeHold(card, hold, expiresMs);
      this.#traffic.takeHold(card, hold);
    }
  }

  async #end(): Promise<void> {
    this.#history.step++;
    this.#isEnding = true;
    if (this.#delta) {
      this.#delta.running ??= await bringFile(this.#cell, this.#delta.text, `delta-${this.#plan.seed}.gpg`);
      await this.#endDelta();
    }
    await this.#processor.behave();
    await this.#allStarted();
    await this.#checkpoint('before the last messages');
    this.#skewMs = 0;
    this.#atMs += MINUTE_MS;
    this.#setClocks();
    const clocks = { atMs: this.#atMs, notBeforeMs: null };
    await this.#send(this.#traffic.heldBack(clocks));
    await this.#quiesce();
    await this.#send(this.#traffic.givenUp(clocks));
    await this.#quiesce();
    const isSettled = await waitFor(
      async () => {
        await this.#letWaitingAge(SETTLE_STEP_SECONDS);
        const [{ left }] = await this.#admin.rows<{ left: number }>`
          select count(*)::int4 as left from authorisations.messages
           where state <> 'done' or advice_due_at is not null`;
        return left === 0;
      },
      { msMax: SETTLE_MS_MAX, everyMs: 50 },
    );
    if (!isSettled)
      throw new Broken(
        `not settled with the earlier processor: ${await this.#unsettled()}`,
        this.#history.last(),
      );
    await this.#quiesce();
    await this.#releaseExpired();
    await this.#laws();
    await this.#compare(this.#accounts);
    await this.#compareBook();
  }

  /** What was put off, or left behind by a process that died, is due after seconds of the database's clock. */
  async #letWaitingAge(seconds: number): Promise<void> {
    await this.#admin.run`
      update authorisations.messages
         set received_at = received_at - make_interval(secs => case state when 'relaying' then ${seconds}::int4 else 0 end),
             advice_put_off = advice_put_off - make_interval(secs => ${seconds})
       where state = 'relaying' or advice_put_off is not null`;
  }

  async #unsettled(): Promise<string> {
    const left = await this.#admin.rows<Record<string, unknown>>`
      select kind, state, response_code, received_at, advice_due_at, advice_attempts from authorisations.messages
       where state <> 'done' or advice_due_at is not null order by received_at limit 5`;
    return `${JSON.stringify(left)}`;
  }

  /** The earlier processor has been told of everything. */
  async #compareBook(): Promise<void> {
    const { book } = this.#processor.processor;
    for (const account of this.#accounts.filter(({ isRelayed }) => isRelayed)) {
      const { postedMinor } = book.accounts.get(account.id)!;
      const held = heldInBook(book, account);
      // There nothing has expired.
      for (const rrn of this.#model.expired(account)) held.delete(rrn);
      const is = { postedMinor, heldMinor: [...held.values()].reduce((sum, minor) => sum + minor, 0) };
      const should = this.#model.balanceOf(account);
      if (!isEqual(is, should))
        throw new Broken(
          `${account.id} has ${told(should)} here and ${told(is)} in the earlier processor's book`,
          await this.#allAbout(account, differing(this.#model.heldByPurchase(account), held)),
        );
    }
  }

  /** Those whose holds, or what was moved for them, are not what they should be, by RRN. */
  async #purchasesNotRight(account: SimulatedAccount): Promise<string[]> {
    const { id } = account;
    const held = await this.#admin.rows<{ rrn: string; minor: number }>`
      select rrn, sum(amount_minor)::float8 as minor from ledger.holds join ledger.accounts using (account_id)
       where external_account_id = ${id} and closed_at is null group by rrn`;
    const here = new Map(held.map(({ rrn, minor }) => [rrn, minor]));
    return [
      ...new Set([
        ...differing(this.#model.heldByPurchase(account), here),
        ...differing(this.#model.postedByPurchase(account), await postedByPurchase(this.#admin, id)),
      ]),
    ];
  }

  async #close(): Promise<void> {
    this.#isEnding = true;
    this.#isOver = true;
    this.#delta?.running?.kill();
    await Promise.all(this.#starting);
    const living = this.#processes.filter((each) => each !== null);
    for (const process of living) process.kill();
    await Promise.all(living.map(({ ended }) => ended));
    await this.#processor?.close();
    await Promise.all([this.#admin?.close(), this.#ledgerDb?.close()]);
  }
}

function heldInBook(book: Book, { id }: SimulatedAccount): Map<string, number> {
  const held = new Map<string, number>();
  for (const { account, rrn, remainingMinor } of book.openHolds())
    if (account.id === id) held.set(rrn, (held.get(rrn) ?? 0) + remainingMinor);
  return held;
}

const differing = (a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): string[] =>
  [...new Set([...a.keys(), ...b.keys()])].filter((key) => (a.get(key) ?? 0) !== (b.get(key) ?? 0));

const isEqual = (a: Balance, b: Balance): boolean =>
  a.postedMinor === b.postedMinor && a.heldMinor === b.heldMinor;

const saidText = ({ code, approval }: Said): string => `${code} ${approval ?? ''}`.trim();

const told = ({ postedMinor, heldMinor }: Balance): string => `${postedMinor} posted, ${heldMinor} held`;

/** A message as it is sent this time. */
function variantOf(message: Message, how: Sending['how'], cards: readonly SimulatedCard[]): Message {
  if (how === 'first' || how === 'again') return message;
  const variant = message.copy();
  if (how === 'marked') {
    variant.mti = `${variant.mti.slice(0, 3)}1`;
    return variant;
  }
  const others = cards.filter(({ pan }) => pan !== variant.get(2));
  if (Number(variant.get(4)) % 4 === 0 && others.length > 0) {
    const same = others.filter(({ pan }) => pan.slice(0, 6) === variant.get(2)!.slice(0, 6));
    return variant.set(2, (same[0] ?? others[0]).pan);
  }
  return variant.set(4, String(Number(variant.get(4)) + 1).padStart(12, '0'));
}
