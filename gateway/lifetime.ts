import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Pair } from './pair-file.ts';

/** Whether a pair can serve a host now: it can be read, belongs together, is for the host and has begun and not ended. */
export function isGood({ certificate, key }: Pair, host: string, now: number): boolean {
  try {
    const leaf = new X509Certificate(certificate);
    return (
      leaf.checkPrivateKey(createPrivateKey(key)) &&
      leaf.checkHost(host, { subject: 'never' }) !== undefined &&
      leaf.validFromDate.getTime() <= now &&
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

export function dueAt(certificate: string): number {
  const { validFromDate, validToDate } = new X509Certificate(certificate);
  const [from, to] = [validFromDate.getTime(), validToDate.getTime()];
  return to - (to - from) / 3;
}
