import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import { SignJWT } from 'jose';
import type { ServiceDeclaration } from '#declare/service.ts';
import { CALLERS, callerKey, cellGate, GATEWAY } from '#delivery/cells/caller-keys.ts';
import { gatewayKey } from '#delivery/supervisor/platform-home.ts';
import { receive, type Served, servePart } from '#runtime/calls.ts';
import { audienceOf, type CallerKey, LIFE_SECONDS, TOKEN_TYPE } from '#runtime/identity/caller-identity.ts';
import { services } from '#services/all.ts';
import type { Attempts, Met } from '../attempts.ts';
import { metError } from '../attempts.ts';
import type { SealedCell } from '../sealed-cell.ts';
import type { Stage } from '../stage.ts';

interface Said {
  readonly iss: string;
  readonly aud: string | readonly string[];
  readonly key: CallerKey;
  /** Seconds from now. */
  readonly iat?: number;
  readonly typ?: string;
}

export const signIdentity = ({ iss, aud, key, iat = 0, typ = TOKEN_TYPE }: Said): Promise<string> => {
  const at = Math.floor(Date.now() / 1_000) + iat;
  return new SignJWT({})
    .setProtectedHeader({ alg: 'EdDSA', typ, kid: key.kid })
    .setIssuer(iss)
    .setAudience(aud as string | string[])
    .setIssuedAt(at)
    .setExpirationTime(at + LIFE_SECONDS)
    .sign(key.key);
};

/** The private key of the home's gateway, as somebody who has stolen the home would have it. */
export async function stolenGatewayKey(home: string): Promise<{ key: CallerKey; publicKey: KeyObject }> {
  const { privateJwk, publicJwk } = await gatewayKey(home);
  return {
    key: {
      kid: privateJwk.kid ?? 'gateway',
      key: createPrivateKey({ key: privateJwk as JsonWebKey, format: 'jwk' }),
    },
    publicKey: createPublicKey({ key: publicJwk as JsonWebKey, format: 'jwk' }),
  };
}

/** Whoever comes so far has been let in; no handler is bound, so nothing is done. */
const LET_IN = 'not_served_here';

/** Each operation of each service by each caller, and those who may by wrong proofs. */
export async function tryCallers({ lab, cells }: Stage, attempts: Attempts): Promise<void> {
  const [here] = cells;
  const others = [
    cells.find(({ name }) => name.tenant === here.name.tenant && name.environment !== here.name.environment)!,
    cells.find(({ name }) => name.tenant !== here.name.tenant)!,
  ];
  const gateway = await stolenGatewayKey(lab.home);
  const gate = cellGate(here.file, gateway.publicKey);
  const keyOf = (cell: SealedCell, caller: string) =>
    caller === GATEWAY ? gateway.key : callerKey(cell.file, caller);
  const forged: CallerKey = { kid: '1', key: generateKeyPairSync('ed25519').privateKey };

  for (const declaration of services) {
    const served = servePart(declaration, {}) as unknown as Served<ServiceDeclaration>;
    const aud = audienceOf(here.text, declaration.name);
    const call = async (operation: string, token: string | undefined): Promise<Met> => {
      try {
        await receive(served, gate, { operation, token, input: {} });
        return { got: 'an answer' };
      } catch (error) {
        const met = metError(error);
        return 'guard' in met && met.guard === LET_IN ? { got: 'the operation' } : met;
      }
    };
    for (const [operation, { callers }] of Object.entries(declaration.operations)) {
      const called = `${declaration.name}.${operation}`;
      for (const caller of [...CALLERS, GATEWAY]) {
        const met = await call(operation, await signIdentity({ iss: caller, aud, key: keyOf(here, caller) }));
        if (callers.includes(caller))
          attempts.allowed(
            'caller that is not declared',
            `${called} by ${caller}`,
            'got' in met,
            nameOf(met),
          );
        else
          attempts.tried('caller that is not declared', `${called} by ${caller}`, met, [
            'caller_not_allowed',
          ]);
      }
      for (const caller of callers) {
        const key = keyOf(here, caller);
        const unproven = async (what: string, token: string | undefined) =>
          attempts.tried(
            'caller that is not proven',
            `${called} by ${caller}: ${what}`,
            await call(operation, token),
            ['caller_unproven'],
          );
        await unproven('without an identity', undefined);
        if (caller !== GATEWAY)
          for (const other of others)
            await unproven(
              `by the key of ${other.text}`,
              await signIdentity({ iss: caller, aud, key: callerKey(other.file, caller) }),
            );
        await unproven(
          'by a key of its own',
          await signIdentity({ iss: caller, aud, key: { ...forged, kid: key.kid } }),
        );
        await unproven('run out', await signIdentity({ iss: caller, aud, key, iat: -120 }));
        await unproven('of the future', await signIdentity({ iss: caller, aud, key, iat: 120 }));
        for (const other of others)
          await unproven(
            `meant for ${other.text}`,
            await signIdentity({ iss: caller, aud: audienceOf(other.text, declaration.name), key }),
          );
        const elsewhere = services.find(({ name }) => name !== declaration.name)!;
        await unproven(
          `meant for ${elsewhere.name}`,
          await signIdentity({ iss: caller, aud: audienceOf(here.text, elsewhere.name), key }),
        );
        await unproven('meant for several', await signIdentity({ iss: caller, aud: [aud, 'another'], key }));
        await unproven('of another type', await signIdentity({ iss: caller, aud, key, typ: 'JWT' }));
        const met = await call(operation, await signIdentity({ iss: caller, aud, key }));
        attempts.allowed(
          'caller that is not proven',
          `${called} by ${caller}, proven`,
          'got' in met,
          nameOf(met),
        );
      }
    }
    const met = await call(
      'constructor',
      await signIdentity({ iss: 'migrations', aud, key: keyOf(here, 'migrations') }),
    );
    attempts.tried(
      'caller that is not declared',
      `${declaration.name}.constructor, which is no operation`,
      met,
      ['caller_not_allowed'],
    );
  }
}

const nameOf = (met: Met): string => Object.values(met)[0] as string;
