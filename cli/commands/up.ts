import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { cellsInService } from '#delivery/cells/read-platform.ts';
import { type CellName, cellText } from '#delivery/cells/cell-name.ts';
import { accessLog } from '#delivery/supervisor/access-log.ts';
import type { AcmeTerms } from '#delivery/supervisor/certificates.ts';
import { CellWatch, type Needs } from '#delivery/supervisor/cell-needs.ts';
import { CellProcesses, type NetworkPorts } from '#delivery/supervisor/cell-processes.ts';
import { GatewayDoor } from '#delivery/supervisor/gateway.ts';
import { gatewayFolder, gatewayKey } from '#delivery/supervisor/platform-home.ts';
import { issuerOf, readRouting, type Routing } from '#delivery/supervisor/routing.ts';
import { describeFailure } from '#services/migrations/work/failure.ts';
import { services } from '#services/all.ts';
import { type Context, withContext } from '../context.ts';
import { onInterrupt } from '../interrupt.ts';
import { JSON_OUTPUT } from '../options.ts';
import type { Output } from '../output.ts';
import { openLog, startWorkers, type Workers } from '../workers.ts';

const POLL_MS = 500;
/** Certificates that are due, and orders that failed and whose time has come, are looked for so often. */
const RENEW_MS = 60_000;

export function upCommand(): Command {
  return new Command('up')
    .description(
      'the platform running: a gateway for the clients of all cells, the network of those with BIN ranges, workers where there is work',
    )
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Examples:
  $ ./relevo up
  $ curl --cacert .relevo/gateway/authority/root.pem https://staging.andina.localhost:8443/docs

The gateway takes requests of clients on https://localhost:8443 (RELEVO_GATEWAY_PORT) and leads each to the cell of its
host name, whose token it must carry: ./relevo client add makes a client, ./relevo tenant show NAME tells the hosts.
Each cell has a process of its own that was handed this cell's secrets alone. A cell that nobody asks for anything goes to
sleep, and its next request wakes it.
A cell that has BIN ranges never sleeps: the first one answers its network on RELEVO_ISO8583_PORT and RELEVO_HTTP_PORT,
further ones on the ports after them; where each listens is said when it does. A process that dies is started again.
Ctrl-C stops everything when what is under way is answered and the chunks in hand are worked.`,
    )
    .action(async ({ json = false }: { json?: boolean }) => {
      const signal = onInterrupt();
      await withContext(json, (context) => runPlatform(context, signal));
    });
}

async function runPlatform(context: Context, signal: AbortSignal): Promise<void> {
  const { settings, out } = context;
  const platform = await Platform.open(context, signal);
  try {
    const cells = (await cellsInService(settings.RELEVO_HOME)).map(cellText);
    const names = services.map(({ name }) => name);
    const { port } = platform.door;
    out.result(
      {
        state: 'running',
        cells,
        services: names,
        gateway: { port, plain_port: platform.door.plainPort, root: platform.door.rootFile },
      },
      () => announcement(cells, names, platform.door),
    );
    await platform.run();
  } finally {
    await platform.close();
  }
  out.say('Stopped.');
}

const announcement = (cells: readonly string[], names: readonly string[], door: GatewayDoor): string =>
  [
    cells.length > 0
      ? `Running: ${cells.join(', ')}\nEach with ${names.join(', ')}.`
      : 'Running, but there are no cells yet: ./relevo tenant add NAME',
    `Gateway: https://localhost:${door.port}, each cell by its host name; HTTP on port ${door.plainPort} is sent on to it.`,
    `Clients on this machine trust it by ${door.rootFile} (curl --cacert).`,
    'Ctrl-C stops.',
  ].join('\n');

/** Everything that runs while the command does. */
class Platform {
  readonly door: GatewayDoor;
  readonly #context: Context;
  readonly #signal: AbortSignal;
  readonly #processes: CellProcesses;
  readonly #watch: CellWatch;
  readonly #workers = new Map<string, Workers>();
  /** The ports of cells that have had BIN ranges, in the order in which they were found. */
  readonly #networks = new Map<string, NetworkPorts>();
  readonly #routing: { current: Routing; text: string };

  static async open(context: Context, signal: AbortSignal): Promise<Platform> {
    const { server, settings, out } = context;
    const home = settings.RELEVO_HOME;
    const key = await gatewayKey(home);
    const log = openLog(home, 'serving.log');
    const routing = { current: NO_ROUTING, text: '' };
    const processes: CellProcesses = new CellProcesses({
      server,
      home,
      settings,
      gatewayKey: key.publicJwk,
      log,
      termsOf: (cell) => {
        const routed = routing.current.cells.get(cell);
        return {
          issuer: routed?.issuer ?? issuerOf(`${cell.replace('/', '.')}.localhost`, door.port),
          idleSeconds: routed?.terms.size.idleSeconds ?? 0,
        };
      },
      onNetwork: (cell, { port, httpPort }) =>
        tell(out, { state: 'serving', cell, port, http_port: httpPort }, () => {
          const host = settings.RELEVO_ISO8583_HOST;
          return `${stamp()}  ${cell}: answers ISO 8583 on ${host}:${port}, HTTP on port ${httpPort}`;
        }),
      onLost: (cell, status) =>
        tell(out, { state: 'ended', cell, status }, () => `${stamp()}  ${cell}: its process ended`),
      onResting: (cell) => door.forget({ cell, colour: 'blue' }),
    });
    const door: GatewayDoor = await GatewayDoor.open({
      host: settings.RELEVO_GATEWAY_HOST,
      port: settings.RELEVO_GATEWAY_PORT,
      plainPort: settings.RELEVO_GATEWAY_PLAIN_PORT,
      ...(settings.RELEVO_GATEWAY_PUBLIC_PORT > 0 && { publicPort: settings.RELEVO_GATEWAY_PUBLIC_PORT }),
      identityKey: key.privateJwk,
      folder: gatewayFolder(home),
      acme: acmeOf(settings),
      reach: ({ cell }) => processes.reach(cell),
      onAccess: accessLog(home),
      onTrouble: (code, message) =>
        tell(out, { state: 'trouble', code, message }, () => `${stamp()}  gateway: ${message} (${code})`),
      onEnded: (status) =>
        tell(out, { state: 'gateway_ended', status }, () => `${stamp()}  the gateway ended; starting again`),
      log,
    });
    return new Platform(context, signal, { door, processes, routing });
  }

