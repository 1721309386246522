import { readFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { readKey } from 'openpgp';
import { listKeys, removeTenantKey, storeKey } from '#delivery/cells/cell-keys.ts';
import { rotateKeys } from '#delivery/cells/rotate-keys.ts';
import { httpToken } from '#delivery/cells/http-token.ts';
import { openAudit } from '#delivery/cells/open-audit.ts';
import { openVault } from '#delivery/cells/open-cell.ts';
import { readAllSettings } from '#delivery/local/settings.ts';
import { assertUsable, describeKey, readPrivateKey, readPublicKey } from '#runtime/openpgp/keys.ts';
import { Refusal } from '#runtime/refusal.ts';
import { withCell, withContext } from '../context.ts';
import { operatorName } from '../operator.ts';
import { CELL, JSON_OUTPUT } from '../options.ts';
import { day, table } from '../output.ts';

interface CellOptions {
  cell: string;
  json?: boolean;
}

export function keysCommand(): Command {
  const keys = new Command('keys').description(
    "the tenant's OpenPGP keys, the cell's own, and its data keys",
  );
  keys
    .command('import')
    .argument('<file>', 'an OpenPGP key, armoured or binary')
    .description("registers the tenant's public key, or gives the cell a key pair of its own")
    .requiredOption(...CELL)
    .addOption(
      new Option('--as <owner>', 'whose key it is').choices(['tenant', 'cell']).makeOptionMandatory(),
    )
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Examples:
  $ ./relevo keys import tenant-public.asc --cell andina/production --as tenant
  $ RELEVO_KEY_PASSPHRASE=... ./relevo keys import cell-private.asc --cell andina/production --as cell

Compare the fingerprint with the tenant by another way than the one the key came by.`,
    )
    .action(importKey);
  keys
    .command('export')
    .description("prints the cell's public key, for the tenant to encrypt to and to verify results with")
    .requiredOption(...CELL)
    .option(...JSON_OUTPUT)
    .addHelpText('after', '\nExample:\n  $ ./relevo keys export --cell andina/production > cell-public.asc')
    .action(exportKey);
  keys
    .command('list')
    .description('lists keys with fingerprint, algorithm and expiry')
    .requiredOption(...CELL)
    .option(...JSON_OUTPUT)
    .addHelpText('after', '\nExample:\n  $ ./relevo keys list --cell andina/production')
    .action(list);
  keys
    .command('remove')
    .argument('<fingerprint>', 'as relevo keys list shows it')
    .description("takes a tenant's key away: files signed with it are refused from now on")
    .requiredOption(...CELL)
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      '\nExample:\n  $ ./relevo keys remove D7ED2D90ABF9FA4593676A9E7627E5F59A19FEBB --cell andina/production',
    )
    .action(remove);
  keys
    .command('token')
    .description('prints the token that hosts need who send messages over HTTP')
    .requiredOption(...CELL)
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Example:
  $ curl -H "Authorization: Bearer $(./relevo keys token --cell andina/production)" \\
      -H 'Content-Type: application/json' -d @authorisation.json http://127.0.0.1:8683/v1/authorisations

It is derived from the cell's newest key-encryption key, so keys rotate makes another one. Serving processes take the
new one when they are started again.`,
    )
    .action(token);
  keys
    .command('rotate')
    .description(
      'makes new data keys, wrapped by a new key-encryption key, seals card data anew, and signs tokens with a new key',
    )
    .requiredOption(...CELL)
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      '\nExample:\n  $ ./relevo keys rotate --cell andina/production\n\nCut short, it goes on when it is run again. Cards stay readable all the while.',
    )
    .action(rotate);
  return keys;
}

async function importKey(
  file: string,
  { cell: name, as, json = false }: CellOptions & { as: 'tenant' | 'cell' },
) {
  const material = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new Refusal('no_such_file', `The key file ${file} cannot be read (${error.code}).`);
  });
  const key =
    as === 'tenant'
      ? await readPublicKey(material)
      : await readPrivateKey(material, readAllSettings(process.env).RELEVO_KEY_PASSPHRASE ?? undefined);
  if (as === 'tenant') await assertUsable(key, { for: 'signing' });
  await assertUsable(key, { for: 'encryption' });
  const description = await describeKey(key);
  await withContext(json, (context) =>
    withCell(context, name, async (cell) => {
      const db = cell.connect('keys', 1);
      const actor = operatorName(context.settings);
      const audit = await openAudit(cell, 'keys');
      const vault = await openVault(cell, db);
      await db.transaction(async (tx) => {
        await storeKey(tx, vault, {
          owner: as,
          fingerprint: description.fingerprint,
          publicKey: key.toPublic().armor(),
          privateKey: key.isPrivate() ? key.write() : undefined,
        });
        const subject = description.fingerprint;
        // Before the commit: no key without its entry.
        await audit.appendEntries([{ actor, action: 'keys.imported', subject, details: { as } }]);
      });
      context.out.result({ cell: name, as, ...description }, () =>
        [
          `${as === 'tenant' ? "The tenant's key is" : 'The key pair is'} registered in ${name}:`,
          `  ${description.fingerprint}`,
          `  ${description.algorithm}, ${description.userIds.join(', ')}`,
          ...description.warnings.map((warning) => `  note: ${warning}`),
        ].join('\n'),
      );
    }),
  );
}

