import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import type { Lab } from '../lab/lab.ts';
import { Canaries } from './canaries.ts';
import { formsOf } from './forms.ts';
import type { Random } from '../lab/random.ts';
import { Search } from './search.ts';

export interface Control {
  readonly forms: number;
  readonly places: readonly string[];
  /** What was planted and not found. */
  readonly missed: string[];
}

const SCRATCH = 'relevo_proof_control';

/**
 * A canary is planted on purpose, in every form, into a scratch table, a log file, the arguments and environment
 * of a process; the search has to find each of them there, or finding nothing elsewhere would mean nothing.
 */
export async function controlRun(lab: Lab, random: Random): Promise<Control> {
  const planted = new Canaries(random);
  planted.pan('planted');
  planted.pan('planted', { bin: '45091700', digits: 19 });
  planted.pin('planted', 'iso0');
  planted.pin('planted', 'iso4');
  planted.pin('planted', 'ibm3624');
  planted.data('track', 'planted');
  planted.data('chip', 'planted');
  planted.data('private', 'planted');
  const forms = planted.all.flatMap((canary) =>
    formsOf(canary).map(({ name, bytes }) => ({ canary, name, bytes })),
  );
  const missed: string[] = [];
  const places: string[] = [];
  const expect = (place: string, search: Pick<Search, 'finds'>, only: typeof forms = forms) => {
    places.push(place);
    for (const { canary, name } of only)
      if (!search.finds.some((find) => find.canary === canary && find.form === name))
        missed.push(`${name} of a ${canary.kind.toUpperCase()} in ${place}`);
  };
  const search = () => new Search(planted.all);
  // Between letters that belong to no form, so that none of them is cut short.
  const everything = Buffer.concat(forms.flatMap(({ bytes }) => [Buffer.from('|zZ|'), bytes]));
  const isText = ({ bytes }: { bytes: Buffer }) => bytes.every((byte) => byte >= 0x20 && byte < 0x7f);
  const texts = forms.filter(isText);

  const folder = join(lab.home, 'control');
  await mkdir(folder);
  await writeFile(join(folder, 'planted.log'), everything);
  const inFile = search();
  await inFile.folder('files', folder);
  expect('a log file', inFile);
  await rm(folder, { recursive: true });

  await lab.ask('postgres', `create database ${SCRATCH}`);
  try {
    await lab.ask(SCRATCH, 'create table scratch (bytes bytea, packed bytea, words text, document jsonb)');
    // PostgreSQL packs long values by itself, which the search on disk cannot see through; reading rows can.
    await lab.ask(SCRATCH, 'alter table scratch alter bytes set storage external');
    await lab.ask(SCRATCH, 'insert into scratch values ($1, $2, $3, $4)', [
      everything,
      zstdCompressSync(everything),
      texts.map(({ bytes }) => bytes.toString('latin1')).join('|'),
      JSON.stringify(texts.map(({ bytes }) => bytes.toString('latin1'))),
    ]);
    const inTable = search();
    await inTable.database(lab, SCRATCH);
    for (const column of ['bytes', 'packed', 'words', 'document'])
      expect(
        `a scratch table (${column})`,
        { finds: inTable.finds.filter(({ place }) => place.includes(`scratch.${column}`)) },
        column === 'words' || column === 'document' ? texts : forms,
      );
    if (lab.isEmbedded) {
      await lab.ask(SCRATCH, 'checkpoint');
      const onDisk = search();
      await onDisk.folder('disk', await lab.dataFolder());
      const inWal = onDisk.finds.filter(({ place }) => place.includes('pg_wal'));
      expect("the server's data files", {
        finds: onDisk.finds.filter(({ place }) => place.includes('base/')),
      });
      expect("the server's write-ahead log", { finds: inWal });
    }
  } finally {
    await lab.disconnect(SCRATCH);
    await lab.ask('postgres', `drop database ${SCRATCH} with (force)`);
  }

  const words = texts.map(({ bytes }) => bytes.toString('latin1'));
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', ...words], {
    env: { PLANTED: words.join(' ') },
    stdio: 'ignore',
  });
  try {
    await once(child, 'spawn');
    for (const what of ['cmdline', 'environ']) {
      const inProcess = search();
      inProcess.buffer('processes', what, await readFile(`/proc/${child.pid}/${what}`));
      expect(`${what} of a process`, inProcess, texts);
    }
  } finally {
    child.kill('SIGKILL');
  }
  return { forms: forms.length, places, missed };
}
