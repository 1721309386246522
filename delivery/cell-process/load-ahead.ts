import { buildApi } from '#runtime/http/api-server.ts';
import { loadTokenEndpoint } from '#services/access/oauth/token-endpoint.ts';
import { formats } from '#services/authorisations/http/formats.ts';
import { publicOperations } from '#services/public.ts';

/**
 * What serving a cell and its first requests would load and compile, done before there is a cell. It changes nothing but
 * how long they take; a failure is theirs to tell.
 */
export async function loadAhead(): Promise<void> {
  await Promise.allSettled([import('jose'), loadTokenEndpoint(), buildOnce()]);
}

/** The schemas of all operations, compiled and thrown away: most of it is code that is run for the first time. */
async function buildOnce(): Promise<void> {
  const nobody = () => Promise.reject(new Error('nothing is served here'));
  const app = buildApi({
    routes: publicOperations.map(({ http }) => ({ http, answer: nobody })),
    admit: nobody,
    isReady: () => false,
    formats,
  });
  await app.ready();
  await app.close();
}
