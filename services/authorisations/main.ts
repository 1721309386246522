import type { Client } from '#declare/service.ts';
import type { SettingValues } from '#declare/setting.ts';
import type { Database } from '#runtime/database/database.ts';
import type { Framing } from '#runtime/iso8583/framing.ts';
import type { LinkAnswer } from '#runtime/iso8583/link/link.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import type { cards } from '#services/cards/service.ts';
import type { ledger } from '#services/ledger/service.ts';
import { forwardAdvices } from './advices/forward-advices.ts';
import { readCardControls, setCardControls } from './controls/card-controls.ts';
import { ControlsCache } from './controls/controls-cache.ts';
import { NetworkDoor } from './door/network-door.ts';
import { messageHandlers } from './http/message-handlers.ts';
import type { HttpDoor } from './http/serve-http.ts';
import { followUnfollowed } from './jobs/follow-unfollowed.ts';
import { type Job, Jobs } from './jobs/jobs.ts';
import { ExpiredHoldsJob } from './jobs/release-expired.ts';
import { resolveRelaying } from './jobs/resolve-relaying.ts';
import { Latencies } from './latencies.ts';
import { MessageCodes } from './pipeline/message-codes.ts';
import { MessagePipeline } from './pipeline/pipeline.ts';
import { Processors } from './relay/processors.ts';
import { kindOf } from './request/kinds.ts';
import type { SecurityModule } from './request/security-module.ts';
import type { authorisations, authorisationSettings } from './service.ts';
import { recordLateAnswer } from './store/messages.ts';
import { pressure } from './pressure.ts';
import { databaseNow } from './store/database-now.ts';
import { beat, forgetPeers, leave } from './store/peers.ts';
import { forgetReversedAhead } from './store/reversed-ahead.ts';

/** What serving messages stands on in one cell. */
export interface AuthorisationCell {
  /** The service's own tables. */
  readonly db: Database;
  readonly vault: Vault;
  /** For a process that meets a key which was made after it started. */
  refreshVault(): Promise<void>;
  readonly clients: { readonly cards: Client<typeof cards>; readonly ledger: Client<typeof ledger> };
  readonly settings: SettingValues<typeof authorisationSettings>;
}

export interface ServeOptions {
  /** Names the process in its heartbeat. */
  readonly process: string;
  readonly host: string;
  /** Of ISO 8583 over TCP, 0 for any that is free; null where messages of the network are not taken. */
  readonly port: number | null;
  readonly framing: Framing;
  /** The door for JSON over HTTP; without it there is none. */
  readonly http?: { readonly host: string; readonly port: number; readonly token: string };
  readonly security?: SecurityModule;
  readonly now?: () => number;
  /** What went wrong, in words that hold nothing of a message. */
  readonly onTrouble?: (what: string, error: unknown) => void;
}

const BEAT_MS = 1_000;
const FORWARD_MS = 100;
const FOLLOW_MS = 1_000;
const RESOLVE_MS = 5_000;
const EXPIRE_MS = 30_000;
const TIDY_MS = 600_000;
const DAY_MS = 24 * 3_600_000;
/** Younger ones are under way in a process that lives. */
const LEFT_BEHIND_MS = 10_000;
const AHEAD_KEPT_DAYS = 3;
const PEER_KEPT_HOURS = 24;
const STRETCH_BEATS = 5;
const GRACE_MS = 5_000;
/** Beats may be late; after so many without one the database counts as away. */
const BEATS_MISSED = 5;
/** What an answer over HTTP may take beyond the budget of a message, which the pipeline keeps. */
const SLACK_MS = 1_000;

/** A process of a cell that serves messages: its door, its pipeline, its links, and what it does beside them. */
export class Serving {
  readonly pipeline: MessagePipeline;
  readonly processors: Processors;
  readonly #cell: AuthorisationCell;
  readonly #options: ServeOptions;
  readonly #now: () => number;
  readonly #latencies = new Latencies();
  readonly #lateCodes: MessageCodes;
  #door: NetworkDoor | undefined;
  #http: HttpDoor | undefined;
  #jobs!: Jobs;
  /** The cell's time, which is the database's: by it the year of a message is read, that names none, and advices are put off. */
  readonly #cellNow = (): number => this.#now() - this.#aheadMs;
  #aheadMs = 0;
  #beats = 0;
  /** Of a clock that does not jump. */
  #beatMs = 0;
  #resolvedOnce = false;

