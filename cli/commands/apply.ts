import { createInterface } from 'node:readline/promises';
import { Command } from 'commander';
import { type AppliedTenant, applyPlatform, planPlatform } from '#delivery/platform/apply-platform.ts';
import { readPlatformFile } from '#delivery/platform/parse-platform.ts';
import { hasWork } from '#delivery/platform/plan-changes.ts';
import { Refusal } from '#runtime/refusal.ts';
import { withContext } from '../context.ts';
import { operatorName } from '../operator.ts';
import { JSON_OUTPUT, PLATFORM_FILE } from '../options.ts';
import { count, table } from '../output.ts';
import { planDocument, showPlan } from '../show-plan.ts';

interface Options {
  file: string;
  yes?: boolean;
  json?: boolean;
}

export function applyCommand(): Command {
  return new Command('apply')
    .description('makes what platform.yaml declares: shows the plan, asks, and does it step by step')
    .option(...PLATFORM_FILE)
    .option('--yes', 'do not ask')
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Examples:
  $ ./relevo apply
  $ ./relevo apply --file docs/examples/platform.yaml --yes --json

Nothing is ever removed. Cut short, it goes on when it is run again. Each cell that is changed has an entry in its
audit trail.`,
    )
    .action(apply);
}

async function apply({ file, yes = false, json = false }: Options): Promise<void> {
  const declared = await readPlatformFile(file);
  await withContext(json, async ({ server, settings, out }) => {
    const home = settings.RELEVO_HOME;
    const operator = operatorName(settings);
    const agreed = await planPlatform(server, home, declared);
    out.say(showPlan(agreed));
    out.say();
    const applied: AppliedTenant[] = [];
    if (hasWork(agreed)) {
      if (!yes) await ask(json);
      const onDone = (tenant: AppliedTenant) => {
        applied.push(tenant);
        out.say(
          `  ${tenant.tenant}: ${tenant.steps.map(({ step, ms }) => `${step} ${ms.toFixed(0)} ms`).join(', ')}`,
        );
      };
      await applyPlatform(server, home, declared, { operator, agreed, onDone });
    }
    out.result({ file, plan: planDocument(agreed), applied }, () =>
      applied.length === 0
        ? 'Nothing to change: what is declared is what is here.'
        : `\n${showApplied(applied)}`,
    );
  });
}

async function ask(json: boolean): Promise<void> {
  if (json || !process.stdin.isTTY)
    throw new Refusal('not_confirmed', 'Nobody is here to agree to the plan; nothing was changed.', {
      advice: 'Look at it with relevo plan, then run: relevo apply --yes',
    });
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question('Apply this? Only "yes" is yes: ');
    if (answer.trim() === 'yes') return;
  } finally {
    terminal.close();
  }
  throw new Refusal('not_confirmed', 'The plan was not agreed to; nothing was changed.');
}

function showApplied(applied: readonly AppliedTenant[]): string {
  const cells = applied.flatMap((tenant) => tenant.cells);
  const changed = applied.reduce((sum, tenant) => sum + tenant.changed.length, 0);
  const rows = cells.map(({ cell, outcome, host, steps }) => [
    cell,
    outcome,
    host,
    steps.reduce((sum, { ms }) => sum + ms, 0).toFixed(0),
  ]);
  const shown = table(
    [{ title: 'cell' }, { title: 'was' }, { title: 'host' }, { title: 'ms', right: true }],
    rows,
  );
  return [
    ...(rows.length > 0 ? [shown, ''] : []),
    `Done: ${count(cells.length)} cells made or put right, the terms of ${count(changed)} changed.`,
  ].join('\n');
}
