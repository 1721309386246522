import { writeFile } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import { wholeNumber } from '#cli/options.ts';
import { reportFailure } from '#cli/failure.ts';
import { releaseServers } from '#runtime/postgres/server.ts';

/** Where a benchmark's result goes: text on standard output, and the figures into a file if asked. */
async function conclude(result: unknown, text: string, path: string | undefined): Promise<void> {
  process.stdout.write(`${text}\n`);
  if (path) await writeFile(path, `${JSON.stringify(result, null, 2)}\n`);
}

const JSON_FILE = ['--json <file>', 'write every figure there as JSON'] as const;

interface MigrationFlags {
  cards: number;
  runs: number;
  workers: number;
  cardByCard: number;
  json?: string;
}

function migrationCommand(): Command {
  return new Command('migration')
    .description('moves a portfolio from its sealed file to closed books, beside three other ways to do it')
    .option('--cards <n>', 'cards of the largest file', wholeNumber(1, 80_000_000), 1_000_000)
    .option('--runs <n>', 'rounds; the median counts', wholeNumber(1, 100), 3)
    .option('--workers <n>', 'worker processes of the migration', wholeNumber(1, 64), 2)
    .option('--card-by-card <n>', 'cards of the slow ways', wholeNumber(1, 10_000_000), 20_000)
    .option(...JSON_FILE)
    .addHelpText(
      'after',
      `
Examples:
  $ npm run bench -- migration
  $ npm run bench -- migration --cards 20000 --runs 1          a first look, under a minute
  $ npm run bench -- migration --json migration.json
  $ RELEVO_DATABASE_URL=postgresql://... npm run bench -- migration    on a server of your own

It works in a temporary home with a database server of its own and leaves nothing behind. One million cards need
about 6 GB of disk (TMPDIR says where) and a quarter of an hour or more.`,
    )
    .action(async ({ json, ...flags }: MigrationFlags) => {
      const { benchMigration } = await import('./migration/migration.ts');
      const { showMigration } = await import('./migration/report.ts');
      const { Workspace } = await import('./lab/workspace.ts');
      const { SETTINGS } = await import('./migration/card-by-card/calibrate.ts');
      const options = {
        ...flags,
        cardByCard: Math.min(flags.cardByCard, flags.cards),
        growthSteps: 3,
        settings: SETTINGS,
      };
      const workspace = await Workspace.open();
      cleanUpOnSignals(() => workspace.close());
      let result;
      try {
        result = await benchMigration(options, workspace);
      } finally {
        await workspace.close();
      }
      await conclude(result, showMigration(result), json);
    });
}

function keyedHashesCommand(): Command {
  return new Command('keyed-hashes')
    .description('keyed codes and sealing of many short fields: in bulk and one by one')
    .option('--messages <n>', 'messages a round', wholeNumber(100, 10_000_000), 100_000)
    .option('--rounds <n>', 'rounds; the median counts', wholeNumber(1, 1000), 7)
    .option(...JSON_FILE)
    .addHelpText(
      'after',
      `
Examples:
  $ npm run bench -- keyed-hashes
  $ npm run bench -- keyed-hashes --messages 20000 --rounds 3 --json keyed-hashes.json`,
    )
    .action(async ({ json, ...options }: { messages: number; rounds: number; json?: string }) => {
      const { benchKeyedHashes } = await import('./keyed-hashes/keyed-hashes.ts');
      const { showKeyedHashes } = await import('./keyed-hashes/report.ts');
      const result = await benchKeyedHashes(options);
      await conclude(result, showKeyedHashes(result), json);
    });
}

interface AuthorisationFlags {
  cards: number;
  runs: number;
  seconds: number;
  inFlight?: number;
  openRate: number;
  baseRate: number;
  migratedCards: number;
  json?: string;
}

function authorisationsCommand(): Command {
  return new Command('authorisations')
    .description('answers a card network over ISO 8583, beside one transaction for each request')
    .option('--cards <n>', 'cards of the cell', wholeNumber(100, 80_000_000), 100_000)
    .option('--runs <n>', 'rounds; the median counts', wholeNumber(1, 100), 3)
    .option('--seconds <n>', 'how long each stretch lasts', wholeNumber(1, 3600), 8)
    .option(
      '--in-flight <n>',
      'messages under way at once when the most is looked for (default: the best of 256 to 2,048)',
      wholeNumber(1, 100_000),
    )
    .option('--open-rate <n>', 'messages a second of the steady stretch', wholeNumber(1, 100_000), 5000)
    .option(
      '--base-rate <n>',
      'messages a second before the step to five times as many',
      wholeNumber(1, 20_000),
      1000,
    )
    .option(
      '--migrated-cards <n>',
      'cards of the migration beside it; 0 for none',
      wholeNumber(0, 80_000_000),
      200_000,
    )
    .option(...JSON_FILE)
    .addHelpText(
      'after',
      `
Examples:
  $ npm run bench -- authorisations
  $ npm run bench -- authorisations --cards 20000 --runs 1 --seconds 3 --migrated-cards 20000     a first look
  $ npm run bench -- authorisations --json authorisations.json

It works in a temporary home with a database server of its own and leaves nothing behind. The network runs on the
same machine and its processor time is shown too.`,
    )
    .action(async ({ json, ...flags }: AuthorisationFlags) => {
      const { benchAuthorisations } = await import('./authorisations/authorisations.ts');
      const { showAuthorisations } = await import('./authorisations/report.ts');
      const { Workspace } = await import('./lab/workspace.ts');
      const workspace = await Workspace.open();
      cleanUpOnSignals(() => workspace.close());
      let result;
      try {
        result = await benchAuthorisations(
          {
            ...flags,
            inFlight: flags.inFlight === undefined ? [256, 512, 1024, 2048] : [flags.inFlight],
            connections: [4, 8, 16, 32],
          },
          workspace,
        );
      } finally {
        await workspace.close();
      }
      await conclude(result, showAuthorisations(result), json);
    });
}

