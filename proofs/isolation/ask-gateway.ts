import { Agent, request } from 'node:https';
import { connect, type TLSSocket } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Met } from './attempts.ts';
import { Canaries } from './canaries.ts';

export interface Asked {
  /** The name of the connection (SNI), and of the Host header unless that is given. */
  readonly host: string;
  readonly hostHeader?: string;
  readonly method: string;
  readonly path: string;
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface Answer {
  readonly status: number;
  readonly code: string;
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
  /** The gateway let it through: what was refused after that, its cell refused. */
  readonly reachedCell: boolean;
  readonly ms: number;
}

const ANSWER_MS_MAX = 20_000;
/** How often a request waits where its rate was taken. */
const WAITS_MAX = 12;
const RATES = new Set(['strangers_too_many', 'client_rate', 'tenant_rate']);

/** Asks the gateway as clients do, over TLS and by host names, and as those who are none. */
export class AskGateway {
  readonly canaries = new Canaries();
  readonly #port: number;
  readonly #root: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 24, maxFreeSockets: 24 });
  #count = 0;

  constructor({ port, root }: { port: number; root: string }) {
    this.#port = port;
    this.#root = root;
  }

  get port(): number {
    return this.#port;
  }

  get count(): number {
    return this.#count;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** A refusal for the rate alone is waited out: it says nothing about who may what. */
  async ask(asked: Asked): Promise<Answer> {
    for (let waits = 0; ; waits++) {
      const answer = await this.#once(asked);
      if (!RATES.has(answer.code) || waits === WAITS_MAX) {
        this.canaries.lookAt(`the answer to ${asked.method} ${asked.path.split('?')[0]}`, answer.text);
        return answer;
      }
      await sleep(250 + Math.random() * 750);
    }
  }

  /** POST /oauth/token; the answer is not searched for tokens, as it is there to hold one. */
  async token(host: string, client: { clientId: string; secret: string }, scope?: string): Promise<Answer> {
    const form = new URLSearchParams({ grant_type: 'client_credentials', ...(scope && { scope }) });
    const basic = Buffer.from(`${client.clientId}:${client.secret}`).toString('base64');
    for (let waits = 0; ; waits++) {
      const answer = await this.#once({
        host,
        method: 'POST',
        path: '/oauth/token',
        headers: { authorization: `Basic ${basic}`, 'content-type': 'application/x-www-form-urlencoded' },
        body: form.toString(),
      });
      if (!RATES.has(answer.code) || waits === WAITS_MAX) return answer;
      await sleep(250 + Math.random() * 750);
    }
  }

  #once({ host, hostHeader = host, method, path, token, headers = {}, body }: Asked): Promise<Answer> {
    this.#count++;
    const startedAt = performance.now();
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const sent = request(
      {
        host: '127.0.0.1',
        port: this.#port,
        servername: host,
        ca: this.#root,
        agent: this.#agent,
        method,
        path,
        timeout: ANSWER_MS_MAX,
        headers: {
          host: `${hostHeader}:${this.#port}`,
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && typeof body !== 'string' && { 'content-type': 'application/json' }),
          ...headers,
        },
      },
      (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(pieces).toString();
          const json = jsonOf(text);
          resolve({
            status: response.statusCode!,
            code: String(json['code'] ?? json['error'] ?? ''),
            text,
            json,
            reachedCell: response.headers['ratelimit'] !== undefined,
            ms: performance.now() - startedAt,
          });
        });
      },
    );
    sent.on('timeout', () => sent.destroy(new Error('no answer in time')));
    sent.on('error', reject);
    sent.end(body === undefined || typeof body === 'string' ? body : JSON.stringify(body));
    return promise;
  }

  /** Opens a TLS connection for a name; tells how the handshake failed. */
  async handshake(servername: string): Promise<Met> {
    const { promise, resolve } = Promise.withResolvers<Met>();
    const socket: TLSSocket = connect(
      { host: '127.0.0.1', port: this.#port, servername, ca: this.#root, timeout: ANSWER_MS_MAX },
      () => resolve({ got: 'a TLS connection' }),
    );
    socket.on('error', (error: NodeJS.ErrnoException) =>
      resolve(
        /handshake|no suitable|alert|ECONNRESET/i.test(`${error.message} ${error.code}`)
          ? { guard: 'tls: no certificate for this name' }
          : { fault: error.message },
      ),
    );
    return promise.finally(() => socket.destroy());
  }
}

function jsonOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** What an attempt over HTTP met. A 5xx is no guard: nobody meant to refuse. */
export function metAnswer({ status, code, reachedCell, text }: Answer): Met {
  if (status < 300) return { got: `${status} ${text.slice(0, 120)}` };
  if (status >= 500) return { fault: `${status} ${code}` };
  return { guard: `${reachedCell ? 'cell' : 'gateway'}: ${code || status}` };
}