  private constructor(
    context: Context,
    signal: AbortSignal,
    parts: { door: GatewayDoor; processes: CellProcesses; routing: { current: Routing; text: string } },
  ) {
    this.#context = context;
    this.#signal = signal;
    this.door = parts.door;
    this.#processes = parts.processes;
    this.#routing = parts.routing;
    this.#watch = new CellWatch(context.server, context.settings.RELEVO_HOME);
  }

  async run(): Promise<void> {
    let renewedMs = performance.now();
    while (!this.#signal.aborted) {
      await this.#route();
      if (performance.now() - renewedMs > RENEW_MS) {
        renewedMs = performance.now();
        this.#renewCertificates();
      }
      await this.#watch.look(
        (name, needs) => this.#tend(cellText(name), needs),
        (name, error) => this.#failed(name, error),
      );
      await sleep(POLL_MS, undefined, { signal: this.#signal }).catch(() => {});
    }
  }

  async close(): Promise<void> {
    await this.door.close();
    await Promise.all([...this.#workers.values()].map((workers) => workers.stop()));
    await this.#processes.stop();
  }

  /** Authorities take their time; what goes wrong is told by the door. */
  #renewCertificates(): void {
    void this.door.renewCertificates().catch(() => {});
  }

  /** What has come into service, has other terms or has gone. */
  async #route(): Promise<void> {
    const { RELEVO_HOME: home, RELEVO_GATEWAY_PUBLIC_PORT: publicPort } = this.#context.settings;
    try {
      const routing = await readRouting(home, publicPort || this.door.port);
      const text = JSON.stringify(routing.table);
      if (text === this.#routing.text) return;
      this.#routing.current = routing;
      this.#routing.text = text;
      this.door.use(routing.table);
      // New hosts have their certificates before their first client comes.
      this.#renewCertificates();
    } catch (error) {
      const { out } = this.#context;
      tell(out, { state: 'trouble', code: 'routing_failed', message: describeFailure(error) }, () => {
        return `${stamp()}  what is in service cannot be read: ${describeFailure(error)}; trying again`;
      });
    }
  }

  async #tend(cell: string, { network, workers, isBusy }: Needs): Promise<void> {
    const { settings, out } = this.#context;
    if (network && !this.#processes.isKept(cell)) this.#processes.keep(cell, this.#portsOf(cell));
    const working = this.#workers.get(cell);
    if (workers && !working) {
      this.#workers.set(
        cell,
        startWorkers(
          cell,
          this.#routing.current.cells.get(cell)?.terms.size.workers ?? settings.RELEVO_WORKERS,
          settings.RELEVO_HOME,
          this.#signal,
        ),
      );
      out.say(`${stamp()}  ${cell}: workers started`);
    } else if (!isBusy && working) {
      this.#workers.delete(cell);
      await working.stop();
      out.say(`${stamp()}  ${cell}: done, workers stopped`);
    }
  }

  #failed(name: CellName, error: unknown): void {
    this.#context.out.say(`${stamp()}  ${cellText(name)}: ${describeFailure(error)}; trying again`);
  }

  /** The next ones for each further cell; port 0 is any that is free, for every cell. */
  #portsOf(cell: string): NetworkPorts {
    const { settings } = this.#context;
    const nth = (base: number) => (base === 0 ? 0 : base + this.#networks.size);
    const ports = this.#networks.get(cell) ?? {
      port: nth(settings.RELEVO_ISO8583_PORT),
      httpPort: nth(settings.RELEVO_HTTP_PORT),
    };
    this.#networks.set(cell, ports);
    return ports;
  }
}

const acmeOf = ({
  RELEVO_ACME_URL: url,
  RELEVO_ACME_EMAIL: email,
  RELEVO_ACME_ROOTS: roots,
}: Context['settings']): AcmeTerms | null => (url === null ? null : { url, email, roots });

const NO_ROUTING: Routing = { table: { cells: [], operations: [] }, cells: new Map() };

/** One line for each thing that happens, for programs too: the platform runs until it is stopped. */
function tell(out: Output, document: unknown, forPeople: () => string): void {
  if (out.json) process.stdout.write(`${JSON.stringify(document)}\n`);
  else out.say(forPeople());
}

const stamp = (): string => new Date().toISOString();
