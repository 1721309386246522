import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import { EXIT } from './exit.ts';

/** Where each command lives. Only the one that is called is loaded: a worker has no use for the others. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  demo: async () => (await import('./commands/demo.ts')).demoCommand(),
  plan: async () => (await import('./commands/plan.ts')).planCommand(),
  apply: async () => (await import('./commands/apply.ts')).applyCommand(),
  tenant: async () => (await import('./commands/tenant.ts')).tenantCommand(),
  client: async () => (await import('./commands/client.ts')).clientCommand(),
  keys: async () => (await import('./commands/keys.ts')).keysCommand(),
  portfolio: async () => (await import('./commands/portfolio.ts')).portfolioCommand(),
  migrate: async () => (await import('./commands/migrate.ts')).migrateCommand(),
  worker: async () => (await import('./commands/worker.ts')).workerCommand(),
  serve: async () => (await import('./commands/serve.ts')).serveCommand(),
  up: async () => (await import('./commands/up.ts')).upCommand(),
  controls: async () => (await import('./commands/controls.ts')).controlsCommand(),
  range: async () => (await import('./commands/range.ts')).rangeCommand(),
  cutover: async () => (await import('./commands/cutover.ts')).cutoverCommand(),
  authorisations: async () => (await import('./commands/authorisations.ts')).authorisationsCommand(),
  backup: async () => (await import('./commands/backup.ts')).backupCommand(),
  restore: async () => (await import('./commands/restore.ts')).restoreCommand(),
  audit: async () => (await import('./commands/audit.ts')).auditCommand(),
  rehearse: async () => (await import('./commands/rehearse.ts')).rehearseCommand(),
  simulate: async () => (await import('./commands/simulate.ts')).simulateCommand(),
  iso8583: async () => (await import('./commands/iso8583.ts')).iso8583Command(),
  describe: async () => (await import('./commands/describe.ts')).describeCommand(),
};

const { reportFailure } = await import('./failure.ts');
const { releaseServers } = await import('#runtime/postgres/server.ts');

const { version } = createRequire(import.meta.url)('../package.json') as { version: string };

/** The program with all its commands, or with the one that is named. */
export async function buildProgram(only?: string): Promise<Command> {
  const program = new Command('relevo')
    .description('Hands over a running card portfolio from an earlier processor, with closed books.')
    .version(version)
    .addHelpText(
      'after',
      `
Start here:
  $ ./relevo demo                                    the main job, live, on this machine
  $ ./relevo tenant add andina                       a tenant with its three cells
  $ ./relevo portfolio validate FILE --cell andina/production
  $ ./relevo migrate start FILE --cell andina/production --wait

Exit status: 0 done and reconciled; 2 refused or not understood; 3 done, but dead letters wait;
4 plan found something to change; 1 anything else.
State is kept under RELEVO_HOME (default .relevo); RELEVO_DATABASE_URL names a PostgreSQL server of your own.`,
    );
  const names = only && only in COMMANDS ? [only] : Object.keys(COMMANDS);
  for (const name of names) program.addCommand(await COMMANDS[name]());
  return program;
}

/** A terminal's Ctrl-C ends a command at once, but not before it has left the database server in order. */
function leaveInOrder(signal: NodeJS.Signals, status: number): void {
  process.once(signal, () => {
    void releaseServers().finally(() => process.exit(status));
  });
}

/** Whoever reads may stop reading: `relevo migrate list | head` is no failure. */
function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    void releaseServers().finally(() => process.exit(EXIT.done));
  });
}

async function main(): Promise<void> {
  leaveInOrder('SIGHUP', 129);
  endWithReader();
  const json = process.argv.includes('--json');
  const program = await buildProgram(process.argv[2]);
  const commands = [program];
  for (let command = commands.pop(); command; command = commands.pop()) {
    command.exitOverride().showHelpAfterError('(add --help to see how it is used)');
    commands.push(...command.commands);
  }
  try {
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      const asked = ['commander.helpDisplayed', 'commander.help', 'commander.version'].includes(error.code);
      process.exitCode = asked ? EXIT.done : EXIT.refused;
      if (json && !asked)
        process.stdout.write(
          `${JSON.stringify({ error: { code: 'bad_usage', message: error.message } }, null, 2)}\n`,
        );
      return;
    }
    process.exitCode = reportFailure(error, json);
  }
}

if (import.meta.main) await main();
