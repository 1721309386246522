import { request } from 'node:https';

const ANSWER_MS_MAX = 5_000;

/**
 * Whether an authority answers at all, and is one that we trust. The library does not say: what it could not send it
 * reports as a defect of its own.
 */
export const isReachable = (url: string, roots?: string): Promise<boolean> =>
  new Promise((resolve) => {
    const asked = request(url, {
      method: 'HEAD',
      agent: false,
      timeout: ANSWER_MS_MAX,
      ...(roots !== undefined && { ca: roots }),
    });
    asked
      .on('response', (response) => {
        response.resume();
        resolve(true);
      })
      .on('timeout', () => asked.destroy())
      .on('error', () => resolve(false))
      .on('close', () => resolve(false))
      .end();
  });
