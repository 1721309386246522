import { allSettings } from '#delivery/local/settings.ts';
import { ruleOf } from '#runtime/settings/read-settings.ts';
import type { Settings } from '#declare/setting.ts';
import { code, markdownTable, page } from './markdown.ts';
import { environmentNames } from './source.ts';

/** Read besides the declared settings, by what they are for. A new one that is missing here fails the run. */
const undeclared: Readonly<Record<string, string>> = {
  RELEVO_KEY_PASSPHRASE: 'Secret. Unlocks the private key that `keys import --as cell` is given.',
  RELEVO_CRASH_AT: 'Where this process is to be killed. Set by the crash proof alone.',
};

export function settingsPage(root: string): string {
  const declared = Object.entries<Settings[string]>(allSettings as Settings);
  const others = environmentNames(root).filter((name) => !(name in allSettings));
  for (const name of others)
    if (!(name in undeclared)) throw new Error(`${name} is read, but neither declared nor described here`);
  return page(
    '# Settings',
    'Settings are environment variables, read once when a command starts. All mistakes are reported together.',
    markdownTable(
      ['setting', 'what for', 'rule'],
      declared.map(([name, setting]) => [
        code(name),
        setting.text + (setting.secret ? ' Secret: no message shows it.' : ''),
        ruleOf(setting),
      ]),
    ),
    others.length > 0 ? '## Read by single places' : null,
    others.length > 0
      ? markdownTable(
          ['variable', 'what for'],
          others.map((name) => [code(name), undeclared[name]]),
        )
      : null,
  );
}
