import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { hostname } from 'node:os';
import type { RequestListener, ServerResponse } from 'node:http';
import type { ErrorTable } from '#declare/errors.ts';
import type { ServiceDeclaration } from '#declare/service.ts';
import { type Served, serve } from '#runtime/calls.ts';
import { type Activity, serveApi } from '#runtime/http/api-server.ts';
import type { CallerGate } from '#runtime/identity/caller-gate.ts';
import { forgetRegularly } from '#services/access/forget-regularly.ts';
import { isTokenEndpoint } from '#services/access/oauth/token-endpoint.ts';
import { serveAudit } from '#services/audit/main.ts';
import { formats } from '#services/authorisations/http/formats.ts';
import { authorisations } from '#services/authorisations/service.ts';
import { serveCards } from '#services/cards/main.ts';
import { serveLedger } from '#services/ledger/main.ts';
import { serveMigrations } from '#services/migrations/main.ts';
import { publicOperations } from '#services/public.ts';
import { GATEWAY } from '../cells/caller-keys.ts';
import type { CellFile } from '../cells/cell-file.ts';
import { type Cell, cellWith, openVault } from '../cells/open-cell.ts';
import { enterAccess } from '../local/enter-access.ts';
import { serveAuthorisations } from '../local/serve-authorisations.ts';
import type { Handoff } from './handoff.ts';
import { admitFor, type Admission, type CallOptions, routesToOperations } from './routes-to-operations.ts';

/** Calls of the gateway at once: each holds a connection of the pools behind it for a moment. */
const CONNECTIONS = 4;
const GATEWAY_CONNECTIONS_MAX = 512;
const CALLER_ERRORS: ErrorTable = {
  caller_unproven: { retry: 'never', status: 401, text: 'The call does not prove who makes it.' },
  caller_not_allowed: {
    retry: 'never',
    status: 403,
    text: 'The declaration does not open this to the caller.',
  },
};

export interface ServingCell {
  readonly port: number | null;
  readonly httpPort: number | null;
  readonly activity: Readonly<Activity>;
  /** Answers what is under way and leaves nothing open; tells how much was answered. */
  close(): Promise<number>;
}

interface Surroundings {
  /** The cell's file as it is now. */
  readonly fileNow: () => Promise<CellFile>;
  readonly onTrouble: (what: string, error: unknown) => void;
}

/** Serves a cell with what was handed over: its clients, by the gateway, and the network where it has BIN ranges. */
export async function serveCell(
  handoff: Handoff,
  { fileNow, onTrouble }: Surroundings,
): Promise<ServingCell> {
  const gatewayKey = createPublicKey({ key: handoff.gatewayKey as JsonWebKey, format: 'jwk' });
  const cell = openHandedCell(handoff, gatewayKey, fileNow);
  const { settings, network } = handoff;
  const serving = await serveAuthorisations(cell, settings, {
    process: `${hostname()}:${process.pid}`,
    host: settings.RELEVO_ISO8583_HOST,
    port: network?.port ?? null,
    framing: 'binary',
    ...(network && { http: { host: settings.RELEVO_HTTP_HOST, port: network.httpPort } }),
    onTrouble,
  });
  const vault = await openVault(cell, cell.connect('authorisations', 1));
  const access = enterAccess(cell, {
    issuer: handoff.issuer,
    onTrouble: (error) => onTrouble('tokens', error),
  });
  const served = [
    serveCards(cell.connect('cards', CONNECTIONS), vault),
    serveLedger(cell.connect('ledger', CONNECTIONS)),
    serveMigrations(cell.connect('migrations', CONNECTIONS)),
    serve(authorisations, serving.operations()),
  ] as unknown as Served<ServiceDeclaration>[];
  const calls: CallOptions = {
    operations: publicOperations,
    served,
    gate: cell.calls.gate,
    access,
    audit: cell.calls.client(serveAudit(cell.connect('audit', 1), vault), 'access'),
  };
  const admit = admitFor(calls);
  const ending = new AbortController();
  void forgetRegularly((input) => access.requests.forgetRequests(input), {
    signal: ending.signal,
    onTrouble: (error) => onTrouble('forgetting requests', error),
  });
  const door = await serveApi<Admission>(
    {
      routes: routesToOperations(calls),
      admit: (headers, { scope }) => admit(headers, scope),
      aside: {
        isFor: isTokenEndpoint,
        listener: forGatewayAlone(cell.calls.gate, access.answerTokens),
      },
      isReady: () => serving.isReady,
      formats,
      errors: CALLER_ERRORS,
      onTrouble: (error) => onTrouble('a request', error),
    },
    { at: { path: handoff.socketPath }, connectionsMax: GATEWAY_CONNECTIONS_MAX },
  );
  return {
    port: serving.port,
    httpPort: serving.httpPort,
    activity: door.activity,
    async close() {
      ending.abort();
      await door.close();
      await serving.close();
      await cell.close();
      return serving.pipeline.counts.answered + door.activity.answered;
    },
  };
}

/** The token endpoint is asked by anybody, but only through the gateway. */
const forGatewayAlone =
  (gate: CallerGate, listener: RequestListener): RequestListener =>
  (request, response) => {
    const token = request.headers['relevo-caller'];
    gate.admit(typeof token === 'string' ? token : undefined).then(
      ({ name }) => (name === GATEWAY ? listener(request, response) : refuse(response)),
      () => refuse(response),
    );
  };

const refuse = (response: ServerResponse): void =>
  void response.writeHead(403, { connection: 'close' }).end();

/** The cell as its process sees it: by the roles that were handed over, and no further. */
function openHandedCell(
  { file, home, urls }: Handoff,
  gatewayKey: KeyObject,
  fileNow: Surroundings['fileNow'],
): Cell {
  return cellWith({ file, home, gatewayKey, fileNow }, (role) => {
    const url = urls[role];
    if (url === undefined) throw new Error(`the process of a cell was not handed the role ${role}`);
    return url;
  });
}
