import type { Client } from '#declare/service.ts';
import type { SettingValues } from '#declare/setting.ts';
import { crashPoint } from '#runtime/crash-point.ts';
import type { Database } from '#runtime/database/database.ts';
import { isFaultOfRow } from '#runtime/database/sql-state.ts';
import { LinkFailure } from '#runtime/iso8583/link/failures.ts';
import { pack } from '#runtime/iso8583/pack.ts';
import { PassingMap } from '#runtime/passing-map.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import type { cards } from '#services/cards/service.ts';
import type { ledger } from '#services/ledger/service.ts';
import type { ControlsCache } from '../controls/controls-cache.ts';
import { isRequest } from '../request/kinds.ts';
import { noSecurityModule, type SecurityModule, verifySecurity } from '../request/security-module.ts';
import type { Processors } from '../relay/processors.ts';
import type { authorisationSettings } from '../service.ts';
import { recordAskingAgain } from '../store/messages.ts';
import { Ranges, readRanges } from '../store/ranges.ts';
import { BatchWork } from './batch.ts';
import { decideBatch } from './decide-batch.ts';
import { answerOf, followBatch } from './follow-batch.ts';
import { answerFromRecord, asRepeat, earlierAnswer, keep } from './kept-messages.ts';
import { Lane, makeTools } from './lane.ts';
import { type Reading, sortIntoRanges } from './reading.ts';
import { recordOf } from './record.ts';
import { type Answer, type Incoming, Task } from './task.ts';

export interface PipelineOptions {
  readonly db: Database;
  readonly clients: { readonly cards: Client<typeof cards>; readonly ledger: Client<typeof ledger> };
  readonly vault: Vault;
  readonly controls: ControlsCache;
  readonly processors: Processors;
  readonly settings: SettingValues<typeof authorisationSettings>;
  readonly security?: SecurityModule;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** A message was answered after so many milliseconds, without those that the earlier processor took. */
  readonly onAnswered?: (ms: number) => void;
  /** `what` names the message, where it is one. */
  readonly onTrouble?: (error: unknown, what?: string) => void;
}

/** Since the process began, but for what waits and what is unrecorded now. */
export interface PipelineCounts {
  answered: number;
  approved: number;
  /** Answered from the record, or together with the same message. */
  repeats: number;
  /** Answered 94. */
  otherContent: number;
  relayed: number;
  stoodIn: number;
  /** Turned away because too many waited, it had waited for too long, or it cannot be stored. */
  refused: number;
  /** Batches that had to be worked again. */
  failures: number;
  batches: number;
  /** Answers that left before they were recorded, and wait for that; what the earlier processor decided and nobody here could write down is lost after it. */
  unrecorded: number;
  lost: number;
  /** All that ever left before they were recorded. */
  passedOn: number;
}

/** When the database is slower than this, messages of relayed ranges no longer wait for it. */
const PATIENCE_MS = 400;
const WATCH_MS = 50;
/** Messages in a lane, waiting and under way, from which another one takes part, and below which one is let go. */
const CROWDED = 100;
const SPARSE = 20;
const PAUSE_MS = 40;
const PAUSE_MS_MAX = 1_000;
/** Another process that works the same message can make it fail once, or twice; then it is the message. */
const FAULTS_MAX = 3;
/** What the earlier processor gets at least, however late a message is. */
const BUDGET_MS_MIN = 50;

const FAILED: Answer = { code: '96' };
const NOBODY: Answer = { code: '91' };
const OTHER_CONTENT: Answer = { code: '94' };

/**
 * Every message of the network on its way to an answer. Messages are worked in batches, a few of which are under way
 * at once; what an answer promises is durable before it leaves.
 *
 * A message of a range of our own: its batch finds the card, locks range and card, looks for the message on record,
 * decides, moves money in the ledger, records, and answers. A relayed one: a first batch records that the earlier
 * processor is asked; when it has answered, a second one follows it, records, and passes the answer on as it came; when
 * it is silent, the second one decides in its stead.
 *
 * For relayed ranges cards must keep working whatever happens here: when the database is away or too slow, messages
 * go to the earlier processor and its answers go back all the same, counted as `unrecorded` until they are.
 */
