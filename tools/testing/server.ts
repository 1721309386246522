import { after } from 'node:test';
import { acquireServer, type Server } from '#runtime/postgres/server.ts';
import { makeHome, removeHome, SHARED_HOME } from './shared-home.ts';

export interface TestServer {
  readonly home: string;
  readonly server: Server;
}

let held: Promise<TestServer> | undefined;
const cleanups: (() => Promise<void>)[] = [];

/** What a test file leaves behind is cleared away at its end, the latest first. */
export const atEnd = (clean: () => Promise<void>): void => {
  cleanups.unshift(clean);
};

after(async () => {
  for (const clean of cleanups) await clean();
});

/** The database server of this test run: the shared one, or one of its own for a file that runs alone. */
export function testServer(): Promise<TestServer> {
  held ??= start();
  return held;
}

async function start(): Promise<TestServer> {
  const shared = process.env[SHARED_HOME];
  const home = shared ?? (await makeHome());
  if (!shared) atEnd(() => removeHome(home));
  const server = await acquireServer({ home, isThrownAway: !shared });
  atEnd(() => server.release());
  return { home, server };
}
