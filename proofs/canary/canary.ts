import { createReadStream } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Option } from 'commander';
import { count } from '#cli/output.ts';
import { wholeNumber } from '#cli/options.ts';
import { openMessage } from '#runtime/openpgp/open-message.ts';
import { placeOfField } from '#runtime/vault/place.ts';
import { openPayload } from '#services/migrations/queue/chunk-payload.ts';
import { type Ended, endOf } from '../lab/command.ts';
import { type Lab, withLab } from '../lab/lab.ts';
import { signal } from '../lab/processes.ts';
import { ProofCell } from '../lab/proof-cell.ts';
import { Random } from '../lab/random.ts';
import type { Report } from '../lab/report.ts';
import type { Proof } from '../prove.ts';
import { Canaries, masked } from './canaries.ts';
import { controlRun } from './control.ts';
import { searchOpenFiles, watchProcesses } from './places.ts';
import { CanaryLines } from './portfolio.ts';
import { largeFile, refusedFiles, sealTo } from './refused.ts';
import { Search } from './search.ts';

const WAITS_MS = 120_000;

export const canary: Proof = {
  name: 'canary',
  promise: 'No card number and no PIN value leaves the vault: not in any table, file, log, answer or argument.',
  about: `Known card numbers and PIN values go in by every way: good lines, every kind of rejected line, lines that the database
fails on, refused files of every kind, mocks, validations, a crash with the queue full, a cancellation, a redrive.
Then each of them is searched for, in some twenty forms, in everything the commands answered, in the result files,
in every row of every database, and byte by byte in every file on disk, the database's own and its log included.
A canary planted on purpose shows first that the search finds each form in each kind of place.
PIN values of 4 digits (ibm3624) occur everywhere by chance and cannot be searched for; those here have 12.`,
  takes: 'about 1 minute',
  example: 'npm run prove -- canary --seed 1',
  options: [
    new Option('--good <n>', 'good lines among the others').argParser(wholeNumber(20, 20_000)).default(300),
    new Option('--large <n>', 'cards of the file that is too large for memory').argParser(wholeNumber(0, 2_000_000)).default(200_000),
    new Option('--seed <n>', 'draws the canaries').argParser(wholeNumber(0, 2 ** 31)).default(1),
  ],
  run: (options, report) =>
    withLab({ RELEVO_CHUNK_LINES: '40', RELEVO_BACKOFF_MS: '50' }, (lab) =>
      proveCanary(lab, options as { good: number; large: number; seed: number }, report),
    ),
};

/** What every command said, to be searched when all canaries are known. */
interface Said {
  readonly command: string;
  readonly output: string;
}

async function proveCanary(
  lab: Lab,
  { good, large, seed }: { good: number; large: number; seed: number },
  report: Report,
): Promise<void> {
  const random = new Random(seed);
  const control = await controlRun(lab, random);
  report.holds(
    'the search itself works: planted canaries are found',
    control.missed.length === 0,
    control.missed.length === 0
      ? `${control.forms} planted values and forms, each in ${control.places.length} places: ${control.places.join(', ')}`
      : `${control.missed.length} not found, the first: ${control.missed[0]}`,
  );

  // Everything is made first, so that one search knows all canaries.
  const cell = await ProofCell.open(lab, 'production');
  const sent = join(lab.folder, 'sent');
  await mkdir(sent);
  const canaries = new Canaries(random);
  const files = await writeFiles(cell, canaries, { good, large, seed, sent });
  const search = new Search(canaries.all);
  report.progress(`${count(canaries.all.length)} canaries, ${count(search.patterns)} byte strings to search for`);

  const said: Said[] = [];
  const stop = new AbortController();
  const watching = watchProcesses(lab, search, cell.database, stop.signal);
  let proven = { queued: 0, vault: 0 };
  let spilled = 0;
  let reached: string[] = [];
  try {
    ({ proven, spilled, reached } = await pushThrough({ lab, cell, search, said, report, files, canaries }));
  } finally {
    stop.abort();
  }
  const watched = await watching;

  for (const { command, output } of said) search.text('answers', command, output);
  const results = await searchResults(cell, search);
  const rows = await searchDatabases(lab, cell, search);
  const onDisk = await searchDisk(lab, search, sent);
  report.progress('searched');

  const bytes = (kind: string) => `${((search.bytes.get(kind) ?? 0) / 1e6).toFixed(1)} MB`;
  report.details['ways in'] = [...new Set(canaries.all.map(({ path }) => path))];
  report.details['finds'] = search.finds.map((find) => ({
    place: find.place,
    form: find.form,
    canary: masked(find.canary),
    path: find.canary.path,
  }));
  report.tells('canaries', `${canaries.all.filter(({ kind }) => kind === 'pan').length} card numbers, ${canaries.all.filter(({ kind }) => kind === 'pin').length} PIN values, by ${new Set(canaries.all.map(({ path }) => path)).size} ways in`);
  report.holds('they did go in', proven.queued > good && proven.vault > good, `${proven.queued} lines with canaries lay sealed in the queue when it was searched; ${proven.vault} sealed values of the vault, opened, are canaries`);
  report.tells('what happened to them', reached.join(', '));
  report.holds('temporary files were really written', large === 0 || spilled > 0, large === 0 ? 'not asked for' : `${spilled} files without a name, searched while the process stood still`);
  const nothing = (kinds: string[], what: string) => {
    const finds = search.finds.filter(({ place }) => kinds.some((kind) => place.startsWith(`${kind}:`)));
    const first = finds[0];
    report.holds(
      `nothing in ${what}`,
      finds.length === 0,
      finds.length === 0
        ? kinds.map(bytes).join(' + ')
        : `${finds.length} finds, the first: ${masked(first.canary)} (${first.canary.path}) as ${first.form} in ${first.place}`,
    );
  };
  nothing(['answers'], `what ${said.length} commands answered`);
  nothing(['results'], `${results} result files and validation reports, decrypted`);
  nothing(['database'], `${count(rows)} rows of all databases`);
  nothing(['files', 'disk'], `${count(onDisk)} files on disk (tables, write-ahead log, server log, worker log, key files, temporary files)`);
  nothing(['processes'], `arguments and environment of ${watched.processes} processes and the sessions' statements, ${watched.looks} looks`);
  for (const find of search.finds.slice(0, 40))
    report.progress(`found: ${masked(find.canary)} (${find.canary.path}) as ${find.form} in ${find.place}`);
}