export class MessagePipeline {
  readonly counts: PipelineCounts = {
    answered: 0,
    approved: 0,
    repeats: 0,
    otherContent: 0,
    relayed: 0,
    stoodIn: 0,
    refused: 0,
    failures: 0,
    batches: 0,
    unrecorded: 0,
    lost: 0,
    passedOn: 0,
  };
  readonly #options: PipelineOptions;
  readonly #now: () => number;
  readonly #lanes: Lane[];
  readonly #inFlight = new PassingMap<string, Task>();
  /** So many wait for the earlier processor. */
  #asked = 0;
  readonly #watching: NodeJS.Timeout;
  #ranges = new Ranges([]);
  #waiting = 0;
  #active = 1;
  #pauseMs = PAUSE_MS;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    const { vault, clients, settings } = options;
    this.#lanes = Array.from(
      { length: settings.RELEVO_LANES },
      () =>
        new Lane(makeTools(vault, clients, { holdDays: settings.RELEVO_HOLD_DAYS }), (lane, batch) =>
          this.#work(lane, batch),
        ),
    );
    this.#watching = setInterval(() => this.#watch(), WATCH_MS).unref();
  }

  get ranges(): Ranges {
    return this.#ranges;
  }

  /** Messages that are here and not answered. */
  get waiting(): number {
    return this.#waiting;
  }

  isInFlight(key: string): boolean {
    return this.#inFlight.has(key);
  }

  /** Reads which ranges there are: before the first message, and now and then for the links to their processors. */
  async refreshRanges(): Promise<void> {
    this.#ranges = new Ranges(await readRanges(this.#options.db));
    this.#options.processors.keep(this.#ranges.all);
  }

  /** Takes a message; its answer comes by `onAnswer`, once. */
  submit(incoming: Incoming, onAnswer: (answer: Answer) => void): void {
    if (this.#waiting >= this.#options.settings.RELEVO_WAITING_MAX) {
      this.counts.refused++;
      return onAnswer(FAILED);
    }
    this.#waiting++;
    const task: Task = new Task(incoming, this.#now(), (answer) => {
      this.#waiting--;
      this.counts.answered++;
      if (answer.code === '00') this.counts.approved++;
      this.#options.onAnswered?.(task.ageMs - task.elsewhereMs);
      onAnswer(answer);
    });
    this.#laneOf(task).add(task);
  }

  /** As `submit`, for those who would rather wait. */
  answer(incoming: Incoming): Promise<Answer> {
    return new Promise((resolve) => this.submit(incoming, resolve));
  }

  /** Works messages that have an answer of the earlier processor already, or nobody waits for: of no lane's queue. */
  resume(task: Task): void {
    task.range ??= this.#ranges.of(task.request.pan.reveal());
    this.#laneOf(task).add(task);
  }

  /** Waits until every message is answered and recorded, but not without end: the database may be away. */
  async drained(msMax: number): Promise<void> {
    const until = performance.now() + msMax;
    const isBusy = () => this.#asked > 0 || this.#lanes.some((lane) => lane.size > 0);
    while (isBusy() && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  close(): void {
    clearInterval(this.#watching);
  }

  /**
   * The last digits differ most. Lanes share the work only when there is enough of it: a batch costs as much as a dozen
   * of its messages. When their number changes, messages of one card may be in two of them; then the card's lock
   * keeps them apart, as it does between processes.
   */
  #laneOf({ request }: Task): Lane {
    return this.#lanes[Number(request.pan.reveal().slice(-7, -1)) % this.#active];
  }

  /** More lanes while batches are full, fewer while they are small. */
  #balance(): void {
    let most = 0;
    for (let i = 0; i < this.#active; i++) most = Math.max(most, this.#lanes[i].size);
    if (most > CROWDED && this.#active < this.#lanes.length) this.#active++;
    else if (most < SPARSE && this.#active > 1) this.#active--;
  }

  async #work(lane: Lane, batch: Task[]): Promise<void> {
    this.counts.batches++;
    const { step } = batch[0];
    try {
      if (step === 'arrived') await this.#workArrived(lane, batch);
      else if (step === 'answered') await this.#workAnswered(lane, batch);
      else await this.#workSilent(lane, batch);
      this.#pauseMs = PAUSE_MS;
      lane.widen();
    } catch (error) {
      this.counts.failures++;
      this.#options.onTrouble?.(error);
      const waits = new Set(lane.waiting);
      // Some were put back, some get the answer of another one, some have come a step further meanwhile.
      const isLeft = (task: Task) =>
        task.step === step && !task.isRepeat && !task.isBehind && !waits.has(task);
      const left = batch.filter(isLeft);
      if (isFaultOfMessage(error)) return this.#goOnWithFewer(lane, left, error);
      this.#goOnAfterFailure(lane, left);
      await new Promise((resolve) => setTimeout(resolve, this.#pauseMs));
      this.#pauseMs = Math.min(this.#pauseMs * 2, PAUSE_MS_MAX);
    }
  }

  async #workArrived(lane: Lane, batch: Task[]): Promise<void> {
    const tasks = this.#startWork(lane, batch);
    if (tasks.length === 0) return;
    const { controls, db, vault } = this.#options;
    const { codes, cards, reader, ledger, rows } = lane.tools;
    sortIntoRanges(tasks, this.#ranges);
    await Promise.all([controls.refresh(), cards.find(tasks)]);
    await this.#verify(tasks);
    const done = await db.pipeline(async (tx) => {
      const reading = await reader.read(tx, tasks);
      if (!this.#seesSameRanges(reading.ranges, tasks)) return null;
      const work = new BatchWork(reading, ledger, this.#now());
      const answers: (readonly [Task, Answer])[] = [];
      const toRelay: Task[] = [];
      const toAskAgain: Task[] = [];
      const here: Task[] = [];
      for (const task of tasks) {
        const known = reading.known.get(task.codes.key);
        if (known && known.content !== task.codes.content) answers.push([task, OTHER_CONTENT]);
        else if (known?.state === 'relaying') {
          task.mayHaveMoved = true;
          toAskAgain.push(task);
        } else if (known) answers.push([task, answerFromRecord(task, known)]);
        else if (isRelayed(task) && !isAboutUntold(task, reading)) toRelay.push(task);
        else here.push(task);
      }
      for (const task of toRelay)
        work.record(recordOf(task, { state: 'relaying', decidedBy: null, code: null }, work, vault));
      const known = answers.length;
      const decided = await decideBatch(here, {
        work,
        reading,
        controls,
        codes,
        vault,
        isInStead: isRelayed,
      });
      crashPoint('message:moved');
      recordAskingAgain(
        tx,
        toAskAgain.map(({ codes: { key } }) => key),
      );
      work.write(tx, rows, 'insert');
      return {
        answers: [...answers, ...decided.answers],
        known,
        toRelay,
        toAskAgain,
        deferred: decided.deferred,
      };
    });
    if (!done) return lane.putBack(tasks);
    crashPoint('message:recorded');
    done.answers.forEach(([task, answer], i) => {
      if (i < done.known) this.#countKnown(answer);
      this.#settle(task, answer);
    });
    for (const task of done.toRelay) this.#relay(task, false);
    for (const task of done.toAskAgain) this.#relay(task, true);
    lane.putBack(done.deferred);
  }

  /** Follows the earlier processor, records what it answered and passes it on. */
  async #workAnswered(lane: Lane, batch: Task[]): Promise<void> {
    const { controls, db, vault } = this.#options;
    const { codes, cards, reader, ledger, rows } = lane.tools;
    const tasks = this.#firstOfEach(lane, batch);
    await Promise.all([controls.refresh(), cards.find(tasks)]);
    await this.#verify(tasks);
    const answers = await db.pipeline(async (tx) => {
      const reading = await reader.read(tx, tasks);
      const { open, ended } = whatHasEnded(tasks, reading);
      const work = new BatchWork(reading, ledger, this.#now());
      const followed = await followBatch(open, { work, reading, controls, codes, vault });
      crashPoint('message:moved');
      work.write(tx, rows, 'finish');
      return [...ended, ...followed];
    });
    crashPoint('message:followed');
    this.counts.relayed += tasks.length;
    for (const [task, answer] of answers) {
      this.#settle(task, answer);
      this.#isRecorded(task);
    }
  }

  /** Decides in the stead of an earlier processor that has not answered. */
  async #workSilent(lane: Lane, batch: Task[]): Promise<void> {
    const { controls, db, vault } = this.#options;
    const { codes, cards, reader, ledger, rows } = lane.tools;
    const tasks = this.#firstOfEach(lane, batch);
    await Promise.all([controls.refresh(), cards.find(tasks)]);
    await this.#verify(tasks);
    const decided = await db.pipeline(async (tx) => {
      const reading = await reader.read(tx, tasks);
      const { open, ended } = whatHasEnded(tasks, reading);
      const work = new BatchWork(reading, ledger, this.#now());
      const outcome = await decideBatch(open, {
        work,
        reading,
        controls,
        codes,
        vault,
        isInStead: () => true,
      });
      crashPoint('message:moved');
      work.write(tx, rows, 'finish');
      return { ...outcome, ended };
    });
    crashPoint('message:recorded');
    this.counts.stoodIn += decided.answers.length;
    for (const [task, answer] of [...decided.ended, ...decided.answers]) this.#settle(task, answer);
    lane.putBack(decided.deferred);
  }

  /** Codes for what is new, and without what needs no work or must wait for another message of the batch. */
  #startWork(lane: Lane, batch: Task[]): Task[] {
    prepare(lane, batch);
    const tasks: Task[] = [];
    for (const task of batch) {
      if (this.#joins(task)) continue;
      if (this.#isLate(task)) {
        this.counts.refused++;
        this.#settle(task, FAILED);
        continue;
      }
      tasks.push(task);
    }
    return oneOfEachPurchase(lane, tasks);
  }

  /**
   * Whether the same message is on its way already: then its answer is this one's too. One with other content waits
   * until it is known which of them was there first.
   */
  #joins(task: Task): boolean {
    const { key, content } = task.codes;
    const other = this.#inFlight.get(key);
    if (other === task) return false;
    if (!other) {
      this.#inFlight.set(key, task);
      return false;
    }
    if (other.codes.content === content) {
      other.repeats.push(task);
      task.isRepeat = true;
      this.counts.repeats++;
    } else {
      other.behind.push(task);
      task.isBehind = true;
    }
    return true;
  }

  /** While the database is away a message may have been asked about twice. Once is enough to be recorded. */
  #firstOfEach(lane: Lane, batch: readonly Task[]): Task[] {
    prepare(lane, batch);
    const first = new Map<string, Task>();
    for (const task of batch) {
      const other = first.get(task.codes.key);
      if (!other) {
        first.set(task.codes.key, task);
        continue;
      }
      if (task.earlier) this.#passOn(task);
      else other.repeats.push(task);
      task.isRepeat = true;
      this.#isRecorded(task);
    }
    return oneOfEachPurchase(lane, [...first.values()]);
  }

  async #verify(tasks: readonly Task[]): Promise<void> {
    const { security = noSecurityModule } = this.#options;
    if (security === noSecurityModule) return;
    await Promise.all(
      tasks.map(async (task) => {
        if (task.card)
          task.security = await verifySecurity(security, task.message, task.request, task.card.cardId);
      }),
    );
  }

  /** Ranges are locked by name, so a batch begins anew when there are others than it thought. */
  #seesSameRanges(ranges: Ranges, tasks: readonly Task[]): boolean {
    const hasSame = ranges.hasSamePrefixes(this.#ranges);
    this.#ranges = ranges;
    const isSame = sortIntoRanges(tasks, ranges);
    return hasSame || isSame;
  }

  #countKnown({ code }: Answer): void {
    if (code === OTHER_CONTENT.code) this.counts.otherContent++;
    else this.counts.repeats++;
  }

  #settle(task: Task, answer: Answer): void {
    if (task.codes && this.#inFlight.get(task.codes.key) === task) this.#inFlight.delete(task.codes.key);
    task.settle(answer);
    for (const next of task.behind.splice(0)) {
      next.isBehind = false;
      this.#laneOf(next).add(next);
    }
  }

  #relay(task: Task, isRepeat: boolean): void {
    if (task.isSettled || task.step !== 'arrived' || task.isAsked) return;
    const { range, message, raw } = task;
    const { processors, settings, onTrouble } = this.#options;
    const leftMs = settings.RELEVO_MESSAGE_BUDGET_MS - task.ageMs;
    const budgetMs = Math.max(BUDGET_MS_MIN, Math.min(range!.budgetMs, leftMs));
    const frame = raw ?? pack(message);
    const askedMs = performance.now();
    task.isAsked = true;
    this.#asked++;
    processors
      .of(range!)
      .request(isRepeat ? asRepeat(frame) : frame, message, budgetMs)
      .then(
        (answer) => {
          crashPoint('message:answered');
          task.earlier = earlierAnswer(answer);
          task.step = 'answered';
        },
        (error: unknown) => {
          if (!(error instanceof LinkFailure)) onTrouble?.(error);
          task.wasSent = !(error instanceof LinkFailure) || error.sent;
          task.step = 'silent';
        },
      )
      .finally(() => {
        task.isAsked = false;
        this.#asked--;
        task.elsewhereMs += performance.now() - askedMs;
        this.#laneOf(task).add(task);
      })
      .catch((error: unknown) => onTrouble?.(error));
  }

  /** A batch failed: what can go on without the database does, and the rest waits for it. */
  #goOnAfterFailure(lane: Lane, batch: readonly Task[]): void {
    const again: Task[] = [];
    for (const task of batch) {
      if (task.step === 'answered') {
        this.#passOn(task);
        this.#keepForLater(lane, task);
      } else if (!task.isSettled) {
        if (task.step === 'arrived' && this.#isRelayed(task)) this.#relay(task, false);
        else again.push(task);
      }
    }
    lane.putBack(again);
    this.#giveUpLate(lane);
  }

  /** A message made its batch fail, and would again: its neighbours go on without it. */
  #goOnWithFewer(lane: Lane, left: readonly Task[], error: unknown): void {
    lane.narrow();
    const [first] = left;
    if (left.length !== 1 || ++first.faults < FAULTS_MAX) return this.#goOnAfterFailure(lane, left);
    const { kind, pan, stan, rrn } = first.request;
    const tell = (end: string) =>
      this.#options.onTrouble?.(
        error,
        `${kind} of card ${pan.masked}, STAN ${stan}, RRN ${rrn}, cannot be stored and is given up; ${end}`,
      );
    if (first.step === 'answered') {
      this.#passOn(first);
      this.#lose(first);
      tell('the earlier processor’s answer has left and is not on record: enter it in the books by hand');
    } else {
      const answer = first.step === 'silent' ? NOBODY : FAILED;
      this.counts.refused++;
      this.#settle(first, answer);
      tell(`it was answered ${answer.code}: mend what the cause names before its like comes again`);
    }
  }

  /** Looks after messages that a batch keeps waiting for too long. */
  #watch(): void {
    this.#balance();
    for (const lane of this.#lanes) {
      if (lane.busyMs(performance.now()) < PATIENCE_MS) continue;
      for (const task of [...lane.underWay, ...lane.waiting])
        if (task.step === 'answered') this.#passOn(task);
      for (const task of lane.underWay) if (this.#isRelayed(task)) this.#relay(task, false);
      for (const task of lane.take((each) => each.step === 'arrived' && this.#isRelayed(each)))
        this.#relay(task, false);
      this.#giveUpLate(lane);
    }
  }

  /** Whether a message is of a relayed range, as far as is known without the database. */
  #isRelayed(task: Task): boolean {
    task.range ??= this.#ranges.of(task.request.pan.reveal());
    return isRelayed(task);
  }

  /** The earlier processor has decided: its answer leaves, recorded or not. */
  #passOn(task: Task): void {
    if (task.isSettled || !task.earlier) return;
    this.#settle(task, answerOf(task, task.earlier));
    task.isUnrecorded = true;
    this.counts.unrecorded++;
    this.counts.passedOn++;
  }

  #isRecorded(task: Task): void {
    if (!task.isUnrecorded) return;
    task.isUnrecorded = false;
    this.counts.unrecorded--;
  }

  #keepForLater(lane: Lane, task: Task): void {
    if (this.counts.unrecorded <= this.#options.settings.RELEVO_WAITING_MAX) return lane.add(task);
    this.#lose(task);
  }

  /** Nobody here can write down what the earlier processor decided. */
  #lose(task: Task): void {
    this.#isRecorded(task);
    this.counts.lost++;
  }

  #isLate({ ageMs }: Task): boolean {
    return ageMs > this.#options.settings.RELEVO_MESSAGE_BUDGET_MS;
  }

  /** Whoever sent these has given up by now. What was asked of the earlier processor is on record as `relaying`. */
  #giveUpLate(lane: Lane): void {
    const late = lane.take((task) => !task.isSettled && task.step !== 'answered' && this.#isLate(task));
    for (const task of late) {
      this.counts.refused++;
      this.#settle(task, task.step === 'silent' ? NOBODY : FAILED);
    }
  }
}

