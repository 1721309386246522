import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onlyCode } from '#delivery/cell-process/only-code.ts';
import { cellFilePath, keksOf } from '#delivery/cells/cell-file.ts';
import { placeOfPrivateKey } from '#delivery/cells/cell-keys.ts';
import { gatewayFolder } from '#delivery/supervisor/platform-home.ts';
import { uuidBytes } from '#runtime/uuid-bytes.ts';
import { placeOfCard } from '#runtime/vault/place.ts';
import { KEY_PURPOSES, unwrapKey, Vault, type WrappedKey } from '#runtime/vault/vault.ts';
import { openDeadLine } from '#services/migrations/queue/chunk-payload.ts';
import { samplePortfolio } from '#services/migrations/sample/sample-portfolio.ts';
import { openSealed } from '#tools/testing/open-sealed.ts';
import { type Attempts, type Met, metError } from '../attempts.ts';
import type { Aims, Tried } from '../break-out.ts';
import { endOf } from '../../lab/command.ts';
import { sealFile } from '../../lab/seal-file.ts';
import { pairsOf, type SealedCell } from '../sealed-cell.ts';
import type { Stage } from '../stage.ts';

const SCRIPT = fileURLToPath(new URL('../break-out.ts', import.meta.url));

/** Files, and what is sealed in them and in tables: by processes that were taken over, and with keys of other cells. */
export async function tryFiles(stage: Stage, attempts: Attempts): Promise<void> {
  await tryProcesses(stage, attempts);
  for (const [here, there] of pairsOf(stage.populated)) await trySealed(stage, here, there, attempts);
  for (const cell of stage.populated) await tryMovedValues(stage, cell, attempts);
  await tryPortfolios(stage, attempts);
  await tryResults(stage, attempts);
}

/** Code of a thief under the very flags of a cell’s process and of the gateway. */
async function tryProcesses({ lab, cells }: Stage, attempts: Attempts): Promise<void> {
  const kind = 'file beyond a process’s own';
  const [here] = cells;
  const own = cellFilePath(lab.home, here.name);
  const gateway = gatewayFolder(lab.home);
  const secrets = [
    ...cells.filter((cell) => cell !== here).map(({ name }) => cellFilePath(lab.home, name)),
    join(gateway, 'identity.json'),
    join(gateway, 'authority', 'root-key.pem'),
    join(lab.home, 'postgres', 'password'),
    `/proc/${process.pid}/environ`,
    '/etc/passwd',
  ];
  const folders = [lab.home, join(lab.home, 'cells'), gateway, join(lab.home, 'results'), '/tmp', '/'];
  for (const [process_, readable, files] of [
    ['the process of a cell', [own], secrets],
    ['the gateway', [], [own, ...secrets]],
  ] as const) {
    const told = await runUnder([...onlyCode([SCRIPT, ...readable])], {
      readable: [...readable, SCRIPT],
      files,
      folders,
      writable: join(lab.folder, 'written-by-a-thief'),
    });
    for (const { what, code } of told) {
      const said = `${process_}: ${what.replaceAll(lab.folder, '')}`;
      if (what.startsWith('may ')) attempts.allowed(kind, said, code === null, code ?? 'done');
      else
        attempts.tried(kind, said, code === null ? { got: 'it could' } : metError({ code }), [
          'process may not',
          'ERR_DLOPEN_DISABLED',
          // Where the detour leads outside of what there is.
          'ENOENT',
        ]);
    }
  }
}

async function runUnder(flags: readonly string[], aims: Aims): Promise<Tried[]> {
  const child = spawn(process.execPath, [...flags, SCRIPT], { env: {}, stdio: ['pipe', 'pipe', 'pipe'] });
  const late = setTimeout(() => child.kill('SIGKILL'), 30_000);
  let [said, wrong] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (wrong += text));
  child.stdin.end(JSON.stringify(aims));
  await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(late);
  if (said === '') throw new Error(`the thief’s script said nothing: ${wrong.slice(0, 500)}`);
  return JSON.parse(said) as Tried[];
}

const met = (work: () => unknown): Met => {
  try {
    work();
    return { got: 'it opened' };
  } catch (error) {
    const found = metError(error);
    // node:crypto gives a failed authentication no code.
    return 'fault' in found && /unable to authenticate/i.test(found.fault)
      ? { guard: 'does not open' }
      : found;
  }
};

const SEALED = ['does not open', 'kek_wrong', 'kek_missing', 'data_key_missing'];

interface SealedCard {
  readonly id: string;
  readonly pan: Buffer;
}
const sealedCards = ({ lab }: Stage, { database }: SealedCell) =>
  lab.ask<{ id: string; pan: Buffer }>(
    database,
    'select card_id::text as id, pan_sealed as pan from cards.cards order by card_id limit 5',
  );

