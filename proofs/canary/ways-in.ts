import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { uuidBytes } from '#runtime/uuid-bytes.ts';
import { placeOfCard } from '#runtime/vault/place.ts';
import { openPayload } from '#services/migrations/queue/chunk-payload.ts';
import { type Ended, endOf } from '../lab/command.ts';
import type { Lab } from '../lab/lab.ts';
import { signal } from '../lab/processes.ts';
import { ProofCell } from '../lab/proof-cell.ts';
import type { Report } from '../lab/report.ts';
import type { Canaries } from './canaries.ts';
import { searchDisk, searchOpenFiles } from './places.ts';
import { type Plan, planMessages } from './planned-messages.ts';
import { CanaryLines } from './portfolio.ts';
import { sealFile } from '../lab/seal-file.ts';
import { largeFile, refusedFiles } from './refused.ts';
import type { Search } from './search.ts';

const WAITS_MS = 120_000;

export interface Files {
  readonly full: string;
  readonly mock: string;
  readonly delta: string;
  readonly large: string | null;
  readonly refused: Awaited<ReturnType<typeof refusedFiles>>;
  readonly failing: readonly string[];
  /** Messages for some of the cards in the full file. */
  readonly messages: Plan;
}

/** Writes every file beforehand, so that all canaries are known when the search begins. */
export async function writeFiles(
  cell: ProofCell,
  canaries: Canaries,
  { good, large, seed, sent }: { good: number; large: number; seed: number; sent: string },
): Promise<Files> {
  const keys = { signingKey: cell.tenantKey, to: cell.keys.cell.map((key) => key.toPublic()) };
  const { tenant } = cell.name;
  const every = (lines: CanaryLines, goodLines: number) => {
    lines.good(goodLines);
    lines.broken();
    lines.invalid();
    lines.conflicting();
    lines.dead(6);
    return lines;
  };
  const full = every(new CanaryLines(seed, canaries), good);
  const messages = planMessages(canaries, full);
  const fullPath = join(sent, 'full.gpg');
  await sealFile(fullPath, full.file({ tenant }), keys);
  const mock = every(new CanaryLines(seed + 1, canaries), 40);
  const mockPath = join(sent, 'mock.gpg');
  await sealFile(
    mockPath,
    mock.file({ tenant, kind: 'mock', sequence: '0', file_id: 'canaries-mock' }),
    keys,
  );

  // A delta for the codes that need cards which are here: the full file's cards once more, with other numbers.
  const delta = new CanaryLines(seed, canaries);
  delta.versions();
  delta.broken();
  delta.invalid();
  const deltaPath = join(sent, 'delta.gpg');
  await sealFile(
    deltaPath,
    delta.file({ tenant, kind: 'delta', sequence: '2', file_id: 'canaries-2' }),
    keys,
  );
  const largePath = large > 0 ? join(sent, 'large.gpg') : null;
  if (largePath) await largeFile(cell, canaries, seed, large, largePath);
  const refused = await refusedFiles(cell, canaries, seed, sent);
  return {
    full: fullPath,
    mock: mockPath,
    delta: deltaPath,
    large: largePath,
    refused,
    failing: [...full.failing, ...mock.failing],
    messages,
  };
}

/** Fails with the whole row, as text and in every place PostgreSQL has for words about an error. */
const TRIGGER = `
create table proof.failing (external_card_id text primary key);
create sequence proof.hiccups;
create function proof.fail() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  if exists (select from proof.failing f where f.external_card_id = new.external_card_id) then
    raise exception 'this row cannot be taken: %', new using errcode = '23514', detail = new::text, hint = new::text;
  end if;
  if nextval('proof.hiccups') in (20, 60) then
    raise exception 'the disk hiccups at %', new using errcode = '53100', detail = new::text;
  end if;
  return new;
end $$;
create trigger proof_fail before insert on cards.cards for each row execute function proof.fail();
grant usage on schema proof to public;
`;

/** What every command said, to be searched in the end. */
export interface Said {
  readonly command: string;
  readonly output: string;
}

