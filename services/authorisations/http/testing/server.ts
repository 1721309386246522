import type { FastifyInstance } from 'fastify';
import type { Answer, Incoming } from '../../pipeline/task.ts';
import { buildServer, type HttpOptions } from '../serve-http.ts';
import { type Body, NOW } from './bodies.ts';

export const TOKEN = 'relevo_a-token-of-the-tests';

export interface Told {
  readonly status: number;
  readonly type: string;
  readonly text: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, unknown>>;
}

/** A server without socket and pipeline: it answers what it is told and keeps what it was asked. */
export class FakeHost {
  readonly asked: Incoming[] = [];
  readonly troubles: unknown[] = [];
  answer: (incoming: Incoming) => Answer | Promise<Answer> = () => ({ code: '00', approvalCode: 'A1B2C3' });
  isReady = true;
  readonly #app: FastifyInstance;

  constructor(options: Partial<HttpOptions> = {}) {
    this.#app = buildServer({ ...this.options(), ...options });
  }

  options(): HttpOptions {
    return {
      host: '127.0.0.1',
      port: 0,
      token: TOKEN,
      submit: async (incoming) => {
        this.asked.push(incoming);
        return this.answer(incoming);
      },
      isReady: () => this.isReady,
      now: () => NOW,
      onTrouble: (error) => this.troubles.push(error),
    };
  }

  post(path: string, body: Body | string, headers: Readonly<Record<string, string>> = {}): Promise<Told> {
    const payload = typeof body === 'string' ? body : JSON.stringify(body);
    return this.send('POST', path, payload, { 'content-type': 'application/json', ...headers });
  }

  get(path: string): Promise<Told> {
    return this.send('GET', path);
  }

  async send(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    url: string,
    payload?: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Told> {
    const {
      statusCode,
      body,
      headers: answered,
    } = await this.#app.inject({
      method,
      url,
      payload,
      headers: { authorization: `Bearer ${TOKEN}`, ...headers },
    });
    return {
      status: statusCode,
      type: String(answered['content-type']),
      text: body,
      body: body === '' ? {} : JSON.parse(body),
      headers: answered,
    };
  }
}
