import { cellText } from '#delivery/cells/cell-name.ts';
import { count } from '#cli/output.ts';
import type { PhaseReport } from '#simulators/network/tally.ts';
import type { Mix } from '#simulators/network/mix.ts';
import { runContender } from '../lab/contender.ts';
import type { Workspace } from '../lab/workspace.ts';
import {
  type DatabaseFacts,
  databaseFacts,
  type Machine,
  machine,
  type SyncLatency,
  syncLatency,
} from '../machine.ts';
import type { Measured } from '../meter/meter.ts';
import { say } from '../say.ts';
import { ratios, type Summary } from '../statistics.ts';
import { type LoadOptions, type Stretch } from './load.ts';
import { AUTHORISATIONS, REPEATED } from './mixes.ts';
import { prepareCell, type PreparedCell } from './prepare-cell.ts';
import { type OneByOneSetting, serveOneByOne, serveRelevo, type Serving } from './serving.ts';
import { whileMigrating } from './while-migrating.ts';
import { verdictOn, type Verdict } from './verdict.ts';

export interface AuthorisationsBenchOptions {
  /** Cards of the cell. */
  readonly cards: number;
  readonly runs: number;
  /** How long each stretch lasts. */
  readonly seconds: number;
  /** Messages under way at once when the most is looked for: those that are tried. */
  readonly inFlight: readonly number[];
  /** Messages a second of the open loop. */
  readonly openRate: number;
  /** Base rate, which is then multiplied by five in one step. */
  readonly baseRate: number;
  /** Cards of the migration beside which messages are answered. */
  readonly migratedCards: number;
  /** Settings that are tried for the one-by-one ways. */
  readonly connections: readonly number[];
}

/** One stretch of messages: what the network saw, and what the answering side took. */
export interface Answered {
  readonly perSecond: number;
  readonly phase: PhaseReport;
  /** The serving process, and PostgreSQL. */
  readonly serving: Measured;
  /** The network's own process. */
  readonly network: Measured;
}

export type LaneName = 'relevo' | 'relevo: 5 % repeats' | 'relevo: 10 hot cards' | OneByOneLane;
export type OneByOneLane =
  | 'one transaction each'
  | 'one statement each'
  | 'one transaction each: 10 hot cards'
  | 'one statement each: 10 hot cards';

export interface AuthorisationsLane {
  readonly name: LaneName;
  readonly runs: readonly Answered[];
}

export interface AuthorisationsBench {
  readonly benchmark: 'authorisations';
  readonly options: AuthorisationsBenchOptions;
  readonly machine: Machine;
  readonly database: DatabaseFacts;
  readonly sync: SyncLatency;
  /** The best of those that were tried. */
  readonly inFlight: number;
  readonly connections: Readonly<Record<OneByOneSetting['how'], number>>;
  /** As many as go through with so many under way at once. */
  readonly lanes: readonly AuthorisationsLane[];
  /** How many times relevo's rate is the other lane's, round by round. */
  readonly ratios: Readonly<Partial<Record<LaneName, Summary>>>;
  /** At a steady rate, whatever the answers do. */
  readonly open: readonly Answered[];
  /** Before and after the step, in pairs. */
  readonly step: readonly { readonly base: Answered; readonly five: Answered }[];
  readonly migration: readonly {
    readonly idle: Answered;
    readonly during: Answered;
    readonly cardsPerSecond: number;
  }[];
  readonly verdict: Verdict;
}

const LOAD = new URL('load.ts', import.meta.url);
const CONNECTIONS = 8;
const HOT_CARDS = 10;
/** A process serves for months, and its code is only compiled as far as it will be after some 50,000 messages. */
const WARM_UP_SECONDS = 8;
const TRIAL = { seconds: 3, warmUpSeconds: 3 };

