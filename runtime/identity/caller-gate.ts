import type { KeyObject } from 'node:crypto';
import { Refusal } from '#runtime/refusal.ts';
import { audienceOf, LIFE_SECONDS, type OnBehalfOf, TOKEN_TYPE } from './caller-identity.ts';

/** Who calls, as it was proven. */
export interface Caller {
  readonly name: string;
  readonly behalf: OnBehalfOf | null;
}

interface Admitted {
  readonly caller: Caller;
  readonly issuedMs: number;
  readonly endsMs: number;
}

/** Clocks of two processes may differ by so much. */
const TOLERANCE_SECONDS = 5;
const ADMITTED_MAX = 4_096;
const TOKEN_LENGTH_MAX = 4_096;

/** The receiving side of calls: takes an identity only if it is proven, fresh and meant for this cell and service. */
export class CallerGate {
  readonly cell: string;
  readonly #keyOf: (caller: string, kid: string) => KeyObject | null;
  readonly #now: () => number;
  readonly #admitted = new Map<string, Admitted>();

  /** `keyOf` answers the public key of a caller, or null for one that has none here. */
  constructor(
    cell: string,
    keyOf: (caller: string, kid: string) => KeyObject | null,
    now: () => number = Date.now,
  ) {
    this.cell = cell;
    this.#keyOf = keyOf;
    this.#now = now;
  }

  async admit(token: string | undefined, service?: string): Promise<Caller> {
    if (!token || token.length > TOKEN_LENGTH_MAX) throw unproven('it carries none');
    const audience = audienceOf(this.cell, service);
    const named = `${audience} ${token}`;
    const now = this.#now();
    const known = this.#admitted.get(named);
    if (known && now >= known.issuedMs && now < known.endsMs) return known.caller;
    const admitted = await this.#verify(token, audience, now);
    if (this.#admitted.size >= ADMITTED_MAX) this.#admitted.delete(this.#admitted.keys().next().value!);
    this.#admitted.set(named, admitted);
    return admitted.caller;
  }

  async #verify(token: string, audience: string, nowMs: number): Promise<Admitted> {
    const { jwtVerify, decodeJwt, errors } = await import('jose');
    try {
      const { payload } = await jwtVerify(
        token,
        ({ kid }) => {
          const { iss } = decodeJwt(token);
          const key = iss !== undefined && kid !== undefined ? this.#keyOf(iss, kid) : null;
          if (!key) throw unproven('nobody of that name and key is known here');
          return key;
        },
        {
          algorithms: ['EdDSA'],
          typ: TOKEN_TYPE,
          audience,
          requiredClaims: ['iss', 'aud', 'iat', 'exp'],
          // Also refuses what was made in the future.
          maxTokenAge: LIFE_SECONDS,
          clockTolerance: TOLERANCE_SECONDS,
          currentDate: new Date(nowMs),
        },
      );
      const { iss, sub, scope, iat, exp } = payload;
      if (typeof payload.aud !== 'string') throw unproven('it is meant for several');
      const scopes = typeof scope === 'string' && scope !== '' ? scope.split(' ') : [];
      return {
        caller: { name: iss!, behalf: sub === undefined ? null : { clientId: sub, scopes } },
        issuedMs: (iat! - TOLERANCE_SECONDS) * 1_000,
        endsMs: Math.min(exp!, iat! + LIFE_SECONDS) * 1_000,
      };
    } catch (error) {
      if (error instanceof Refusal) throw error;
      if (error instanceof errors.JWTExpired)
        throw unproven('it has run out, or the clocks of two processes differ');
      if (error instanceof errors.JWTClaimValidationFailed) throw unproven(whyNot(error.claim));
      throw unproven('its signature does not hold');
    }
  }
}

const whyNot = (claim: string): string =>
  claim === 'aud'
    ? 'it is meant for another cell or service'
    : claim === 'iat'
      ? 'it was made in the future: the clocks of two processes differ'
      : `its ${claim} is not as it must be`;

const unproven = (why: string): Refusal =>
  new Refusal('caller_unproven', `The call does not prove who makes it: ${why}.`, {
    advice:
      'Call through the client that the declaration yields, or through the gateway; see that the clocks agree.',
  });
