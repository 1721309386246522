import { samplePortfolio } from '#services/migrations/sample/sample-portfolio.ts';
import { type Portfolio, readPortfolio } from './read-portfolio.ts';

export interface SampleRequest {
  readonly seed: number;
  readonly cards: number;
  readonly tenant?: string;
  readonly environment?: 'demo' | 'staging' | 'production';
  /** The beginning of this day by default, so that two processes draw the same dates around it. */
  readonly createdAt?: string;
  readonly kind?: 'full' | 'delta';
}

/** A synthetic portfolio without having written it to a file: the same request, the same cards. */
export function sampleCards(request: SampleRequest): Promise<Portfolio> {
  const { tenant = 'andina', environment = 'demo', kind = 'full' } = request;
  const createdAt = request.createdAt ?? `${new Date().toISOString().slice(0, 10)}T00:00:00Z`;
  return readPortfolio(samplePortfolio({ ...request, tenant, environment, kind, createdAt }));
}

/** Cards that the sample's next file would bring anew, for a processor that goes on issuing. */
export async function newSampleCards(request: SampleRequest): Promise<readonly (readonly string[])[]> {
  const known = new Set((await sampleCards(request)).cards.map(([, id]) => id));
  const { cards } = await sampleCards({ ...request, kind: 'delta' });
  return cards.filter(([, id]) => !known.has(id));
}