export async function benchAuthorisations(
  options: AuthorisationsBenchOptions,
  workspace: Workspace,
): Promise<AuthorisationsBench> {
  const facts = {
    machine: machine(),
    database: await databaseFacts(workspace.probe),
    sync: await syncLatency(workspace.home),
  };
  say(`migrating ${count(options.cards)} cards into a cell ...`);
  const cell = await prepareCell(workspace, options.cards);
  const bench = new Bench(workspace, cell, options);
  const inFlight = await bench.calibrateInFlight();
  const connections = {
    transaction: await bench.calibrate('transaction'),
    statement: await bench.calibrate('statement'),
  };
  const lanes = new Map<LaneName, Answered[]>();
  for (let round = 1; round <= options.runs; round++) {
    say(`round ${round} of ${options.runs}`);
    for (const [name, answered] of await bench.closedLoops(connections))
      lanes.set(name, [...(lanes.get(name) ?? []), answered]);
  }
  const open: Answered[] = [];
  const step: AuthorisationsBench['step'][number][] = [];
  const migration: AuthorisationsBench['migration'][number][] = [];
  for (let round = 1; round <= options.runs; round++) {
    say(`steady rates, round ${round} of ${options.runs}`);
    const { openRate, baseRate } = options;
    const [steady] = await bench.withRelevo([{ name: 'open', pace: { rate: openRate } }]);
    open.push(steady);
    const [base, five] = await bench.withRelevo([
      { name: 'base', pace: { rate: baseRate } },
      { name: 'five times', pace: { rate: baseRate * 5 } },
    ]);
    step.push({ base, five });
    if (options.migratedCards > 0) migration.push(await bench.besideAMigration());
  }
  const rates = (name: LaneName) => (lanes.get(name) ?? []).map(({ perSecond }) => perSecond);
  const others = [...lanes.keys()].filter((name) => name !== 'relevo');
  const result = {
    benchmark: 'authorisations' as const,
    options,
    ...facts,
    inFlight,
    connections,
    lanes: [...lanes].map(([name, runs]) => ({ name, runs })),
    ratios: Object.fromEntries(
      others.map((name) => {
        const ours = name.endsWith('hot cards') ? 'relevo: 10 hot cards' : 'relevo';
        return [name, ratios(rates(ours), rates(name))];
      }),
    ),
    open,
    step,
    migration,
  };
  return { ...result, verdict: verdictOn(result) };
}

type Pace = Pick<Stretch, 'name' | 'pace'>;

interface Sending {
  readonly mix?: Mix;
  readonly seconds?: number;
  readonly warmUpSeconds?: number;
}

/** Serves, sends and measures, one thing after the other in one cell. */
class Bench {
  readonly #workspace: Workspace;
  readonly #cell: PreparedCell;
  readonly #options: AuthorisationsBenchOptions;
  #inFlight: number;
  #seed = 1;

  constructor(workspace: Workspace, cell: PreparedCell, options: AuthorisationsBenchOptions) {
    this.#workspace = workspace;
    this.#cell = cell;
    this.#options = options;
    this.#inFlight = options.inFlight[0];
  }

