import type { Command } from 'commander';
import { JSON_OUTPUT } from '../options.ts';
import type { RemoveOptions, VerifyOptions } from './tenant-removal.ts';

/** What a removal takes is loaded when one is asked for: the other commands about tenants have no use for it. */
const actions = () => import('./tenant-removal.ts');

/** How a tenant leaves, and what is left to prove that it has. */
export function addRemoval(tenant: Command): void {
  tenant
    .command('remove')
    .argument('<name>', 'the tenant')
    .description(
      'exports a tenant for itself, then destroys its cells and keys and certifies what was destroyed',
    )
    .option('--yes', 'does not ask for the name to be typed')
    .option(
      '--export-key <key.asc>',
      "an OpenPGP key to seal the export to, in place of the tenant's registered one",
    )
    .option('--without-export', 'destroys without an export: nobody will have the data')
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Examples:
  $ ./relevo tenant remove andina
  $ ./relevo tenant remove andina --yes --export-key andina-archive.asc

Refused while a cell is in use. The export is sealed to the tenant's key and signed by the cell: the cards as a
portfolio file, which any cell can load, and the audit trail. Then databases, roles, files and keys go. With the
key-encryption keys destroyed, nothing that was sealed under them opens any more, every backup included.
The certificate is kept in removed/ of RELEVO_HOME. Cut short, it is finished by running it again.`,
    )
    .action(async (name: string, options: RemoveOptions) => (await actions()).remove(name, options));
  tenant
    .command('certificate')
    .description('certificates of removed tenants')
    .command('verify')
    .argument('<file>', 'certificate.json, with certificate.jws beside it')
    .description('proves that a certificate is what this platform has signed, to the last byte')
    .option('--key <file>', "the public key of the platform (default: this home's own)")
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Examples:
  $ ./relevo tenant certificate verify .relevo/removed/andina-2026-05-04/certificate.json
  $ ./relevo tenant certificate verify certificate.json --key certificate-key.public.json

The public key is platform/certificate-key.public.json of the home that removed the tenant. It proves something only
if it came by another way than the certificate.`,
    )
    .action(async (file: string, options: VerifyOptions) => (await actions()).verify(file, options));
}
