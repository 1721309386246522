import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { Refusal } from '#runtime/refusal.ts';
import type { Pair } from './pair-file.ts';

/** Mozilla's "intermediate": TLS 1.3, and of TLS 1.2 what has forward secrecy and authenticates what it enciphers. */
export const TLS_SETTINGS: SecureContextOptions = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-CHACHA20-POLY1305',
  ].join(':'),
  ecdhCurve: 'X25519MLKEM768:X25519:prime256v1:secp384r1',
};

interface Known {
  readonly context: SecureContext;
  readonly endsAt: number;
  isStale: boolean;
}

interface CertificatesOptions {
  readonly certificateFor: (host: string) => Promise<Pair>;
  readonly now: () => number;
}

/** The certificates of the hosts that are served, each asked for once, and again when it has changed or ended. */
export class Certificates {
  readonly #options: CertificatesOptions;
  readonly #known = new Map<string, Known>();
  readonly #asked = new Map<string, Promise<SecureContext>>();

  constructor(options: CertificatesOptions) {
    this.#options = options;
  }

  /** Forgets all other hosts. */
  keepOnly(hosts: ReadonlySet<string>): void {
    for (const host of this.#known.keys()) if (!hosts.has(host)) this.#known.delete(host);
  }

  /** There is a new one for this host; until it is here, the present one serves. */
  changed(host: string): void {
    const known = this.#known.get(host);
    if (known !== undefined) known.isStale = true;
  }

  async contextFor(host: string): Promise<SecureContext> {
    const known = this.#known.get(host);
    const isGood = known !== undefined && known.endsAt > this.#options.now();
    if (isGood && !known.isStale) return known.context;
    const asked = this.#asked.get(host) ?? this.#ask(host);
    return isGood ? asked.catch(() => known.context) : asked;
  }

  #ask(host: string): Promise<SecureContext> {
    const asked = this.#options
      .certificateFor(host)
      .then((given) => {
        const made = contextOf(host, given, this.#options.now());
        this.#known.set(host, made);
        return made.context;
      })
      .finally(() => this.#asked.delete(host));
    this.#asked.set(host, asked);
    return asked;
  }
}

function contextOf(host: string, { certificate, key }: Pair, now: number): Known {
  const leaf = new X509Certificate(certificate);
  const endsAt = leaf.validToDate.getTime();
  if (endsAt <= now)
    throw new Refusal('certificate_expired', `The certificate of ${host} ended at ${leaf.validTo}.`, {
      advice: 'Have it renewed; until then no connection to this host is taken.',
    });
  if (leaf.checkHost(host) === undefined)
    throw new Refusal('certificate_of_another_host', `The certificate handed in for ${host} is not for it.`, {
      advice: 'Have one made for this host.',
    });
  return {
    context: createSecureContext({ ...TLS_SETTINGS, cert: certificate, key }),
    endsAt,
    isStale: false,
  };
}
