import { Refusal } from '#runtime/refusal.ts';
import type { AccessEntry } from './access-log.ts';
import { callerIdentity } from './caller-identity.ts';
import type { Pair } from './pair-file.ts';
import { type Gateway, startGateway } from './gateway.ts';
import type { FromGateway, StartTerms, ToGateway, ToldRefusal } from './protocol.ts';
import type { Upstream } from './routing-table.ts';

/** The way to the supervisor; `send` says whether there is room for more. */
export interface Channel {
  send(message: FromGateway): boolean;
}

const LOG_MS = 50;
const LOG_ENTRIES_MAX = 256;
const LOG_WAITING_MAX = 20_000;
/** A supervisor that does not answer must not leave anything waiting for good. */
const CERTIFICATE_MS_MAX = 10_000;
const REACH_MS_MAX = 10_000;

interface Waiting<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** A gateway that knows what it is told over a channel, and nothing else: it reads no file and no environment. */
export class GatewayProcess {
  readonly #channel: Channel;
  readonly #reaching = new Map<number, Waiting<{ socketPath: string }>>();
  readonly #wanted = new Map<string, Waiting<Pair>>();
  /** Handed in and not yet taken up. */
  readonly #certificates = new Map<string, Pair>();
  readonly #log: LogBatches;
  #lastId = 0;
  #gateway: Gateway | null = null;

  constructor(channel: Channel) {
    this.#channel = channel;
    this.#log = new LogBatches(channel);
  }

  async take(message: ToGateway): Promise<void> {
    switch (message.kind) {
      case 'start':
        return this.#start(message);
      case 'table':
        return this.#use(message.table);
      case 'certificate':
        return this.#takeCertificate(message.host, message);
      case 'no_certificate':
        return this.#wanted.get(message.host)?.reject(refusalOf(message));
      case 'reached':
        return this.#reaching.get(message.id)?.resolve({ socketPath: message.socketPath });
      case 'refused':
        return this.#reaching.get(message.id)?.reject(refusalOf(message));
      case 'forget':
        await this.#gateway?.forget(message.upstream);
        return void this.#channel.send({ kind: 'forgotten', id: message.id });
      case 'challenge':
        return this.#gateway?.answerChallenge(message.token, message.answer);
      case 'close':
        return this.close(message.graceMs);
    }
  }

  async close(graceMs: number): Promise<void> {
    await this.#gateway?.close(graceMs);
    this.#log.flush();
  }

  async #start({ identityKey, ...terms }: StartTerms): Promise<void> {
    if (this.#gateway !== null) return;
    try {
      this.#gateway = await startGateway({
        ...terms,
        identityFor: callerIdentity(identityKey),
        certificateFor: (host) => this.#want(host),
        reach: (upstream) => this.#reach(upstream),
        log: (entry) => this.#log.add(entry),
        onTrouble: (error) => this.#channel.send({ kind: 'trouble', ...told(error) }),
      });
    } catch (error) {
      this.#channel.send({ kind: 'failed', ...told(error) });
      throw error;
    }
    const { port, plainPort } = this.#gateway;
    this.#channel.send({ kind: 'listening', port, plainPort });
  }

  #use(table: StartTerms['table']): void {
    try {
      this.#gateway?.use(table);
      this.#channel.send({ kind: 'table_used' });
    } catch (error) {
      this.#channel.send({ kind: 'table_refused', ...told(error) });
    }
    const hosts = new Set(table.cells.map(({ host }) => host));
    for (const host of this.#certificates.keys()) if (!hosts.has(host)) this.#certificates.delete(host);
  }

  #takeCertificate(host: string, { certificate, key }: Pair): void {
    const waiting = this.#wanted.get(host);
    if (waiting !== undefined) return waiting.resolve({ certificate, key });
    this.#certificates.set(host, { certificate, key });
    this.#gateway?.certificateChanged(host);
  }

  #want(host: string): Promise<Pair> {
    const there = this.#certificates.get(host);
    this.#certificates.delete(host);
    if (there !== undefined) return Promise.resolve(there);
    return waitFor(this.#wanted, host, CERTIFICATE_MS_MAX, () =>
      this.#channel.send({ kind: 'wanted', host }),
    );
  }

  #reach(upstream: Upstream): Promise<{ socketPath: string }> {
    const id = ++this.#lastId;
    return waitFor(this.#reaching, id, REACH_MS_MAX, () =>
      this.#channel.send({ kind: 'reach', id, upstream }),
    );
  }
}

async function waitFor<Key, T>(
  waiting: Map<Key, Waiting<T>>,
  key: Key,
  msMax: number,
  ask: () => void,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const late = setTimeout(
    () =>
      reject(
        new Refusal('supervisor_silent', `The supervisor did not answer within ${msMax / 1_000} seconds.`, {
          advice: 'See whether its process is alive and what it logs.',
        }),
      ),
    msMax,
  );
  waiting.set(key, { resolve, reject });
  ask();
  return promise.finally(() => {
    clearTimeout(late);
    waiting.delete(key);
  });
}

/** Entries travel together: a message for each would cost more than the request it tells of. */
class LogBatches {
  readonly #channel: Channel;
  #entries: AccessEntry[] = [];
  #lost = 0;
  #timer: NodeJS.Timeout | null = null;
  #hasRoom = true;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  add(entry: AccessEntry): void {
    if (this.#entries.length >= LOG_WAITING_MAX) this.#lost++;
    else this.#entries.push(entry);
    if (this.#hasRoom && this.#entries.length >= LOG_ENTRIES_MAX) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), LOG_MS);
  }

  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#entries.length === 0 && this.#lost === 0) return;
    const [entries, lost] = [this.#entries, this.#lost];
    this.#entries = [];
    this.#lost = 0;
    // A channel that is full is left alone until the next turn of the timer.
    this.#hasRoom = this.#channel.send({ kind: 'log', entries, lost });
  }
}

const refusalOf = ({ code, message }: ToldRefusal): Refusal => new Refusal(code, message);

/** Words of others' errors may hold anything, so only a refusal's travel; a system's code says enough of the rest. */
function told(error: unknown): ToldRefusal {
  if (error instanceof Refusal) {
    const advice = error.advice === undefined ? '' : ` ${error.advice}`;
    return { code: error.code, message: `${error.message}${advice}` };
  }
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code === 'EADDRINUSE')
    return {
      code: 'port_taken',
      message: 'A port of the gateway is taken. Stop what uses it, or choose another.',
    };
  if (code === 'EACCES')
    return {
      code: 'port_forbidden',
      message: 'A port of the gateway is not allowed to us. Choose one above 1023.',
    };
  const where =
    error instanceof Error ? (/\bgateway\/[\w/-]+\.ts:\d+/.exec(error.stack ?? '')?.[0] ?? '') : '';
  return { code: 'unexpected', message: `A defect in the gateway: ${code ?? 'no code'} ${where}`.trim() };
}