interface Files {
  readonly full: string;
  readonly mock: string;
  readonly delta: string;
  readonly large: string | null;
  readonly refused: Awaited<ReturnType<typeof refusedFiles>>;
  readonly failing: readonly string[];
}

async function writeFiles(
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
  const fullPath = join(sent, 'full.gpg');
  await sealTo(fullPath, full.file({ tenant }), keys);
  const mock = every(new CanaryLines(seed + 1, canaries), 40);
  const mockPath = join(sent, 'mock.gpg');
  await sealTo(mockPath, mock.file({ tenant, kind: 'mock', sequence: '0', file_id: 'canaries-mock' }), keys);

  // A delta for the codes that need cards which are here: the full file's cards once more, with other numbers.
  const delta = new CanaryLines(seed, canaries);
  for (const [i, version] of ['9', '1', '0', 'same'].entries()) {
    const fields = delta.card(`a delta line, version ${version}`);
    if (version !== 'same') fields[2] = version;
    delta.add(fields, { summed: i !== 99 });
  }
  delta.good(30);
  delta.broken();
  delta.invalid();
  const deltaPath = join(sent, 'delta.gpg');
  await sealTo(deltaPath, delta.file({ tenant, kind: 'delta', sequence: '2', file_id: 'canaries-2' }), keys);
  const largePath = large > 0 ? join(sent, 'large.gpg') : null;
  if (largePath) await largeFile(cell, canaries, seed, large, largePath);
  const refused = await refusedFiles(cell, canaries, seed, sent);
  return { full: fullPath, mock: mockPath, delta: deltaPath, large: largePath, refused, failing: [...full.failing, ...mock.failing] };
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

async function pushThrough(about: {
  lab: Lab;
  cell: ProofCell;
  search: Search;
  said: Said[];
  report: Report;
  files: Files;
  canaries: Canaries;
}): Promise<{ proven: { queued: number; vault: number }; spilled: number; reached: string[] }> {
  const { lab, cell, search, said, report, files, canaries } = about;
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
    await run(args);
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
  const killed = await run(['migrate', 'start', files.full, ...on, '--wait'], { RELEVO_CRASH_AT: 'chunk:parsed#3' });
  if (killed.signal !== 'SIGKILL') throw new Error(`the command was to be killed in mid-chunk: ${killed.stdout}${killed.stderr}`);
  const number = (await cell.lastMigration())!.importNumber;
  const id = cell.migrationId(number);
  const queued = await canariesInQueue(cell, canaries, number);
  await searchDatabases(lab, cell, search);
  await searchDisk(lab, search, join(lab.folder, 'sent'));
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
  reached.push(`${letters.length} dead letters`);
  await both('migrate', 'redrive', id, '--dry-run');
  await both('migrate', 'redrive', id);
  await searchDatabases(lab, cell, search);
  await lab.ask(cell.database, 'truncate proof.failing');
  await both('migrate', 'redrive', id);
  await both('migrate', 'result', id, '--out', join(results, 'handed-out.gpg'));
  const outcomes = JSON.parse((await run(['migrate', 'status', id, '--json'])).stdout) as {
    outcomes: Record<string, number>;
    rejections: Record<string, number>;
  };
  reached.push(...Object.entries({ ...outcomes.outcomes, ...outcomes.rejections }).map(([what, lines]) => `${what} ${lines}`));
  report.progress(`full file: ${JSON.stringify(outcomes.outcomes)} ${JSON.stringify(outcomes.rejections)}`);

  await both('portfolio', 'validate', files.delta, ...on);
  await run(['migrate', 'start', files.delta, ...on, '--wait'], { RELEVO_CRASH_AT: 'chunk:finished' });
  const cancelled = cell.migrationId((await cell.lastMigration())!.importNumber);
  await both('migrate', 'cancel', cancelled);
  const delta = await both('migrate', 'start', files.delta, ...on, '--wait');
  const deltaOutcomes = JSON.parse(delta.stdout) as { outcomes: object; rejections: object };
  report.progress(`delta, after it was cancelled: ${JSON.stringify(deltaOutcomes.outcomes)} ${JSON.stringify(deltaOutcomes.rejections)}`);
  reached.push('a delta cancelled and sent again');

  const codes = new Map<string, number>();
  for (const { code, path, settings } of files.refused) {
    await run(['portfolio', 'validate', path, ...on], settings);
    await run(['portfolio', 'validate', path, ...on, '--json'], settings);
    await run(['migrate', 'start', path, ...on, '--wait'], settings);
    const answer = await run(['migrate', 'start', path, ...on, '--wait', '--json'], settings);
    const told = (JSON.parse(answer.stdout) as { refusal?: { code: string } | null }).refusal?.code ?? 'taken';
    if (told !== code) report.holds(`a file made to be refused as ${code}`, false, told);
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  reached.push(`${files.refused.length} files refused for ${codes.size} reasons`);
  report.progress(`${files.refused.length} files refused: ${[...codes.keys()].join(', ')}`);
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
    await sleep(250);
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
  const chunks = await cell.lab.ask<{ phase: number; lane: number; redrive: number; firstLine: number; payload: Buffer }>(
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
    for (const [field, sealed] of [['pan', pan], ['pin', pin]] as const) {
      if (!sealed) continue;
      const place = placeOfField(field, Buffer.from(id.replaceAll('-', ''), 'hex'), 0);
      if (values.has(again.open(field, sealed, place).toString('latin1'))) found++;
    }
  return found;
}

async function searchResults(cell: ProofCell, search: Search): Promise<number> {
  const folder = join(cell.lab.home, 'results');
  const names = await readdir(folder);
  for (const name of names) {
    const path = join(folder, name);
    if (!name.endsWith('.gpg')) {
      await search.file('results', path, name);
      continue;
    }
    const message = openMessage(createReadStream(path), {
      decryptionKeys: [cell.tenantKey],
      verificationKeys: cell.keys.cell.map((key) => key.toPublic()),
      maxPlaintextBytes: 1e12,
    });
    const pieces: Buffer[] = [];
    for await (const piece of message.plaintext) pieces.push(Buffer.from(piece));
    search.buffer('results', name, Buffer.concat(pieces));
  }
  return names.length;
}

/** Every database of the embedded server; of a server that is not ours, those of this proof. */
async function searchDatabases(lab: Lab, cell: ProofCell, search: Search): Promise<number> {
  const names = await lab.ask<{ datname: string }>(
    'postgres',
    'select datname from pg_database where datallowconn and ($1 or starts_with(datname, $2)) order by 1',
    [lab.isEmbedded, `relevo_${cell.name.tenant}_`],
  );
  let rows = 0;
  for (const { datname } of names) rows += await search.database(lab, datname);
  return rows;
}

/** All of the home, and of the embedded server's data; only what was sent to Relevo is left out. */
async function searchDisk(lab: Lab, search: Search, sent: string): Promise<number> {
  let files = await search.folder('files', lab.folder, { except: [sent] });
  if (lab.isEmbedded) {
    await lab.ask('postgres', 'checkpoint');
    const data = await lab.dataFolder();
    files += await search.folder('disk', data);
  }
  return files;
}
