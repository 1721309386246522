import type { Client } from '#declare/service.ts';
import { serveAudit } from '#services/audit/main.ts';
import type { audit } from '#services/audit/service.ts';
import { type Cell, openVault } from './open-cell.ts';

/** The audit trail of a cell, for a command that does without the cell's other services. */
export async function openAudit(cell: Cell, caller: string): Promise<Client<typeof audit>> {
  const vault = await openVault(cell, cell.connect('keys', 1));
  return cell.calls.client(serveAudit(cell.connect('audit', 1), vault), caller);
}
