import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Pair } from './pair-file.ts';

/**
 * Whether a pair can serve a host: it can be read, belongs together, is for the host and has not ended. One that has
 * not begun is good, too: its authority's clock is before ours, and clients go by their own.
 */
export function isGood({ certificate, key }: Pair, host: string, now: number): boolean {
  try {
    const leaf = new X509Certificate(certificate);
    return (
      leaf.checkPrivateKey(createPrivateKey(key)) &&
      leaf.checkHost(host, { subject: 'never' }) !== undefined &&
      now < leaf.validToDate.getTime()
    );
  } catch {
    return false;
  }
}

/** Whether it is time for the next one: a third of the lifetime is left, enough for many attempts. */
export function isDue({ certificate }: Pair, now: number): boolean {
  return now >= dueAt(certificate);
}

export const hasBegun = ({ certificate }: Pair, now: number): boolean =>
  new X509Certificate(certificate).validFromDate.getTime() <= now;

export function dueAt(certificate: string): number {
  const { validFromDate, validToDate } = new X509Certificate(certificate);
  const [from, to] = [validFromDate.getTime(), validToDate.getTime()];
  return to - (to - from) / 3;
}
