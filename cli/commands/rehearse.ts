import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { readCellFile } from '#delivery/cells/cell-file.ts';
import { addTenant } from '#delivery/local/add-tenant.ts';
import { removeTenant } from '#delivery/local/remove-tenant.ts';
import { Stage } from '#rehearsal/stage.ts';
import { playStory } from '#rehearsal/story.ts';
import { judge } from '#rehearsal/verdict.ts';
import { Refusal } from '#runtime/refusal.ts';
import { sampleCards } from '#simulators/portfolio/sample.ts';
import { withContext } from '../context.ts';
import { EXIT } from '../exit.ts';
import { onInterrupt } from '../interrupt.ts';
import { operatorName } from '../operator.ts';
import { JSON_OUTPUT, wholeNumber } from '../options.ts';
import { count } from '../output.ts';
import { rehearsalDocument, showRehearsal, watchRehearsal } from '../show-rehearsal.ts';

const TENANT = 'rehearsal';

interface Options {
  cards: number;
  rate: number;
  seed: number;
  seconds: number;
  json?: boolean;
}

export function rehearseCommand(): Command {
  return new Command('rehearse')
    .description('the whole handover on this machine, with a simulated earlier processor and card network')
    .option('--cards <n>', 'cards of the earlier processor', wholeNumber(100, 1_000_000), 20_000)
    .option('--rate <n>', 'messages a second, the whole time', wholeNumber(1, 20_000), 300)
    .option('--seed <s>', 'the same seed makes the same cards and purchases', wholeNumber(0, 2 ** 32 - 1), 1)
    .option('--seconds <n>', 'how long a phase lasts that waits for nothing', wholeNumber(1, 3600), 8)
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Examples:
  $ ./relevo rehearse
  $ ./relevo rehearse --cards 20000 --rate 300 --json

Full file, relay with shadow, delta file, gate, cutover, rollback, cutover again; messages are sent from the first
second to the last. It takes its tenant ${TENANT} away first and leaves it as it is in the end, to be looked at:
  $ ./relevo authorisations tail --cell ${TENANT}/production

Exit status: 0 when everything held, 1 otherwise.`,
    )
    .action(rehearse);
}

async function rehearse({ cards, rate, seed, seconds, json = false }: Options): Promise<void> {
  const signal = onInterrupt();
  const startedAt = performance.now();
  await withContext(json, async ({ server, settings, out }) => {
    const home = settings.RELEVO_HOME;
    const folder = join(home, 'rehearsal');
    const operator = operatorName(settings);
    await refuseForeignTenant(home, folder);
    out.say(
      `${count(cards)} cards, ${count(rate)} messages a second, seed ${seed}: tenant ${TENANT} is made anew`,
    );
    await removeTenant(server, home, TENANT, folder);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await addTenant(server, home, TENANT, operator);
    const portfolio = await sampleCards({ seed, cards, tenant: TENANT, environment: 'production' });
    const stage = await Stage.open({
      server,
      home,
      tenant: TENANT,
      environment: { ...process.env, RELEVO_HOME: home },
      folder,
      portfolio,
      rate,
      seed,
      watcher: watchRehearsal(out),
      signal,
      operator,
      windowMessages: Math.min(1000, Math.max(1, rate)),
    });
    try {
      await stage.begin();
      const migrated = await playStory(stage, { cards, seed, seconds });
      out.say('The network pauses; what is under way between both sides comes to its end.');
      const ending = await stage.end();
      const promises = judge(ending, migrated);
      const tookSeconds = (performance.now() - startedAt) / 1000;
      const told = { ending, migrated, promises, seconds: tookSeconds };
      out.result({ cell: stage.cellName, cards, rate, seed, ...rehearsalDocument(told) }, () =>
        showRehearsal(told),
      );
      process.exitCode = promises.every(({ held }) => held) ? EXIT.done : EXIT.failed;
    } finally {
      await stage.close();
    }
  });
}

/** A tenant of this name that a person made is not taken away. */
async function refuseForeignTenant(home: string, folder: string): Promise<void> {
  if (!existsSync(folder) && (await readCellFile(home, { tenant: TENANT, environment: 'production' })))
    throw new Refusal('tenant_not_of_rehearsal', `Tenant ${TENANT} in ${home} was not made by a rehearsal.`, {
      advice: 'Rehearse in a home of its own: RELEVO_HOME=.relevo-rehearsal ./relevo rehearse',
    });
}
