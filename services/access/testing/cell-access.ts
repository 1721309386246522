import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type EnteredAccess, enterAccess, openAccess } from '#delivery/local/enter-access.ts';
import type { TestCell } from '#tools/testing/cell.ts';
import { atEnd } from '#tools/testing/server.ts';

interface Scope {
  after(clean: () => Promise<void>): unknown;
}

export interface TokenServer {
  readonly url: string;
  readonly issuer: string;
  readonly entered: EnteredAccess;
  readonly troubles: unknown[];
}

/** A listener on a port of this machine. */
export async function serveOnPort(t: Scope | null, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  if (t) t.after(close);
  else atEnd(close);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A cell's token endpoint, as a process of the cell serves it. */
export async function tokenServer(t: Scope | null, { opened, name }: TestCell): Promise<TokenServer> {
  const issuer = `https://${name.environment}.${name.tenant}.example`;
  const troubles: unknown[] = [];
  const entered = enterAccess(opened, { issuer, onTrouble: (error) => troubles.push(error) });
  return { url: await serveOnPort(t, entered.answerTokens), issuer, entered, troubles };
}

export const operators = ({ opened }: TestCell) => openAccess(opened, 'operators');