/** Its values cannot be stored, or our code cannot work with them. */
const isFaultOfMessage = (error: unknown): boolean =>
  isFaultOfRow(error) || error instanceof TypeError || error instanceof RangeError;

const isRelayed = ({ range }: Task): boolean => range?.mode === 'relay';

/**
 * What tells of a purchase that was decided in the earlier processor's stead must not overtake the advice of that: it
 * is entered here and told behind it. So a request whose reversal waits like that is decided here too.
 */
const isAboutUntold = ({ request, codes }: Task, { untold, reversedAhead }: Reading): boolean =>
  untold.has(codes.panIndex) && (!isRequest(request.kind) || reversedAhead.has(codes.key));

/**
 * Another process may have asked the earlier processor about the same message, and have brought it to its end
 * meanwhile: how it ended there is how it ended.
 */
function whatHasEnded(
  tasks: readonly Task[],
  { known }: Reading,
): { open: Task[]; ended: (readonly [Task, Answer])[] } {
  const open: Task[] = [];
  const ended: (readonly [Task, Answer])[] = [];
  for (const task of tasks) {
    const record = known.get(task.codes.key);
    if (record && record.content !== task.codes.content) ended.push([task, OTHER_CONTENT]);
    else if (record?.state === 'done') ended.push([task, answerFromRecord(task, record)]);
    else open.push(task);
  }
  return { open, ended };
}

/** Messages of one purchase are about each other, so each is worked when the one before is on record. */
function oneOfEachPurchase(lane: Lane, batch: readonly Task[]): Task[] {
  const purchases = new Set<string>();
  const later: Task[] = [];
  const tasks = batch.filter((task) => {
    const purchase = task.codes.panIndex + task.request.rrn;
    if (!purchases.has(purchase)) return purchases.add(purchase);
    later.push(task);
    return false;
  });
  lane.putBack(later);
  return tasks;
}

/** Codes and what is kept, for messages that are worked for the first time. */
function prepare(lane: Lane, batch: readonly Task[]): void {
  const fresh = batch.filter(({ codes }) => codes === undefined);
  const codes = lane.tools.codes.of(fresh.map(({ request }) => request));
  fresh.forEach((task, i) => {
    task.codes = codes[i];
    task.kept = keep(task.message);
  });
}