async function exportKey({ cell: name, json = false }: CellOptions) {
  await withContext(json, (context) =>
    withCell(context, name, async (cell) => {
      const own = (await listKeys(cell.connect('keys', 1))).find(({ owner }) => owner === 'cell');
      if (!own)
        throw new Refusal('no_cell_key', `${name} has no key of its own yet.`, {
          advice: `Run: relevo tenant add ${cell.name.tenant}`,
        });
      const actor = operatorName(context.settings);
      const audit = await openAudit(cell, 'keys');
      await audit.appendEntries([{ actor, action: 'keys.exported', subject: own.fingerprint }]);
      context.out.result({ cell: name, fingerprint: own.fingerprint, public_key: own.publicKey }, () =>
        own.publicKey.trimEnd(),
      );
    }),
  );
}

async function list({ cell: name, json = false }: CellOptions) {
  await withContext(json, (context) =>
    withCell(context, name, async (cell) => {
      const stored = await listKeys(cell.connect('keys', 1));
      const keys = await Promise.all(
        stored.map(async ({ owner, publicKey }) => ({
          as: owner,
          ...(await describeKey(await readKey({ armoredKey: publicKey }))),
        })),
      );
      context.out.result({ cell: name, keys }, () =>
        table(
          [
            { title: 'whose' },
            { title: 'fingerprint' },
            { title: 'algorithm' },
            { title: 'expires' },
            { title: 'user' },
          ],
          keys.map((key) => [
            key.as,
            key.fingerprint,
            key.algorithm,
            key.expiresAt ? day(key.expiresAt) : 'never',
            key.userIds[0] ?? '',
          ]),
        ),
      );
    }),
  );
}

async function remove(fingerprint: string, { cell: name, json = false }: CellOptions) {
  await withContext(json, (context) =>
    withCell(context, name, async (cell) => {
      const actor = operatorName(context.settings);
      const audit = await openAudit(cell, 'keys');
      await cell.connect('keys', 1).transaction(async (tx) => {
        if (!(await removeTenantKey(tx, fingerprint)))
          throw new Refusal('unknown_key', `${name} has no tenant key ${fingerprint}.`, {
            advice: `relevo keys list --cell ${name} shows those there are.`,
          });
        const subject = fingerprint.replaceAll(' ', '').toUpperCase();
        // Before the commit: no key goes without its entry.
        await audit.appendEntries([{ actor, action: 'keys.removed', subject }]);
      });
      context.out.result(
        { cell: name, removed: fingerprint },
        () => `${name} no longer knows ${fingerprint}.`,
      );
    }),
  );
}

async function token({ cell: name, json = false }: CellOptions) {
  await withContext(json, (context) =>
    withCell(context, name, async (cell) => {
      const actor = operatorName(context.settings);
      const audit = await openAudit(cell, 'keys');
      await audit.appendEntries([{ actor, action: 'keys.token_shown', subject: name }]);
      const shown = httpToken(cell.file);
      context.out.result({ cell: name, token: shown }, () => shown);
    }),
  );
}

async function rotate({ cell: name, json = false }: CellOptions) {
  await withContext(json, (context) =>
    withCell(context, name, async (cell) => {
      const actor = operatorName(context.settings);
      const audit = await openAudit(cell, 'keys');
      // Of many steps, each of which stays when the next one fails: so the trail tells of the first before it.
      await audit.appendEntries([{ actor, action: 'keys.rotation_begun', subject: name }]);
      const rotated = await rotateKeys(cell);
      await audit.appendEntries([{ actor, action: 'keys.rotated', subject: name, details: rotated }]);
      context.out.result(
        { cell: name, ...rotated },
        () =>
          `${name}: key-encryption key ${rotated.kek_version}, card data keys ${rotated.key_version}; ${rotated.resealed} cards sealed anew; clients' tokens are signed with ${rotated.token_key}.`,
      );
    }),
  );
}