  /** With how many messages under way at once relevo answers the most; all ways are then measured with as many. */
  async calibrateInFlight(): Promise<number> {
    const { inFlight } = this.#options;
    this.#inFlight = await this.#best(inFlight, (each) => {
      this.#inFlight = each;
      return this.#relevo;
    });
    say(`  messages under way at once: best of ${inFlight.join(', ')} is ${this.#inFlight}`);
    return this.#inFlight;
  }

  /** The number of connections with which one-by-one answers the most. */
  async calibrate(how: OneByOneSetting['how']): Promise<number> {
    const { connections } = this.#options;
    const best = await this.#best(connections, (each) => this.#oneByOne(how, each));
    say(`  one ${how} each: best of ${connections.join(', ')} connections is ${best}`);
    return best;
  }

  /** The setting with which the most goes through. */
  async #best(
    settings: readonly number[],
    servedWith: (each: number) => () => Promise<Serving>,
  ): Promise<number> {
    if (settings.length === 1) return settings[0];
    let best = { setting: settings[0], perSecond: 0 };
    for (const setting of settings) {
      const [{ perSecond }] = await this.#serving(servedWith(setting), [this.#closed()], {
        ...TRIAL,
        seconds: Math.min(TRIAL.seconds, this.#options.seconds),
      });
      if (perSecond > best.perSecond) best = { setting, perSecond };
    }
    return best.setting;
  }

  async closedLoops(
    connections: Readonly<Record<OneByOneSetting['how'], number>>,
  ): Promise<[LaneName, Answered][]> {
    const relevo = this.#relevo;
    const transaction = this.#oneByOne('transaction', connections.transaction);
    const statement = this.#oneByOne('statement', connections.statement);
    const hot = { ...AUTHORISATIONS, hot: 1 };
    const lanes: readonly [LaneName, () => Promise<Serving>, Mix][] = [
      ['relevo', relevo, AUTHORISATIONS],
      ['one transaction each', transaction, AUTHORISATIONS],
      ['one statement each', statement, AUTHORISATIONS],
      ['relevo: 5 % repeats', relevo, REPEATED],
      ['relevo: 10 hot cards', relevo, hot],
      ['one transaction each: 10 hot cards', transaction, hot],
      ['one statement each: 10 hot cards', statement, hot],
    ];
    const all: [LaneName, Answered][] = [];
    for (const [name, serve, mix] of lanes) {
      const [answered] = await this.#serving(serve, [this.#closed()], { mix });
      say(
        `  ${name.padEnd(36)} ${count(Math.round(answered.perSecond))}/s, p99 ${answered.phase.latencyMs.p99.toFixed(1)} ms`,
      );
      all.push([name, answered]);
    }
    return all;
  }

  withRelevo(paces: readonly Pace[]): Promise<Answered[]> {
    return this.#serving(this.#relevo, paces);
  }

  /** The same rate alone, and while a portfolio moves into the same cell. */
  async besideAMigration(): Promise<AuthorisationsBench['migration'][number]> {
    const { baseRate, migratedCards } = this.#options;
    const pace = (name: string) => ({ name, pace: { rate: baseRate } });
    const serving = await serveRelevo(this.#workspace, this.#name);
    try {
      const [idle] = await this.#send(serving, [pace('idle')]);
      const { answer, cardsPerSecond } = await whileMigrating(
        this.#workspace,
        this.#cell,
        migratedCards,
        () => this.#send(serving, [pace('during')]),
      );
      return { idle, during: answer[0], cardsPerSecond };
    } finally {
      await serving.stop();
    }
  }

  get #name(): string {
    return cellText(this.#cell.name);
  }

  get #relevo(): () => Promise<Serving> {
    return () => serveRelevo(this.#workspace, this.#name);
  }

  #oneByOne(how: OneByOneSetting['how'], connections: number): () => Promise<Serving> {
    return () => serveOneByOne(this.#workspace, this.#name, { how, connections });
  }

  #closed(): Pace {
    return { name: 'closed', pace: { inFlight: this.#inFlight } };
  }

  async #serving(
    serve: () => Promise<Serving>,
    paces: readonly Pace[],
    how: Sending = {},
  ): Promise<Answered[]> {
    await this.#workspace.probe.settle();
    const serving = await serve();
    try {
      return await this.#send(serving, paces, how);
    } finally {
      await serving.stop();
    }
  }

  async #send(
    { port, pid }: Serving,
    paces: readonly Pace[],
    { mix = AUTHORISATIONS, seconds = this.#options.seconds, warmUpSeconds = WARM_UP_SECONDS }: Sending = {},
  ): Promise<Answered[]> {
    const options: LoadOptions = {
      port,
      cards: this.#cell.sample,
      mix,
      seed: this.#seed++,
      connections: CONNECTIONS,
      hotCards: HOT_CARDS,
      warmUp: { name: 'warm-up', pace: paces[0].pace, seconds: warmUpSeconds },
      stretches: paces.map((pace) => ({ ...pace, seconds })),
    };
    // The meter of the answering side runs from stretch to stretch, as that of the network does.
    const watched: Measured[] = [];
    const meter = this.#workspace.meter;
    const { result, parts } = await runContender<PhaseReport[]>(LOAD, options, {
      ...this.#workspace,
      meter: {
        begin: async (network) => {
          const begin = (process: number) => meter.begin(process, { memory: false });
          const [ended, endedServing] = await Promise.all([begin(network), begin(pid)]);
          return async (took) => {
            watched.push(await endedServing(took));
            return ended(took);
          };
        },
      },
    });
    return result.map((phase, i) => {
      if (phase.unanswered > 0) throw new Error(`${phase.unanswered} messages were not answered`);
      return {
        perSecond: phase.answered / phase.seconds,
        phase,
        serving: watched[i],
        network: parts[i].measured,
      };
    });
  }
}
