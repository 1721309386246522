import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { Workspace } from './workspace.ts';

/** The entry point as an operator types it: it sets the flags under which memory stays small. */
export const RELEVO = fileURLToPath(new URL('../../relevo', import.meta.url));

/** Runs a command of relevo to its end and answers its one document. */
export async function runRelevo<Answer>(workspace: Workspace, words: readonly string[]): Promise<Answer> {
  const child = spawn(RELEVO, [...words, '--json'], {
    env: workspace.environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  workspace.children.add(child);
  const [answer, [status]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  workspace.children.delete(child);
  if (status !== 0) throw new Error(`relevo ${words.join(' ')} ended with status ${status}: ${answer}`);
  return JSON.parse(answer) as Answer;
}
