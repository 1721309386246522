import { Command, CommanderError } from 'commander';
import { pc } from '#cli/colours.ts';
import { proofs } from './proofs.ts';
import { type Options, type Proof, prove } from './prove.ts';

const program = new Command('npm run prove --')
  .description('Proofs that anybody can run. Each makes a home of its own and leaves nothing behind.')
  .addHelpText(
    'after',
    `
Examples:
  $ npm run prove                            the list
  $ npm run prove -- crash
  $ npm run prove -- crash --kills 200 --seed 7
  $ npm run prove -- canary --json

Exit status: 0 the promise held; 1 it did not; 2 not understood. RELEVO_DATABASE_URL names a PostgreSQL server
of your own; without it each proof starts an embedded one. proofs/README.md explains them.`,
  )
  .action(list);

function list(): void {
  process.stdout.write(`Proofs (npm run prove -- NAME --help tells more):\n\n`);
  for (const { name, promise, takes, example } of proofs)
    process.stdout.write(
      `  ${pc.bold(name.padEnd(8))} ${promise}\n           ${pc.dim(`${takes}; ${example}`)}\n\n`,
    );
}

for (const proof of proofs) {
  const command = program
    .command(proof.name)
    .description(`${proof.promise} (${proof.takes})`)
    .option('--json', 'one JSON document on standard output')
    .addHelpText(
      'after',
      `\n${proof.about}\n\nExamples:\n  $ ${proof.example}\n  $ npm run prove -- ${proof.name} --json`,
    );
  for (const option of proof.options) command.addOption(option);
  command.action((options: Options & { json?: boolean }) => run(proof, options));
}

async function run(proof: Proof, { json = false, ...options }: Options & { json?: boolean }): Promise<void> {
  process.exitCode = await prove(proof, options, json);
}

program.exitOverride();
for (const command of program.commands) command.exitOverride();
try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
