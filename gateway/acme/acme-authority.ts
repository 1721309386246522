import { createPrivateKey } from 'node:crypto';
import { Agent } from 'node:https';
import { join } from 'node:path';
import * as acme from 'acme-client';
import { writeAside } from '#runtime/files/write-aside.ts';
import { makeFolder, readIfThere } from '#runtime/postgres/files.ts';
import { Refusal } from '#runtime/refusal.ts';
import { isHostName } from '../host-name.ts';
import { dueAt, isGood } from '../lifetime.ts';
import { isReachable } from './is-reachable.ts';
import { makeOnce, type Pair, pairIn, textOf } from '../pair-file.ts';

export interface AcmeOptions {
  /** Where account key and certificates are kept. */
  readonly folder: string;
  readonly directoryUrl: string;
  /** Where the authority writes to when a certificate is about to end. */
  readonly email?: string;
  /** Roots (PEM) to trust the authority itself by, where it is a private one. */
  readonly authorityRoots?: string;
  /** What is to be answered on port 80 for a token; null takes it back. Resolves when it is answered so. */
  readonly answerChallenge: (token: string, answer: string | null) => Promise<void> | void;
  /** There is a new certificate where another one was in use. */
  readonly onRenewed?: (host: string, pair: Pair) => void;
  readonly onTrouble?: (refusal: Refusal) => void;
  readonly now?: () => number;
  /** From 0 to 1. */
  readonly random?: () => number;
}

export interface AcmeAuthority {
  /** The certificate of a host: the one that is here while it is good, else one that is ordered now. */
  certificateFor(host: string): Promise<Pair>;
  /** Orders anew what is due, and what failed when its time has come; to be called every minute or so. */
  renew(hosts: Iterable<string>): Promise<void>;
}

/** An order takes some seconds; one that takes longer is lost. */
const ORDER_MS_MAX = 120_000;
const HTTP_SETTINGS = { retryMaxAttempts: 2, retryDefaultDelay: 1 };
const FIRST_WAIT_MS = 60_000;
/** Authorities allow a handful of failures per host and hour, and lock out who goes on. */
const WAIT_MS_MAX = 6 * 3_600_000;
/** Hosts ordered for at once. */
const AT_ONCE = 4;

interface Failures {
  readonly count: number;
  /** Milliseconds since 1970. */
  readonly nextAt: number;
}

/** Certificates of a public authority, or of a private one that speaks ACME (RFC 8555); hosts are proven by HTTP-01. */
export async function openAcmeAuthority(options: AcmeOptions): Promise<AcmeAuthority> {
  const { folder, directoryUrl, authorityRoots } = options;
  await makeFolder(folder, { mode: 0o700 });
  await makeFolder(join(folder, 'hosts'), { mode: 0o700 });
  const keyFile = join(folder, 'account-key.pem');
  checkAddress(directoryUrl);
  const accountKey =
    (await readIfThere(keyFile)) ??
    (await makeOnce(keyFile, async () => String(await acme.crypto.createPrivateEcdsaKey('P-256'))));
  // The library has one HTTP client for all; a process has one authority. What it gives up is tried again by us, later.
  Object.assign(acme.axios.defaults, { timeout: 15_000 });
  Object.assign((acme.axios.defaults as unknown as { acmeSettings: object }).acmeSettings, HTTP_SETTINGS);
  if (authorityRoots !== undefined) acme.axios.defaults.httpsAgent = new Agent({ ca: authorityRoots });
  try {
    createPrivateKey(accountKey);
  } catch (error) {
    throw new Refusal('acme_account_broken', `${keyFile}, the key of the ACME account, cannot be read.`, {
      advice: 'Restore it from a backup. Without one, remove it: a new account is opened then.',
      cause: error,
    });
  }
  const client = new acme.Client({
    directoryUrl,
    accountKey,
    backoffAttempts: 10,
    backoffMin: 500,
    backoffMax: 8_000,
  });
  return new Authority(options, client);
}

class Authority implements AcmeAuthority {
  readonly #options: AcmeOptions;
  readonly #client: acme.Client;
  readonly #ordering = new Map<string, Promise<Pair>>();
  readonly #failures = new Map<string, Failures>();
  readonly #now: () => number;
  #account: Promise<void> | null = null;

  constructor(options: AcmeOptions, client: acme.Client) {
    this.#options = options;
    this.#client = client;
    this.#now = options.now ?? Date.now;
  }

