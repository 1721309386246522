import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import type { JWK } from 'jose';
import { pc } from '#cli/colours.ts';
import { TimedSteps } from '#delivery/cells/timed-steps.ts';
import { cellText, parseTenant } from '#delivery/cells/cell-name.ts';
import { readAllSettings } from '#delivery/local/settings.ts';
import { type Certificate, verifyCertificate } from '#delivery/removal/certificate.ts';
import { platformPublicKey, publicKeyPath } from '#delivery/removal/platform-key.ts';
import { findTenant, type RemovedTenant, removeTenantForGood } from '#delivery/removal/remove-tenant.ts';
import { assertUsable, readPublicKey } from '#runtime/openpgp/keys.ts';
import { Refusal } from '#runtime/refusal.ts';
import { type Context, withContext } from '../context.ts';
import { operatorName } from '../operator.ts';
import { count, Output, table } from '../output.ts';
import { showProgress } from '../progress.ts';
import { stepTimes } from '../step-times.ts';

export interface RemoveOptions {
  yes?: boolean;
  exportKey?: string;
  /** False with `--without-export`. */
  withoutExport?: boolean;
  json?: boolean;
}

export interface VerifyOptions {
  key?: string;
  json?: boolean;
}

/** Destroys a tenant, after it was exported, and says what is left. */
export async function remove(
  tenant: string,
  { yes = false, exportKey, withoutExport = false, json = false }: RemoveOptions,
): Promise<void> {
  parseTenant(tenant);
  if (withoutExport && exportKey !== undefined)
    throw new Refusal('bad_usage', '--export-key and --without-export exclude each other.');
  const key = exportKey === undefined ? null : await readExportKey(exportKey);
  await withContext(json, async (context) => {
    const { server, settings, out } = context;
    const home = settings.RELEVO_HOME;
    const operator = operatorName(settings);
    const { cells, isUnderWay } = await findTenant(server, home, tenant);
    if (!yes) await confirm(context, tenant, { cells: cells.map(cellText), isUnderWay, withoutExport });
    const timed = new TimedSteps();
    const removed = await removeTenantForGood(server, home, tenant, {
      operator,
      withoutExport,
      exportKey: key,
      timed,
      progress: showProgress(json),
    });
    out.result(
      {
        tenant,
        folder: removed.folder,
        certificate: removed.certificateFile,
        signature: removed.signatureFile,
        destroyed: removed.certificate,
        finished_earlier_run: removed.wasUnderWay,
        steps: timed.steps,
      },
      () => showRemoved(removed, timed, home),
    );
  });
}

async function readExportKey(path: string) {
  const material = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new Refusal('no_such_file', `The key file ${path} cannot be read (${error.code}).`);
  });
  const key = await readPublicKey(material);
  await assertUsable(key, { for: 'encryption' });
  return key;
}

interface Asked {
  readonly cells: readonly string[];
  readonly isUnderWay: boolean;
  readonly withoutExport: boolean;
}

/** A word that is typed by habit proves nothing: the name has to be. */
async function confirm(
  { out }: Context,
  tenant: string,
  { cells, isUnderWay, withoutExport }: Asked,
): Promise<void> {
  if (out.json || !process.stdin.isTTY)
    throw new Refusal('not_confirmed', `Nobody is here to be asked whether ${tenant} is to be destroyed.`, {
      advice: 'Give --yes to remove it without being asked.',
    });
  const what = isUnderWay
    ? `The removal of ${tenant} was cut short; it is finished now.`
    : `${cells.join(', ')}: databases, roles, files and keys are destroyed. There is no way back.`;
  process.stderr.write(`${pc.red(what)}\n`);
  if (withoutExport && !isUnderWay) process.stderr.write(pc.red('Nobody will have the data.\n'));
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const typed = await asking.question('Type the name of the tenant: ');
    if (typed.trim() !== tenant)
      throw new Refusal('not_confirmed', `That is not ${tenant}. Nothing was touched.`);
  } finally {
    asking.close();
  }
}

function showRemoved(
  { certificate, certificateFile }: RemovedTenant,
  timed: TimedSteps,
  home: string,
): string {
  return [
    `Tenant ${certificate.tenant} is removed. Destroyed:`,
    '',
    cellTable(certificate),
    '',
    ...(certificate.exports.length > 0
      ? [
          'Exported, for the holder of the key:',
          '',
          table(
            [{ title: 'file' }, { title: 'records', right: true }, { title: 'SHA-256' }],
            certificate.exports.map(({ file, records, sha256 }) => [file, count(records), sha256]),
          ),
        ]
      : ['Nothing was exported.']),
    '',
    stepTimes(timed.steps),
    '',
    `Certificate  ${certificateFile}`,
    `Next: hand the tenant the files beside it, and by another way ${publicKeyPath(home)}`,
  ].join('\n');
}

const cellTable = ({ cells }: Pick<Certificate, 'cells'>): string =>
  table(
    [{ title: 'cell' }, { title: 'rows', right: true }, { title: 'bytes', right: true }, { title: 'keys' }],
    cells.map(({ cell, database, keks }) => [
      cell,
      count((database?.tables ?? []).reduce((sum, { rows }) => sum + rows, 0)),
      count(database?.bytes ?? 0),
      keks.map(({ fingerprint }) => fingerprint).join(' '),
    ]),
  );

/** Whether a certificate is what the platform has signed. */
export async function verify(file: string, { key: keyFile, json = false }: VerifyOptions): Promise<void> {
  const home = readAllSettings(process.env).RELEVO_HOME;
  const key = keyFile === undefined ? await platformPublicKey(home) : await readPlatformKey(keyFile);
  if (!key)
    throw new Refusal('no_platform_key', `${home} has signed no certificate.`, {
      advice: 'Give the public key of the platform that removed the tenant with --key FILE.',
    });
  const { certificate, signedBy, exports } = await verifyCertificate(resolve(file), key);
  new Output(json).result({ verified: true, signed_by: signedBy, exports, certificate }, () =>
    [
      pc.green(
        `The certificate is genuine: tenant ${certificate.tenant}, destroyed ${certificate.destroyed_at}.`,
      ),
      '',
      cellTable(certificate),
      ...(exports.length > 0
        ? [
            '',
            table(
              [{ title: 'export' }, { title: '' }],
              exports.map((each) => [each.file, each.state]),
            ),
          ]
        : []),
      '',
      `Signed by ${signedBy}`,
    ].join('\n'),
  );
}

async function readPlatformKey(path: string): Promise<JWK> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Refusal('no_such_file', `The key file ${path} cannot be read (${error.code}).`);
  });
  try {
    return JSON.parse(text) as JWK;
  } catch {
    throw new Refusal('bad_platform_key', `${path} is no public key (JWK).`);
  }
}
