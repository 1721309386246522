import { type DatabaseFacts, databaseFacts, machine, type Machine } from '../machine.ts';
import type { Workspace } from '../lab/workspace.ts';
import { say } from '../say.ts';
import { loadavg } from 'node:os';
import { type Handshakes, handshakes } from './handshakes.ts';
import { installed } from './installed.ts';
import { type Before, type Behind, GatewayLab } from './lab.ts';
import { oneConnection, type OneConnection } from './one-connection.ts';
import { spentBy, type Spent, spentHere } from './spent.ts';
import { type Wake, wakes } from './wakes.ts';
import { type Loaded, wrk } from './wrk.ts';

export interface GatewayBenchOptions {
  /** Of each stretch. */
  readonly seconds: number;
  readonly runs: number;
  readonly connections: readonly number[];
  /** Wakes from a spare process; half as many from none. */
  readonly wakes: number;
  readonly cards: number;
}

/** As much as goes through, with so many connections. */
export interface Stretch {
  readonly behind: Behind;
  readonly before: Before;
  readonly connections: number;
  readonly runs: readonly StretchRun[];
}

export interface StretchRun extends Loaded {
  readonly spent: Spent;
  /** Of the supervisor meanwhile, which writes the gateway's access log; nginx writes its own. */
  readonly supervisorCpuSeconds: number;
}

export interface GatewayBench {
  readonly benchmark: 'gateway';
  readonly options: GatewayBenchOptions;
  readonly machine: Machine;
  readonly database: DatabaseFacts;
  /** Processes that wanted to run, at the beginning and at the end: others use the machine too. */
  readonly load: readonly [number, number];
  readonly stretches: readonly Stretch[];
  readonly oneConnection: readonly OneConnection[];
  readonly handshakes: readonly {
    readonly before: 'gateway' | 'nginx';
    readonly runs: readonly Handshakes[];
  }[];
  readonly wakes: { readonly spare: readonly Wake[]; readonly cold: readonly Wake[] };
}

const WARM_UP_SECONDS = 2;
const WARM_UP_CONNECTIONS = 8;

export async function benchGateway(
  options: GatewayBenchOptions,
  workspace: Workspace,
): Promise<GatewayBench> {
  const facts = { machine: machine(), database: await databaseFacts(workspace.probe) };
  const [loadBefore] = loadavg();
  say('a cell with cards, a client, the gateway ...');
  const lab = await GatewayLab.open(workspace, options.cards);
  try {
    const stretches = await loads(lab, options);
    const ones: OneConnection[] = [];
    for (const behind of ['trivial', 'cell'] as const) {
      say(`one request at a time, ${behind} ...`);
      ones.push(await oneConnection(lab, behind, options.seconds * options.runs));
    }
    const shaken = await allHandshakes(lab, options);
    say('wakes ...');
    const woken = {
      spare: await wakes(lab, options.wakes, 1),
      cold: await wakes(lab, Math.ceil(options.wakes / 2), 0),
    };
    return {
      benchmark: 'gateway',
      options,
      ...facts,
      load: [loadBefore, loadavg()[0]],
      stretches,
      oneConnection: ones,
      handshakes: shaken,
      wakes: woken,
    };
  } finally {
    await lab.close();
  }
}

async function loads(
  lab: GatewayLab,
  { runs, seconds, connections }: GatewayBenchOptions,
): Promise<Stretch[]> {
  if (!installed('wrk')) return [];
  const stretches = stretchesOf(lab, connections).map((stretch) => ({
    ...stretch,
    runs: [] as StretchRun[],
  }));
  for (const { behind, before } of stretches.filter((each) => each.connections === connections[0]))
    await run(lab, { behind, before, connections: WARM_UP_CONNECTIONS }, WARM_UP_SECONDS);
  for (let round = 1; round <= runs; round++) {
    say(`round ${round} of ${runs}`);
    for (const stretch of stretches) stretch.runs.push(await run(lab, stretch, seconds));
  }
  return stretches;
}

/** Those that are compared stand beside each other. */
const stretchesOf = (lab: GatewayLab, connections: readonly number[]) =>
  (['trivial', 'cell'] as const).flatMap((behind) =>
    connections.flatMap((count) =>
      (['direct', 'nginx', 'gateway'] as const)
        .filter((before) => before !== 'nginx' || lab.nginx)
        // A cell listens on a socket alone, which wrk cannot call.
        .filter((before) => before !== 'direct' || behind === 'trivial')
        .map((before) => ({ behind, before, connections: count })),
    ),
  );

async function run(
  lab: GatewayLab,
  { behind, before, connections }: Omit<Stretch, 'runs'>,
  seconds: number,
): Promise<StretchRun> {
  const headers = await lab.headers(before, behind);
  lab.lead(behind);
  const url = `${before === 'direct' ? 'http' : 'https'}://${lab.host}:${lab.portOf(before, behind)}${lab.path}`;
  const { result, spent } = await spentBy(lab.pidOf(before), () =>
    spentHere(() => wrk({ url, connections, seconds, headers })),
  );
  return { ...result.result, spent, supervisorCpuSeconds: result.cpuSeconds };
}

async function allHandshakes(lab: GatewayLab, { runs, seconds }: GatewayBenchOptions) {
  say('handshakes ...');
  const all = ([...(lab.nginx ? ['nginx' as const] : []), 'gateway'] as const).map((before) => ({
    before,
    runs: [] as Handshakes[],
  }));
  for (let round = 0; round < runs; round++)
    for (const each of all) each.runs.push(await handshakes(lab, each.before, seconds));
  return all;
}
