import { integer, path, plainText, secretText, secretUrl, type Setting } from '#declare/setting.ts';
import { readSettings } from '#runtime/settings/read-settings.ts';
import { services } from '#services/all.ts';
import { authorisationSettings } from '#services/authorisations/service.ts';
import { migrationSettings } from '#services/migrations/service.ts';

/** What the platform itself is told; services declare their own settings. */
export const platformSettings = {
  RELEVO_HOME: path({
    text: 'Where cells keep their key files, the embedded database its data, and result files are written.',
    fallback: '.relevo',
  }),
  RELEVO_DATABASE_URL: secretUrl({
    text: 'A PostgreSQL server to use instead of the embedded one, with a role that may create databases and roles.',
  }),
  RELEVO_GATEWAY_HOST: {
    kind: 'text',
    text: 'The address on which `up` takes requests of clients for all cells.',
    secret: false,
    fallback: '127.0.0.1',
  } satisfies Setting<string> as Setting<string>,
  RELEVO_GATEWAY_PORT: integer({
    text: 'The port of the gateway, HTTPS. 0 takes any that is free.',
    min: 0,
    max: 65_535,
    fallback: 8443,
  }),
  RELEVO_GATEWAY_PLAIN_PORT: integer({
    text: 'The port on which HTTP is sent on to HTTPS. 0 takes any that is free.',
    min: 0,
    max: 65_535,
    fallback: 8080,
  }),
  RELEVO_GATEWAY_PUBLIC_PORT: integer({
    text: 'The port by which clients know the gateway, where something in front maps it; 0 is RELEVO_GATEWAY_PORT.',
    min: 0,
    max: 65_535,
    fallback: 0,
  }),
  RELEVO_SPARE_PROCESSES: integer({
    text: 'How many processes `up` keeps ready for cells that wake: so many at once wake quickly, and each takes some 150 MB.',
    min: 0,
    max: 8,
    fallback: 2,
  }),
  RELEVO_ACME_URL: plainText({
    text: 'The directory of an ACME authority that vouches for the hosts of real domains; it asks on port 80 of each host.',
  }),
  RELEVO_ACME_EMAIL: plainText({
    text: 'Where that authority writes to when a certificate is about to end.',
  }),
  RELEVO_ACME_ROOTS: plainText({
    text: 'A file of roots (PEM) by which to trust that authority itself, where it is a private one.',
  }),
  RELEVO_OPERATOR: plainText({
    text: 'Whose name stands in the audit trail for what a command does; without it the login name.',
  }),
  RELEVO_KEY_PASSPHRASE: secretText({
    text: 'The passphrase of a private key that relevo keys import reads.',
  }),
} as const;

/** Every setting there is, for the generated reference. */
export const allSettings = Object.assign({}, platformSettings, ...services.map(({ settings }) => settings));

/** All settings a command may need, read together so that all mistakes come to light at once. */
export const readAllSettings = (environment: NodeJS.ProcessEnv) =>
  readSettings({ ...platformSettings, ...authorisationSettings, ...migrationSettings }, environment);

export type AllSettings = ReturnType<typeof readAllSettings>;
