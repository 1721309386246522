import { Command } from 'commander';
import { readTenants } from '#delivery/cells/read-platform.ts';
import { planPlatform } from '#delivery/platform/apply-platform.ts';
import { declareHere } from '#delivery/platform/declare-here.ts';
import { readPlatformFile } from '#delivery/platform/parse-platform.ts';
import { hasWork } from '#delivery/platform/plan-changes.ts';
import { PlatformSchema } from '#delivery/platform/platform-schema.ts';
import { withContext } from '../context.ts';
import { readAllSettings } from '#delivery/local/settings.ts';
import { EXIT } from '../exit.ts';
import { JSON_OUTPUT, PLATFORM_FILE } from '../options.ts';
import { Output } from '../output.ts';
import { planDocument, showPlan } from '../show-plan.ts';

interface Options {
  file: string;
  json?: boolean;
  schema?: boolean;
  here?: boolean;
}

export function planCommand(): Command {
  return new Command('plan')
    .description('shows what differs between platform.yaml and what is here, and changes nothing')
    .option(...PLATFORM_FILE)
    .option('--here', 'print a platform.yaml that declares what is here, and do nothing else')
    .option('--schema', 'print the JSON Schema of the file, for editors, and do nothing else')
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Examples:
  $ ./relevo plan
  $ ./relevo plan --file docs/examples/platform.yaml --json
  $ ./relevo plan --here > platform.yaml
  $ ./relevo plan --schema > platform.schema.json

+ is made by relevo apply and ~ is changed by it; ! is something to know that it leaves alone. Cells are compared
with their declarations too: roles, rights, schema changes. Exit status: 0 nothing to change, 4 something to change.`,
    )
    .action(plan);
}

async function plan({ file, schema = false, here = false, json = false }: Options): Promise<void> {
  if (schema) {
    new Output(true).result(PlatformSchema, () => '');
    return;
  }
  if (here) {
    const tenants = (await readTenants(readAllSettings(process.env).RELEVO_HOME)).map(({ terms }) => terms);
    const text = declareHere(tenants);
    new Output(json).result({ platform_yaml: text }, () => text.trimEnd());
    return;
  }
  // Before a server is started for it.
  const declared = await readPlatformFile(file);
  await withContext(json, async ({ server, settings, out }) => {
    const found = await planPlatform(server, settings.RELEVO_HOME, declared);
    out.result({ file, ...planDocument(found) }, () =>
      [
        showPlan(found),
        '',
        hasWork(found)
          ? `Do it with: ./relevo apply --file ${file}`
          : 'Nothing to change: what is declared is what is here.',
      ].join('\n'),
    );
    if (hasWork(found)) process.exitCode = EXIT.differs;
  });
}