  async certificateFor(host: string): Promise<Pair> {
    const kept = await this.#kept(host);
    if (kept === null) return this.#order(host);
    // The present one serves until it ends; its successor is ordered beside it.
    if (dueAt(kept.certificate) <= this.#now()) this.#renew(host).catch(() => undefined);
    return kept;
  }

  async renew(hosts: Iterable<string>): Promise<void> {
    const waiting = [...hosts];
    const work = async () => {
      for (let host = waiting.shift(); host !== undefined; host = waiting.shift()) {
        const kept = await this.#kept(host);
        if (kept === null || dueAt(kept.certificate) <= this.#now())
          await this.#renew(host).catch(() => undefined);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  async #renew(host: string): Promise<void> {
    const pair = await this.#order(host);
    this.#options.onRenewed?.(host, pair);
  }

  async #kept(host: string): Promise<Pair | null> {
    if (!isHostName(host) || !host.includes('.'))
      throw new Refusal('host_not_public', `An authority cannot vouch for ${JSON.stringify(host)}.`, {
        advice: 'Give the cell a full name, such as staging.quipu.example.',
      });
    const pair = pairIn((await readIfThere(this.#fileOf(host))) ?? '');
    return pair !== null && isGood(pair, host, this.#now()) ? pair : null;
  }

  #fileOf(host: string): string {
    return join(this.#options.folder, 'hosts', `${host}.pem`);
  }

  /** One at a time for each host, and after a failure not before its time. */
  #order(host: string): Promise<Pair> {
    const under = this.#ordering.get(host);
    if (under !== undefined) return under;
    const failures = this.#failures.get(host);
    if (failures !== undefined && this.#now() < failures.nextAt)
      return Promise.reject(notIssued(host, failures.nextAt));
    const ordered = this.#inTime(this.#orderNow(host))
      .then(
        (pair) => {
          this.#failures.delete(host);
          return pair;
        },
        async (error: unknown) => {
          throw await this.#failed(host, error);
        },
      )
      .finally(() => this.#ordering.delete(host));
    this.#ordering.set(host, ordered);
    return ordered;
  }

  async #orderNow(host: string): Promise<Pair> {
    const { answerChallenge } = this.#options;
    await this.#openAccount();
    const [key, csr] = await acme.crypto.createCsr(
      { altNames: [host] },
      await acme.crypto.createPrivateEcdsaKey('P-256'),
    );
    const certificate = await this.#client.auto({
      csr,
      challengePriority: ['http-01'],
      // We may be behind something that leads port 80 here; the authority sees whether it does.
      skipChallengeVerification: true,
      challengeCreateFn: async (_authorisation, { type, token }, answer) => {
        if (type !== 'http-01') throw new Error('The authority offers no HTTP-01.');
        await answerChallenge(token, answer);
      },
      challengeRemoveFn: async (_authorisation, { token }) => {
        await answerChallenge(token, null);
      },
    });
    const text = textOf({ certificate, key: String(key) });
    const pair = pairIn(text);
    if (pair === null || !isGood(pair, host, this.#now())) throw new Error('The certificate is not good.');
    await writeAside(this.#fileOf(host), text);
    return pair;
  }

  /** Once for each process: of orders that begin together, each would open one of its own. */
  #openAccount(): Promise<void> {
    return (this.#account ??= this.#register().catch((error: unknown) => {
      this.#account = null;
      throw error;
    }));
  }

  async #register(): Promise<void> {
    const { email } = this.#options;
    const contact = email === undefined ? {} : { contact: [`mailto:${email}`] };
    try {
      await this.#client.createAccount({ termsOfServiceAgreed: true, ...contact });
    } catch (error) {
      // Of one that was opened before, the library goes on to change nothing, and some authorities refuse that.
      if (!this.#hasAccount()) throw error;
    }
  }

  #hasAccount(): boolean {
    try {
      return this.#client.getAccountUrl() !== '';
    } catch {
      return false;
    }
  }

  async #inTime<T>(ordered: Promise<T>): Promise<T> {
    let late: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      late = setTimeout(() => reject(new Error('The order took too long.')), ORDER_MS_MAX);
    });
    return Promise.race([ordered, tooLate]).finally(() => clearTimeout(late));
  }

  async #failed(host: string, cause: unknown): Promise<Refusal> {
    const { directoryUrl, authorityRoots } = this.#options;
    const count = (this.#failures.get(host)?.count ?? 0) + 1;
    const most = Math.min(FIRST_WAIT_MS * 2 ** (count - 1), WAIT_MS_MAX);
    // Half of it by chance, so that hosts that failed together do not come back together.
    const waitMs = most / 2 + (most / 2) * (this.#options.random ?? Math.random)();
    const nextAt = this.#now() + waitMs;
    this.#failures.set(host, { count, nextAt });
    const refusal = (await isReachable(directoryUrl, authorityRoots))
      ? notIssued(host, nextAt, cause)
      : unreachable(directoryUrl, nextAt, cause);
    this.#options.onTrouble?.(refusal);
    return refusal;
  }
}

function checkAddress(url: string): void {
  if (URL.parse(url)?.protocol === 'https:') return;
  throw new Refusal(
    'acme_address_malformed',
    'The address of the ACME authority is none that begins with https://.',
    {
      advice:
        'Give RELEVO_ACME_URL the address of its directory, such as https://acme-v02.api.letsencrypt.org/directory.',
    },
  );
}

const unreachable = (url: string, nextAt: number, cause: unknown): Refusal =>
  new Refusal(
    'acme_unreachable',
    `The ACME authority at ${new URL(url).host} cannot be reached or is not trusted.`,
    {
      advice: `See RELEVO_ACME_URL, and RELEVO_ACME_ROOTS where it is a private one. Certificates that are here go on serving; it is tried again at ${new Date(nextAt).toISOString()}.`,
      cause,
    },
  );

const notIssued = (host: string, nextAt: number, cause?: unknown): Refusal =>
  new Refusal('certificate_not_issued', `No certificate for ${host} could be had.`, {
    advice: `See that ${host} leads to this gateway on port 80 from the outside. It is tried again at ${new Date(nextAt).toISOString()}.`,
    cause,
  });