/** `10,50,150`: growing sizes. */
function sizes(text: string): number[] {
  const numbers = text.split(',').map(wholeNumber(1, 1_000));
  if (numbers.every((size, i) => i === 0 || size > numbers[i - 1])) return numbers;
  throw new InvalidArgumentError('The sizes must grow, for instance 10,50,150.');
}

function onboardingCommand(): Command {
  return new Command('onboarding')
    .description('adds tenants with three cells each: how fast, and what an idle cell costs')
    .option('--tenants <list>', 'how many there are to be, growing', sizes, [10, 50, 150])
    .option(
      '--runs <n>',
      'how often the command is run, and each way to make a database',
      wholeNumber(1, 100),
      5,
    )
    .option(...JSON_FILE)
    .addHelpText(
      'after',
      `
Examples:
  $ npm run bench -- onboarding
  $ npm run bench -- onboarding --tenants 10 --runs 3          a first look
  $ npm run bench -- onboarding --json onboarding.json

It works in a temporary home with a database server of its own and leaves nothing behind. 150 tenants need about
10 GB of disk for a while: 9 MB for each cell, and up to 4 GB of write-ahead log.`,
    )
    .action(async ({ json, ...options }: { tenants: number[]; runs: number; json?: string }) => {
      const { benchOnboarding } = await import('./onboarding/onboarding.ts');
      const { showOnboarding } = await import('./onboarding/report.ts');
      const { Workspace } = await import('./lab/workspace.ts');
      const workspace = await Workspace.open();
      cleanUpOnSignals(() => workspace.close());
      let result;
      try {
        result = await benchOnboarding(options, workspace);
      } finally {
        await workspace.close();
      }
      await conclude(result, showOnboarding(result), json);
    });
}

interface GatewayFlags {
  seconds: number;
  runs: number;
  wakes: number;
  cards: number;
  json?: string;
}

function gatewayCommand(): Command {
  return new Command('gateway')
    .description('requests of clients through the gateway, beside nginx and a direct call; waking a cell')
    .option('--seconds <n>', 'how long each stretch lasts', wholeNumber(2, 20), 5)
    .option('--runs <n>', 'rounds; the median counts', wholeNumber(1, 100), 3)
    .option('--wakes <n>', 'how often the cell is woken; 0 for never', wholeNumber(0, 1_000), 20)
    .option('--cards <n>', 'cards of the cell', wholeNumber(1, 1_000_000), 1_000)
    .option(...JSON_FILE)
    .addHelpText(
      'after',
      `
Examples:
  $ npm run bench -- gateway
  $ npm run bench -- gateway --seconds 2 --runs 1 --wakes 3     a first look, some two minutes
  $ npm run bench -- gateway --json gateway.json

It needs wrk for the rates and nginx for the comparison (apt-get install wrk nginx), and does without what is missing. It
works in a temporary home with a database server of its own and leaves nothing behind.`,
    )
    .action(async ({ json, ...options }: GatewayFlags) => {
      const { benchGateway } = await import('./gateway/gateway.ts');
      const { showGateway } = await import('./gateway/report.ts');
      const { Workspace } = await import('./lab/workspace.ts');
      const workspace = await Workspace.open();
      cleanUpOnSignals(() => workspace.close());
      let result;
      try {
        result = await benchGateway({ ...options, connections: [1, 32, 256] }, workspace);
      } finally {
        await workspace.close();
      }
      await conclude(result, showGateway(result), json);
    });
}

let isCutShort = false;

/** A benchmark that is cut short leaves nothing behind either. Children get a terminal's Ctrl-C by themselves. */
function cleanUpOnSignals(cleanUp: () => Promise<void>): void {
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)
    process.once(signal, () => {
      isCutShort = true;
      void cleanUp()
        .catch(() => releaseServers())
        .finally(() => process.exit(status));
    });
}

const program = new Command('npm run bench --')
  .description('Measures what the platform promises, on this machine, beside the alternatives.')
  .addHelpText('after', '\nFigures depend on the machine: compare only what one command measured in one run.')
  .showHelpAfterError('(--help shows how it is used)')
  .addCommand(migrationCommand())
  .addCommand(authorisationsCommand())
  .addCommand(onboardingCommand())
  .addCommand(gatewayCommand())
  .addCommand(keyedHashesCommand())
  .action(() => program.outputHelp());

try {
  await program.parseAsync();
} catch (error) {
  // What children and connections say when they are ended with us is no news.
  if (!isCutShort) process.exitCode = reportFailure(error, false);
}