/** Sends all files through the commands an operator has, with faults, kills and cancellations on the way. */
export async function pushThrough(about: {
  lab: Lab;
  cell: ProofCell;
  search: Search;
  said: Said[];
  report: Report;
  files: Files;
  canaries: Canaries;
  few: boolean;
}): Promise<{ proven: { queued: number; vault: number }; spilled: number; reached: string[] }> {
  const { lab, cell, search, said, report, files, canaries, few } = about;
  const reached: string[] = [];
  const keep = (args: readonly string[], ended: Ended | null) => {
    if (!ended) throw new Error(`${args.join(' ')} did not end`);
    said.push({ command: args.slice(0, 2).join(' '), output: `${ended.stdout}\n${ended.stderr}` });
    return ended;
  };
  const run = async (args: readonly string[], settings: Record<string, string> = {}) =>
    keep(args, await endOf(lab.start(args, settings), WAITS_MS));
  /** As text for people and as JSON. */
  const both = async (...args: string[]) => {
    if (!few) await run(args);
    return run([...args, '--json']);
  };
  const on = ['--cell', cell.text];
  const results = join(lab.home, 'results');
  await mkdir(results, { recursive: true });

  await both('portfolio', 'validate', files.full, ...on, '--out', join(results, 'validated.csv'));
  await both('migrate', 'start', files.mock, ...on, '--wait');
  report.progress('validated, and a mock file');

  await lab.ask(cell.database, TRIGGER);
  for (const id of files.failing)
    await lab.ask(cell.database, 'insert into proof.failing values ($1) on conflict do nothing', [id]);
  const killed = await run(['migrate', 'start', files.full, ...on, '--wait'], {
    RELEVO_CRASH_AT: 'chunk:parsed#3',
  });
  if (killed.signal !== 'SIGKILL')
    throw new Error(`the command was to be killed in mid-chunk: ${killed.stdout}${killed.stderr}`);
  const number = (await cell.lastMigration())!.importNumber;
  const id = cell.migrationId(number);
  const queued = await canariesInQueue(cell, canaries, number);
  await search.database(lab, cell.database);
  if (!few) await searchDisk(lab, search, join(lab.folder, 'sent'));
  reached.push('killed in mid-chunk with the queue full');
  report.progress(`killed in mid-chunk with ${queued} lines in the queue; database and disk searched`);

  await both('migrate', 'status', id);
  await both('migrate', 'list');
  await both('migrate', 'pause', id);
  await both('migrate', 'status', id);
  const worker = lab.start(['worker', '--cell', cell.text]);
  await run(['migrate', 'resume', id, '--json']);
  await both('migrate', 'watch', id);
  worker.kill('SIGTERM');
  keep(worker.args, await endOf(worker, 20_000));
  await both('migrate', 'status', id);
  const dead = await both('migrate', 'dead-letters', id);
  const letters = (JSON.parse(dead.stdout) as { dead_letters: { code: string }[] }).dead_letters;
  if (letters.length === 0) throw new Error('the failing trigger made no dead letters');
  const [{ returned }] = await lab.ask<{ returned: number }>(
    cell.database,
    `select count(*)::int4 as returned from proof.chunk_log where was = 'leased' and state = 'ready'`,
  );
  reached.push(`${letters.length} dead letters`, `${returned} chunks laid back after a database error`);
  await both('migrate', 'redrive', id, '--dry-run');
  await both('migrate', 'redrive', id);
  await search.database(lab, cell.database);
  await lab.ask(cell.database, 'truncate proof.failing');
  await both('migrate', 'redrive', id);
  await both('migrate', 'result', id, '--out', join(results, 'handed-out.gpg'));
  const outcomes = JSON.parse((await run(['migrate', 'status', id, '--json'])).stdout) as {
    outcomes: Record<string, number>;
    rejections: Record<string, number>;
  };
  reached.push(
    ...Object.entries({ ...outcomes.outcomes, ...outcomes.rejections }).map(
      ([what, lines]) => `${what} ${lines}`,
    ),
  );
  report.progress(`full file: ${JSON.stringify(outcomes.outcomes)} ${JSON.stringify(outcomes.rejections)}`);

  await both('portfolio', 'validate', files.delta, ...on);
  await run(['migrate', 'start', files.delta, ...on, '--wait'], { RELEVO_CRASH_AT: 'chunk:finished' });
  const cancelled = cell.migrationId((await cell.lastMigration())!.importNumber);
  await both('migrate', 'cancel', cancelled);
  const delta = await both('migrate', 'start', files.delta, ...on, '--wait');
  const deltaOutcomes = JSON.parse(delta.stdout) as { outcomes: object; rejections: object };
  report.progress(
    `delta, after it was cancelled: ${JSON.stringify(deltaOutcomes.outcomes)} ${JSON.stringify(deltaOutcomes.rejections)}`,
  );
  reached.push('a delta cancelled and sent again');

  const codes = new Map<string, number>();
  for (const { code, path, settings } of files.refused) {
    if (few && codes.has(code)) continue;
    const start = ['migrate', 'start', path, ...on, '--wait'];
    const answer = await run([...start, '--json'], settings);
    if (!few)
      await Promise.all([
        run(start, settings),
        run(['portfolio', 'validate', path, ...on], settings),
        run(['portfolio', 'validate', path, ...on, '--json'], settings),
      ]);
    const told =
      (JSON.parse(answer.stdout) as { refusal?: { code: string } | null }).refusal?.code ?? 'taken';
    if (told !== code) report.holds(`a file made to be refused as ${code}`, false, told);
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  const refused = [...codes.values()].reduce((sum, times) => sum + times, 0);
  reached.push(`${refused} files refused for ${codes.size} reasons`);
  report.progress(`${refused} files refused: ${[...codes.keys()].join(', ')}`);
  await both('migrate', 'list');
  await both('keys', 'rotate', ...on);
  await both('keys', 'list', ...on);
  await both('tenant', 'list');
  const vault = await canariesInVault(cell, canaries);
  const spilled = files.large ? await verifyLarge(lab, cell, search, files.large, keep) : 0;
  return { proven: { queued, vault }, spilled, reached };
}

/** Stops a command that verifies a large file, now and then, and looks into what it has spilled. */
async function verifyLarge(
  lab: Lab,
  cell: ProofCell,
  search: Search,
  path: string,
  keep: (args: readonly string[], ended: Ended | null) => Ended,
): Promise<number> {
  const running = lab.start(['portfolio', 'validate', path, '--cell', cell.text, '--json']);
  let files = 0;
  while (!running.hasEnded()) {
    await sleep(50);
    if (!signal(running.pid, 'SIGSTOP')) break;
    files = Math.max(files, await searchOpenFiles(running.pid, search));
    signal(running.pid, 'SIGCONT');
  }
  keep(running.args, await endOf(running, WAITS_MS));
  return files;
}

/** Lines with canaries that lie sealed in the queue. */
async function canariesInQueue(cell: ProofCell, canaries: Canaries, importNumber: number): Promise<number> {
  const values = new Set(canaries.all.map(({ value }) => value));
  const chunks = await cell.lab.ask<{
    phase: number;
    lane: number;
    redrive: number;
    firstLine: number;
    payload: Buffer;
  }>(
    cell.database,
    `select phase, lane, redrive, first_line as "firstLine", payload from migrations.chunks
      where import_number = $1 and payload is not null`,
    [importNumber],
  );
  let lines = 0;
  for (const { payload, ...place } of chunks) {
    const opened = openPayload(cell.vault, { importNumber, ...place }, payload);
    for (let i = 0; i < opened.count; i++) {
      const fields = opened.bytes.toString('latin1', opened.starts[i], opened.ends[i]).split(',');
      if (fields.some((field) => values.has(field))) lines++;
    }
  }
  return lines;
}

/** Sealed values of the vault that are canaries once they are opened; the keys were rotated meanwhile. */
async function canariesInVault(cell: ProofCell, canaries: Canaries): Promise<number> {
  const values = new Set(canaries.all.map(({ value }) => value));
  const again = await ProofCell.vaultOf(cell.lab, cell.name);
  const rows = await cell.lab.ask<{ id: string; pan: Buffer; pin: Buffer | null }>(
    cell.database,
    'select card_id::text as id, pan_sealed as pan, pin_sealed as pin from cards.cards',
  );
  let found = 0;
  for (const { id, pan, pin } of rows)
    for (const [field, sealed] of [
      ['pan', pan],
      ['pin', pin],
    ] as const) {
      if (!sealed) continue;
      const place = placeOfCard(uuidBytes(id), 0);
      if (values.has(again.open(field, sealed, place).toString('latin1'))) found++;
    }
  return found;
}
