import { createPrivateKey, createPublicKey, hkdfSync, type KeyObject } from 'node:crypto';
import { CallerGate } from '#runtime/identity/caller-gate.ts';
import { CallerIdentity, type CallerKey } from '#runtime/identity/caller-identity.ts';
import { Calls } from '#runtime/calls.ts';
import { Refusal } from '#runtime/refusal.ts';
import { services } from '#services/all.ts';
import { type CellFile, keksOf } from './cell-file.ts';
import { cellText } from './cell-name.ts';

/** The door of all cells. Its key is its own, and cells are told the public half. */
export const GATEWAY = 'gateway';
/** Who makes calls inside a cell: its services, and whoever else their declarations name. */
export const CALLERS: ReadonlySet<string> = new Set(
  services
    .flatMap(({ name, operations }) => [name, ...Object.values(operations).flatMap(({ callers }) => callers)])
    .filter((name) => name !== GATEWAY),
);

const SEED_BYTES = 32;
/** What stands before the seed in the PKCS #8 form of an Ed25519 key (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/**
 * The key by which a caller proves itself inside a cell, drawn from a key-encryption key: nothing new is kept anywhere,
 * and rotating the cell's keys rotates these.
 */
function derive(file: CellFile, caller: string, version: number): KeyObject | null {
  const kek = keksOf(file).find((each) => each.version === version);
  if (!kek || !CALLERS.has(caller)) return null;
  const seed = hkdfSync(
    'sha256',
    kek.key,
    Buffer.alloc(0),
    `relevo caller 1 ${cellText(file)} ${caller}`,
    SEED_BYTES,
  );
  return createPrivateKey({ key: Buffer.concat([PKCS8, Buffer.from(seed)]), format: 'der', type: 'pkcs8' });
}

export function callerKey(file: CellFile, caller: string): CallerKey {
  const { version } = keksOf(file).at(-1)!;
  const key = derive(file, caller, version);
  if (!key)
    throw new Refusal('unknown_caller', `${caller} is nobody who makes calls in ${cellText(file)}.`, {
      advice: 'Callers are the services, and those whom the declarations of their operations name.',
    });
  return { kid: String(version), key };
}

/** Who may be met inside the cell, by the keys of the cell's file; and the gateway, by its public key. */
export function cellGate(file: CellFile, gatewayKey?: KeyObject): CallerGate {
  const known = new Map<string, KeyObject | null>();
  const keyOf = (caller: string, kid: string): KeyObject | null => {
    if (caller === GATEWAY) return gatewayKey ?? null;
    const named = `${caller} ${kid}`;
    if (!known.has(named)) {
      // What somebody makes up must not fill the memory.
      if (!CALLERS.has(caller) || !/^[0-9]{1,9}$/.test(kid)) return null;
      const key = derive(file, caller, Number(kid));
      if (!key) return null;
      known.set(named, createPublicKey(key));
    }
    return known.get(named)!;
  };
  return new CallerGate(cellText(file), keyOf);
}

/** Both sides of the calls in a cell, for a process that holds the cell's file. */
export function cellCalls(file: CellFile, gatewayKey?: KeyObject): Calls {
  const identities = new Map<string, CallerIdentity>();
  return new Calls(cellGate(file, gatewayKey), (caller) => {
    let identity = identities.get(caller);
    if (!identity) identities.set(caller, (identity = new CallerIdentity(caller, callerKey(file, caller))));
    return identity;
  });
}