  static async begin(cell: AuthorisationCell, options: ServeOptions): Promise<Serving> {
    const serving = new Serving(cell, options);
    const { host, port, framing } = options;
    const { settings } = cell;
    await Promise.all([serving.pipeline.refreshRanges(), serving.#compareClocks()]);
    if (port !== null)
      serving.#door = await NetworkDoor.open(
        serving.pipeline,
        {
          host,
          port,
          framing,
          connectionsMax: settings.RELEVO_CONNECTIONS_MAX,
          inFlightMax: settings.RELEVO_IN_FLIGHT_MAX,
          onTrouble: ({ reason, error }) =>
            options.onTrouble?.(`a connection of the network: ${reason}`, error),
        },
        serving.#cellNow,
      );
    serving.#jobs = new Jobs(serving.#allJobs(), (job, error) => options.onTrouble?.(job, error));
    serving.#beatMs = performance.now();
    try {
      await serving.#openHttp();
    } catch (error) {
      await serving.close();
      throw error;
    }
    return serving;
  }

  private constructor(cell: AuthorisationCell, options: ServeOptions) {
    this.#cell = cell;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#lateCodes = new MessageCodes(cell.vault);
    this.processors = new Processors({
      inFlightMax: cell.settings.RELEVO_IN_FLIGHT_MAX,
      onLate: (answer) => void this.#recordLate(answer),
    });
    this.pipeline = new MessagePipeline({
      ...cell,
      controls: new ControlsCache(cell.db),
      processors: this.processors,
      security: options.security,
      now: options.now,
      onAnswered: (ms) => this.#latencies.add(ms),
      onTrouble: (error, what = 'a batch of messages') => options.onTrouble?.(what, error),
    });
  }

  /** Null when ISO 8583 is not spoken. */
  get port(): number | null {
    return this.#door?.port ?? null;
  }

  get door(): NetworkDoor | undefined {
    return this.#door;
  }

  /** The operations of this service that clients reach, and others may ask; all that only this process can answer. */
  operations(): Client<typeof authorisations> {
    const { db, clients, settings } = this.#cell;
    return {
      ...messageHandlers({
        submit: (incoming) => this.pipeline.answer(incoming),
        answerMsMax: settings.RELEVO_MESSAGE_BUDGET_MS + SLACK_MS,
        now: this.#cellNow,
      }),
      readCardControls: readCardControls(db, clients.cards),
      setCardControls: setCardControls(db, clients.cards),
      pressure: pressure(db),
    };
  }

  /** Null when HTTP is not spoken. */
  get httpPort(): number | null {
    return this.#http?.port ?? null;
  }

  /** Whether messages can be answered: from the database, or without it by an earlier processor. */
  get isReady(): boolean {
    if (performance.now() - this.#beatMs < BEATS_MISSED * BEAT_MS) return true;
    return Object.values(this.processors.up()).includes(true);
  }

  /** Takes no more messages, answers those under way, and leaves nothing open. */
  async close(): Promise<void> {
    await Promise.all([this.#door?.close(GRACE_MS), this.#http?.close(GRACE_MS)]);
    await this.#jobs.close();
    await this.pipeline.drained(GRACE_MS);
    this.pipeline.close();
    await this.processors.close();
    // Where the database is away the heartbeat grows old by itself.
    await leave(this.#cell.db, this.#options.process).catch(() => {});
  }

  async #openHttp(): Promise<void> {
    const { http, onTrouble } = this.#options;
    if (!http) return;
    // Loaded by those alone who speak it: the framework takes memory and time.
    const { serveHttp } = await import('./http/serve-http.ts');
    const { settings } = this.#cell;
    this.#http = await serveHttp({
      ...http,
      connectionsMax: settings.RELEVO_CONNECTIONS_MAX,
      answerMsMax: settings.RELEVO_MESSAGE_BUDGET_MS + SLACK_MS,
      submit: (incoming) => this.pipeline.answer(incoming),
      isReady: () => this.isReady,
      now: this.#cellNow,
      onTrouble: (error) => onTrouble?.('a request over HTTP', error),
    });
  }

  #allJobs(): Job[] {
    const { db, clients, vault, refreshVault } = this.#cell;
    const { pipeline, processors } = this;
    const opener = { cards: clients.cards, vault, refreshVault };
    const expired = new ExpiredHoldsJob(clients.ledger, { turnsADay: DAY_MS / EXPIRE_MS });
    return [
      { name: 'the heartbeat', everyMs: BEAT_MS, run: () => this.#beat() },
      {
        name: 'forwarding advices',
        everyMs: FORWARD_MS,
        run: async (signal) => {
          while (
            !signal.aborted &&
            (await forwardAdvices(db, processors, pipeline.ranges, opener, { now: this.#cellNow })) > 0
          );
        },
      },
      {
        name: 'following messages of new cards',
        everyMs: FOLLOW_MS,
        run: async (signal) => void (await followUnfollowed(db, pipeline, opener, signal)),
      },
      {
        name: 'asking again about messages left behind',
        everyMs: RESOLVE_MS,
        run: () => this.#resolve(opener),
      },
      { name: 'releasing expired holds', everyMs: EXPIRE_MS, run: (signal) => expired.run(signal) },
      { name: 'tidying', everyMs: TIDY_MS, run: () => this.#tidy() },
    ];
  }

  async #compareClocks(): Promise<void> {
    const [{ now }] = await databaseNow(this.#cell.db);
    this.#aheadMs = this.#now() - now.getTime();
  }

  async #beat(): Promise<void> {
    const { counts } = this.pipeline;
    await Promise.all([this.pipeline.refreshRanges(), this.#compareClocks()]);
    await beat(this.#cell.db, {
      process: this.#options.process,
      networkSignedOn: this.#door?.isSignedOn ?? false,
      processorUp: this.processors.up(),
      answered: counts.answered,
      unrecorded: counts.unrecorded,
      p99Ms: this.#latencies.quantile(0.99),
    });
    this.#beatMs = performance.now();
    if (++this.#beats % STRETCH_BEATS === 0) this.#latencies.turn();
  }

  /** The first time all that is left behind: the process that left it may be the one before this one. */
  async #resolve(opener: Parameters<typeof resolveRelaying>[3]): Promise<void> {
    const olderThanMs = this.#resolvedOnce ? LEFT_BEHIND_MS : BEAT_MS;
    const areUp = Object.values(this.processors.up()).every(Boolean);
    await resolveRelaying(this.#cell.db, this.pipeline, this.processors, opener, { olderThanMs });
    this.#resolvedOnce ||= areUp;
  }

  async #tidy(): Promise<void> {
    await forgetReversedAhead(this.#cell.db, AHEAD_KEPT_DAYS);
    await forgetPeers(this.#cell.db, PEER_KEPT_HOURS);
  }

  async #recordLate({ message }: LinkAnswer): Promise<void> {
    const { mti } = message;
    const kind = kindOf(`${mti.slice(0, 2)}${Number(mti[2]) - 1}0`);
    const [transmission, stan, code] = [7, 11, 39].map((field) => message.get(field));
    if (!kind || kind === 'network_management' || !transmission || !stan || !code) return;
    const acquirer = (message.get(32) ?? '').trim().replace(/^0+/, '');
    const key = this.#lateCodes.keyOf({ kind, transmission, stan, acquirer, rrn: message.get(37) ?? '' });
    await recordLateAnswer(this.#cell.db, key, code).catch((error: unknown) =>
      this.#options.onTrouble?.('recording a late answer', error),
    );
  }
}
