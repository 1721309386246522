import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openAudit } from '#delivery/cells/open-audit.ts';
import { openCell } from '#delivery/cells/open-cell.ts';
import type { AccessEntry } from '#gateway/access-log.ts';
import type { Entry } from '#services/audit/service.ts';
import type { Attempts } from '../attempts.ts';
import { Canaries } from '../canaries.ts';
import type { SealedCell } from '../sealed-cell.ts';
import type { Stage } from '../stage.ts';

/** What must be found in no log and no answer. */
export const canariesOf = (cells: readonly SealedCell[]): [string, string][] =>
  cells.flatMap((cell) => [
    ...Object.entries(cell.file.passwords).map(
      ([role, text]) => [`password of ${role} of ${cell.text}`, text] as const,
    ),
    ...cell.file.keks.map(({ version, key }) => [`key ${version} of ${cell.text}`, key] as const),
    ...(cell.file.tokenKeys ?? []).map(({ jwk }) => [`token key of ${cell.text}`, jwk.d!] as const),
    ...[cell.client, cell.second, cell.narrow, cell.revoked].flatMap(({ clientId, secret, token }) => [
      [`secret of ${clientId}`, secret] as const,
      ...(token === '' ? [] : [[`token of ${clientId}`, token.split('.')[2]] as const]),
    ]),
    ...cell.pans.map((pan) => [`card number of ${cell.text}`, pan] as const),
  ]) as [string, string][];

/** What is written down of requests: of each cell its own, and of nobody a secret. */
export async function tryLogs(stage: Stage, attempts: Attempts): Promise<void> {
  await tryAccessLog(stage, attempts);
  await tryTrails(stage, attempts);
  await searchLogs(stage, attempts);
}

async function tryAccessLog({ lab, cells, populated, platform }: Stage, attempts: Attempts): Promise<void> {
  const kind = 'access log of another cell';
  const { ask } = platform!;
  const marks = new Map<string, SealedCell>();
  for (const [at, cell] of [...populated, ...populated].entries()) {
    const requestId = `proof-isolation-${at}-${cell.name.environment}`;
    marks.set(requestId, cell);
    await ask.ask({
      host: cell.host,
      method: 'GET',
      path: '/v1/cards?limit=1',
      token: cell.client.token,
      headers: { 'x-request-id': requestId },
    });
  }
  const path = join(lab.home, 'logs', 'access.log');
  let entries: AccessEntry[] = [];
  for (let tries = 0; tries < 50; tries++) {
    const lines = (await readFile(path, 'utf8').catch(() => '')).split('\n').filter(Boolean);
    entries = lines.map((line) => JSON.parse(line) as AccessEntry).filter(({ requestId }) => requestId);
    if ([...marks.keys()].every((id) => entries.some(({ requestId }) => requestId === id))) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  for (const [id, cell] of marks) {
    const own = entries.filter(({ requestId }) => requestId === id);
    attempts.allowed(
      kind,
      `a request of ${cell.text} is logged once`,
      own.length === 1,
      `${own.length} times`,
    );
  }
  const owner = new Map(
    cells.flatMap((cell) =>
      [cell.client, cell.second, cell.narrow, cell.revoked].map(
        ({ clientId }) => [clientId, cell.text] as const,
      ),
    ),
  );
  const clientsSeen = entries.filter(({ clientId }) => clientId !== null && owner.has(clientId));
  for (const cell of cells) {
    // A token that a cell's own key signed for another cell's client gets as far as that cell, which refuses it.
    const wrong = clientsSeen.filter(
      (entry) => entry.cell === cell.text && owner.get(entry.clientId!) !== cell.text && entry.status < 400,
    );
    attempts.compared(
      kind,
      `answers of ${cell.text} to clients (${clientsSeen.filter((entry) => entry.cell === cell.text).length} entries)`,
      wrong.length === 0,
      'its own clients alone',
      `${wrong.length} of others, the first ${wrong[0]?.clientId}`,
    );
  }
}

async function tryTrails({ lab, cells }: Stage, attempts: Attempts): Promise<void> {
  const kind = 'audit trail of another cell';
  for (const cell of cells) {
    const opened = await openCell(await lab.server(), lab.home, cell.name);
    try {
      const trail = await openAudit(opened, 'operators');
      const entries: Entry[] = [];
      for (let beyond: bigint | null = null; ;) {
        const page: Entry[] = await trail.readEntries({
          order: 'oldest_first',
          beyond,
          limit: 1_000,
          action: null,
        });
        if (page.length === 0) break;
        entries.push(...page);
        beyond = page.at(-1)!.seq;
      }
      const text = JSON.stringify(entries.map(({ seq: _, ...entry }) => entry));
      const others = cells.filter((other) => other !== cell);
      const foreign = others
        .flatMap(({ ids, client, second }) => [...ids['card_id'], client.clientId, second.clientId])
        .filter((id) => !cell.ids['card_id'].includes(id))
        .find((id) => mentionsAsOwn(entries, id));
      attempts.compared(
        kind,
        `of ${cell.text} (${entries.length} entries)`,
        foreign === undefined,
        'tells of its own',
        String(foreign),
      );
      attempts.allowed(
        kind,
        `of ${cell.text} tells of its clients`,
        text.includes(cell.client.clientId),
        `${entries.length} entries`,
      );
      const { breaksTotal } = await trail.verifyTrail({ anchors: [] });
      attempts.compared(
        kind,
        `of ${cell.text}: its chain`,
        breaksTotal === 0,
        'whole',
        `${breaksTotal} breaks`,
      );
    } finally {
      await opened.close();
    }
  }
}

/** What somebody asked for is written down before it is looked for: an id in a subject proves nothing, an actor does. */
const mentionsAsOwn = (entries: readonly Entry[], id: string): boolean =>
  entries.some(({ actor, details }) => actor.includes(id) || details.includes(id));

/** All that was written to files for people, said by the platform, told in arguments, or answered. */
async function searchLogs({ lab, cells, platform }: Stage, attempts: Attempts): Promise<void> {
  const kind = 'secret or card number in a log or an answer';
  const canaries = new Canaries();
  for (const [name, value] of canariesOf(cells)) canaries.add(name, value);
  const folder = join(lab.home, 'logs');
  const planted = `a line with ${canariesOf(cells)[0][1]} in it`;
  canaries.lookAt('planted', planted);
  attempts.allowed(kind, 'what is planted is found', canaries.finds.length === 1, `${canaries.finds.length}`);
  canaries.finds.length = 0;
  const files = [
    ...(await readdir(folder)).map((name) => join(folder, name)),
    ...['server.log', 'server.log.1'].map((name) => join(lab.home, 'postgres', name)),
  ];
  for (const path of files)
    canaries.lookAt(path.slice(lab.home.length), await readFile(path, 'utf8').catch(() => ''));
  canaries.lookAt('what up said', platform!.running.said());
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name)))
    for (const what of ['cmdline', 'environ'])
      canaries.lookAt(
        `${what} of a process`,
        await readFile(`/proc/${pid}/${what}`, 'latin1').catch(() => ''),
      );
  const finds = [...canaries.finds, ...platform!.ask.canaries.finds];
  const first = finds[0];
  attempts.compared(
    kind,
    `${canaries.size} of them in ${canaries.looked} files and arguments and ${platform!.ask.canaries.looked} answers`,
    finds.length === 0,
    'found nowhere',
    `${finds.length} times, the first: ${first?.what} in ${first?.where}`,
  );
}