async function trySealed(
  stage: Stage,
  here: SealedCell,
  there: SealedCell,
  attempts: Attempts,
): Promise<void> {
  const kind = 'sealed value of another cell';
  const wrapped = await stage.lab.ask<WrappedKey & { purpose: string }>(
    there.database,
    'select purpose, version, wrapped from cell.data_keys',
  );
  const what = `of ${there.text} with the keys of ${here.text}`;
  for (const key of wrapped)
    attempts.tried(
      kind,
      `data key ${key.purpose} ${what}`,
      met(() => unwrapKey(keksOf(here.file), key)),
      SEALED,
    );
  attempts.tried(
    kind,
    `the vault ${what}`,
    met(() => new Vault(keksOf(here.file), wrapped)),
    SEALED,
  );
  attempts.allowed(
    kind,
    `the vault of ${there.text} with its own keys`,
    wrapped.length >= KEY_PURPOSES.length && 'got' in met(() => new Vault(keksOf(there.file), wrapped)),
    `${wrapped.length} keys`,
  );
  for (const { id, pan } of await sealedCards(stage, there)) {
    attempts.tried(
      kind,
      `a card number ${what}`,
      met(() => here.vault.open('pan', pan, uuidBytes(id))),
      SEALED,
    );
    attempts.allowed(
      kind,
      `a card number of ${there.text} with its own keys`,
      'got' in met(() => there.vault.open('pan', pan, placeOfCard(uuidBytes(id), 0))),
      '',
    );
  }
  const pairs = await stage.lab.ask<{ fingerprint: string; sealed: Buffer }>(
    there.database,
    'select fingerprint, sealed_private as sealed from cell.openpgp_keys where sealed_private is not null',
  );
  for (const { fingerprint, sealed } of pairs)
    attempts.tried(
      kind,
      `the OpenPGP key ${what}`,
      met(() => here.vault.open('openpgp', sealed, placeOfPrivateKey(fingerprint))),
      SEALED,
    );
  const line = there.vault.seal('chunk', Buffer.from('a line'), Buffer.from('dead|1|2'));
  attempts.tried(
    kind,
    `a dead letter ${what}`,
    met(() => openDeadLine(here.vault, 1, 2, line)),
    SEALED,
  );
}

/** Inside one cell, too: a value that was laid into another row or field. */
async function tryMovedValues(stage: Stage, cell: SealedCell, attempts: Attempts): Promise<void> {
  const kind = 'sealed value in another place';
  const cards = await sealedCards(stage, cell);
  for (const [at, { pan }] of cards.entries()) {
    const other: SealedCard = cards[(at + 1) % cards.length];
    attempts.tried(
      kind,
      `a card number laid into another card of ${cell.text}`,
      met(() => cell.vault.open('pan', pan, uuidBytes(other.id))),
      SEALED,
    );
    attempts.tried(
      kind,
      `a card number read as a PIN value in ${cell.text}`,
      met(() => cell.vault.open('pin', pan, uuidBytes(cards[at].id))),
      SEALED,
    );
  }
  const line = cell.vault.seal('chunk', Buffer.from('a line'), Buffer.from('dead|1|2'));
  attempts.tried(
    kind,
    `a dead letter of another line`,
    met(() => openDeadLine(cell.vault, 1, 3, line)),
    SEALED,
  );
  attempts.allowed(
    kind,
    'a dead letter of its line',
    'got' in met(() => openDeadLine(cell.vault, 1, 2, line)),
    '',
  );
}

/** Portfolios that are meant for another cell, signed by another tenant, or not readable here. */
async function tryPortfolios({ lab, populated }: Stage, attempts: Attempts): Promise<void> {
  const kind = 'portfolio of another cell';
  const [here, there] = pairsOf(populated).find(([a, b]) => a.name.tenant !== b.name.tenant)!;
  const text = (cell: SealedCell, seed = 99) =>
    Buffer.concat([...samplePortfolio({ ...cell.name, cards: 3, seed, kind: 'full', faults: 0 })]);
  const to = (cell: SealedCell) => cell.keys.cell.map((key) => key.toPublic());
  const files = [
    ['encrypted to another cell', text(there), there.tenantKey, to(there), 'no_decryption_key'],
    ['whose header names another cell', text(there), here.tenantKey, to(here), 'wrong_cell'],
    ['signed by another tenant', text(here), there.tenantKey, to(here), 'unknown_signer'],
  ] as const;
  for (const [what, portfolio, signingKey, keys, code] of files) {
    const path = join(lab.folder, 'crossing.gpg');
    await sealFile(path, portfolio, { signingKey, to: keys });
    const ended = await endOf(
      lab.start(['migrate', 'start', path, '--cell', here.text, '--wait', '--json']),
      60_000,
    );
    const found = /"(?:code|refusal_code)":\s*"([a-z_]+)"/.exec(ended?.stdout ?? '')?.[1];
    attempts.tried(
      kind,
      `${what}, into ${here.text}`,
      ended?.code === 0
        ? { got: 'it was migrated' }
        : found
          ? { guard: found }
          : { fault: ended?.stderr ?? 'no end' },
      [code],
    );
  }
  attempts.allowed(
    kind,
    'its own portfolio',
    here.ids['card_id'].length > 0,
    `${here.ids['card_id'].length} cards`,
  );
}

/** A result file is the tenant’s: no cell can read it, nor any other tenant. */
async function tryResults({ lab, populated }: Stage, attempts: Attempts): Promise<void> {
  const kind = 'result file of another cell';
  const folder = join(lab.home, 'results');
  const names = (await readdir(folder)).filter((name) => name.endsWith('.gpg'));
  for (const cell of populated) {
    const name = names.find((each) => each.startsWith(`${cell.name.tenant}-${cell.name.environment}-`))!;
    const path = join(folder, name);
    const opening = async (key: SealedCell['tenantKey']): Promise<Met> =>
      openSealed(path, { tenant: key, cell: cell.keys.cell }).then(
        (plain) => ({ got: `${plain.length} bytes` }),
        metError,
      );
    for (const other of populated) {
      for (const key of other.keys.cell)
        attempts.tried(kind, `of ${cell.text} with the key of the cell ${other.text}`, await opening(key), [
          'no_decryption_key',
        ]);
      if (other.name.tenant !== cell.name.tenant)
        attempts.tried(
          kind,
          `of ${cell.text} with the key of ${other.name.tenant}`,
          await opening(other.tenantKey),
          ['no_decryption_key'],
        );
    }
    const met = await opening(cell.tenantKey);
    attempts.allowed(kind, `of ${cell.text} with its tenant’s key`, 'got' in met, JSON.stringify(met));
    attempts.allowed(kind, 'it is there', (await readFile(path)).length > 0, name);
  }
}
