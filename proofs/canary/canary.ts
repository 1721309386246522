import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Option } from 'commander';
import { count } from '#cli/output.ts';
import { wholeNumber } from '#cli/options.ts';
import { type Lab, withLab } from '../lab/lab.ts';
import { ProofCell } from '../lab/proof-cell.ts';
import { Random } from '../lab/random.ts';
import type { Report } from '../lab/report.ts';
import type { Proof } from '../prove.ts';
import { Canaries, type Canary, masked } from './canaries.ts';
import { controlRun } from './control.ts';
import { searchDatabases, searchDisk, searchResults, watchProcesses } from './places.ts';
import { Search } from './search.ts';
import { type Reached, sendMessages } from './ways-of-messages.ts';
import { pushThrough, type Said, writeFiles } from './ways-in.ts';

export const canary: Proof = {
  name: 'canary',
  promise:
    'No card number and no PIN value leaves the vault: not in any table, file, log, answer or argument.',
  about: `Known card numbers and PIN values go in by every way: good lines, every kind of rejected line, lines that the database
fails on, refused files of every kind, mocks, validations, a crash with the queue full, a cancellation, a redrive.
PIN blocks, tracks, chip data and private fields go in with messages of the network, over ISO 8583 and HTTP: decided
here, relayed, stood in for, late, refused and unreadable ones.
Then each of them is searched for, in some twenty forms, in everything the commands answered, in the result files,
in every row of every database, and byte by byte in every file on disk, the database's own and its log included.
A canary planted on purpose shows first that the search finds each form in each kind of place.
PIN values of 4 digits (ibm3624) occur everywhere by chance and cannot be searched for; those here have 12.`,
  takes: 'about 2 minutes',
  example: 'npm run prove -- canary --seed 1',
  options: [
    new Option('--good <n>', 'good lines among the others').argParser(wholeNumber(20, 20_000)).default(300),
    new Option('--large <n>', 'cards of the file that is too large for memory')
      .argParser(wholeNumber(0, 2_000_000))
      .default(200_000),
    new Option('--seed <n>', 'draws the canaries').argParser(wholeNumber(0, 2 ** 31)).default(1),
  ],
  run: (options, report) =>
    withLab({ RELEVO_CHUNK_LINES: '40', RELEVO_BACKOFF_MS: '50' }, (lab) =>
      proveCanary(lab, options as { good: number; large: number; seed: number }, report),
    ),
};

/** `few` leaves out what takes long: for tests. */
export async function proveCanary(
  lab: Lab,
  { good, large, seed, few = false }: { good: number; large: number; seed: number; few?: boolean },
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
  report.progress(
    `${count(canaries.all.length)} canaries, ${count(search.patterns)} byte strings to search for`,
  );

  const said: Said[] = [];
  const stop = new AbortController();
  const watching = watchProcesses(lab, search, cell.database, stop.signal);
  let proven = { queued: 0, vault: 0 };
  let spilled = 0;
  let reached: string[] = [];
  let messages: Reached;
  try {
    ({ proven, spilled, reached } = await pushThrough({
      lab,
      cell,
      search,
      said,
      report,
      files,
      canaries,
      few,
    }));
    messages = await sendMessages({
      lab,
      cell,
      search,
      said,
      report,
      plan: files.messages,
      canaries,
      few,
    });
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
  const ofKind = Map.groupBy(canaries.all, ({ kind }) => kind);
  const drawn = (kind: Canary['kind']) => count(ofKind.get(kind)?.length ?? 0);
  report.tells(
    'canaries',
    `${drawn('pan')} card numbers, ${drawn('pin')} PIN values and blocks, ${drawn('track')} of track data, ${drawn('chip')} of chip data, ${drawn('private')} of private fields, by ${new Set(canaries.all.map(({ path }) => path)).size} ways in`,
  );
  report.holds(
    'they did go in',
    proven.queued > good && proven.vault > good,
    `${proven.queued} lines with canaries lay sealed in the queue when it was searched; ${proven.vault} sealed values of the vault, opened, are canaries`,
  );
  report.tells('what happened to them', [...reached, ...messages.words].join(', '));
  report.holds(
    'messages of the network went every way',
    messages.astray.length === 0 && messages.handedBack > 0,
    messages.astray.length > 0
      ? `${messages.astray.length} did not: ${messages.astray.join('; ')}`
      : `answered as planned; ${messages.handedBack} card numbers lie in the hand-back file, sealed to the tenant`,
  );
  report.holds(
    'temporary files were really written',
    large === 0 || spilled > 0,
    large === 0 ? 'not asked for' : `${spilled} files without a name, searched while the process stood still`,
  );
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
  nothing(
    ['files', 'disk'],
    `${count(onDisk)} files on disk (${lab.isEmbedded ? 'tables, write-ahead log, server log, ' : "the server's own are not ours to read; "}worker log, key files, temporary files)`,
  );
  nothing(
    ['processes'],
    `arguments and environment of ${watched.processes} processes and the sessions' statements, ${watched.looks} looks`,
  );
  for (const find of search.finds.slice(0, 40))
    report.progress(`found: ${masked(find.canary)} (${find.canary.path}) as ${find.form} in ${find.place}`);
}
