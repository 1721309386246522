import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type EnteredAccess, enterAccess, openAccess } from '#delivery/local/enter-access.ts';
import type { TestCell } from '#tools/testing/cell.ts';

interface Scope {
  after(clean: () => Promise<void>): unknown;
}

export interface TokenServer {
  readonly url: string;
  readonly issuer: string;
  readonly entered: EnteredAccess;
  readonly troubles: unknown[];
}

/** A cell's token endpoint on a port of this machine, as a process of the cell serves it. */
export async function tokenServer(t: Scope, { opened, name }: TestCell): Promise<TokenServer> {
  const issuer = `https://${name.environment}.${name.tenant}.example`;
  const troubles: unknown[] = [];
  const entered = enterAccess(opened, { issuer, onTrouble: (error) => troubles.push(error) });
  const server = createServer(entered.answerTokens);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, issuer, entered, troubles };
}

export const operators = ({ opened }: TestCell) => openAccess(opened, 'operators');
