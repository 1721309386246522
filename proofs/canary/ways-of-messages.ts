import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { count } from '#cli/output.ts';
import { Link } from '#runtime/iso8583/link/link.ts';
import { Book } from '#simulators/processor/book.ts';
import { ProcessorServer } from '#simulators/processor/processor-server.ts';
import { endOf, type Running } from '../lab/command.ts';
import type { Lab } from '../lab/lab.ts';
import type { ProofCell } from '../lab/proof-cell.ts';
import type { Report } from '../lab/report.ts';
import { waitFor } from '../lab/wait.ts';
import { BINS, type Canaries } from './canaries.ts';
import { searchDisk } from './places.ts';
import { FAILING_MINOR, type Plan, type Planned } from './planned-messages.ts';
import type { Search } from './search.ts';
import { askFor, postFor, sendNoise } from './send-message.ts';
import { TellingProcessor } from './telling-processor.ts';
import type { Said } from './ways-in.ts';

const ANSWER_MS = 10_000;
const COMMAND_MS = 60_000;
const FOREVER_MS = 3_600_000;
const BUDGET_MS = '400';
const OWN = BINS.short;
const RELAYED = BINS.long;

/** What the messages came to, for people. */
export interface Reached {
  readonly words: readonly string[];
  /** Messages that were answered otherwise than planned: then the proof has not gone where it says. */
  readonly astray: readonly string[];
  /** Card numbers in the hand-back file, which is sealed to the tenant. */
  readonly handedBack: number;
}

/** Fails with the whole row, as text and in every place PostgreSQL has for words about an error. */
const TRIGGER = `
create function proof.fail_message() returns trigger language plpgsql as $$
begin
  raise exception 'this message cannot be kept: %', new using errcode = '53100', detail = new::text, hint = new::text;
end $$;
create trigger proof_fail before insert or update on authorisations.messages
  for each row when (new.amount_minor = ${FAILING_MINOR}) execute function proof.fail_message();
grant usage on schema proof to public;
`;

/** The gate is no matter of this proof: the range is taken over by hand, as a flip would leave it. */
const FLIP = `
update authorisations.ranges set mode = 'own', epoch = 2, flipped_at = now() where prefix = '${RELAYED}';
insert into authorisations.flips (prefix, epoch, direction, operator, approved_by, flipped_at, told_at)
values ('${RELAYED}', 1, 'cutover', 'proof', 'proof', now(), now());
`;

/** Sends the messages to a serving process, while the earlier processor answers, is silent, late, and away. */
export async function sendMessages(about: {
  lab: Lab;
  cell: ProofCell;
  search: Search;
  said: Said[];
  report: Report;
  plan: Plan;
  canaries: Canaries;
  few: boolean;
}): Promise<Reached> {
  const { lab, cell, search, said, report, plan, canaries, few } = about;
  const astray: string[] = [];
  const on = ['--cell', cell.text];
  const end = async (running: Running) => {
    const ended = await endOf(running, COMMAND_MS);
    const command = running.args.slice(0, 2).join(' ');
    if (!ended) throw new Error(`${command} did not end`);
    said.push({ command, output: `${ended.stdout}\n${ended.stderr}` });
    return ended;
  };
  const run = async (...args: string[]) => {
    const ended = await end(lab.start(args));
    if (ended.code !== 0)
      throw new Error(`${args.join(' ')} ended with ${ended.code}: ${ended.stdout}${ended.stderr}`);
    return ended.stdout;
  };
  const book = Book.of({
    createdAtMs: Date.now(),
    tenant: cell.name.tenant,
    environment: cell.name.environment,
    kind: 'full',
    sequence: 1,
    source: 'old-processor',
    binRanges: [OWN, RELAYED],
    cards: plan.earlierCards,
    holds: [],
    tokens: [],
  });
  const processor = await ProcessorServer.start({ processor: new TellingProcessor({ book }) });
  let link: Link | undefined;
  try {
    await run('range', 'set', ...on, '--range', OWN, '--mode', 'own');
    const terms = ['--processor', `127.0.0.1:${processor.port}`, '--budget-ms', BUDGET_MS];
    const standIn = ['--stand-in-amount', '20000', '--stand-in-count', '3'];
    await run('range', 'set', ...on, '--range', RELAYED, ...terms, ...standIn);
    const { token } = JSON.parse(await run('keys', 'token', ...on, '--json')) as { token: string };
    const serving = lab.start(['serve', ...on, '--port', '0', '--json'], {
      RELEVO_MESSAGE_BUDGET_MS: '1500',
    });
    const line = await waitFor(() => serving.said().includes('\n') && serving.said(), { msMax: COMMAND_MS });
    if (!line) throw new Error('relevo serve is not ready');
    const { port, http_port: httpPort } = JSON.parse(line) as { port: number; http_port: number };
    const network = (link = new Link({
      host: '127.0.0.1',
      port,
      framing: 'binary',
      budgetMs: ANSWER_MS,
      inFlightMax: 1_000,
    }));
    if (!(await network.whenUp(ANSWER_MS))) throw new Error('the serving process takes no messages');
    const ask = async (messages: readonly Planned[]) => {
      for (const planned of messages) await askFor(network, planned, astray);
    };
    const waiting = async (condition: string): Promise<number> => {
      const [row] = await lab.ask<{ messages: number }>(
        cell.database,
        `select count(*)::int4 as messages from authorisations.messages where ${condition}`,
      );
      return row.messages;
    };
    const comeTo = async (what: string, isSo: () => Promise<boolean>) => {
      if (!(await waitFor(isSo, { msMax: 20_000, everyMs: 200 }))) astray.push(what);
    };

    await comeTo('the earlier processor is connected', () => Promise.resolve(processor.connections > 0));
    await ask(plan.answering);
    for (const noise of plan.noise) await sendNoise(port, noise);
    for (const planned of plan.http) await postFor(httpPort, token, planned, { said, astray });
    const unfollowed = await waiting(`state = 'unfollowed'`);
    if (unfollowed === 0) astray.push('no message waits for its card');

    processor.deaf(FOREVER_MS);
    await ask(plan.silent);
    const advices = await waiting('advice_due_at is not null');
    if (advices === 0) astray.push('no advice waits');
    const sealed = await waiting('advice_due_at is not null and pan_sealed is not null');
    if (sealed === 0) astray.push('no advice waits with its card number sealed');
    await search.database(lab, cell.database);
    if (!few) await searchDisk(lab, search, join(lab.folder, 'sent'));
    report.progress(`${advices} advices wait; database${few ? '' : ' and disk'} searched`);
    await processor.behave();
    await comeTo('advices are told', async () => (await waiting('advice_due_at is not null')) === 0);
    // After the budget, and well before an echo's budget after that: else the connection is given up first.
    processor.slow(FOREVER_MS, { fixedMs: 1.5 * Number(BUDGET_MS), jitterMs: 0 });
    await ask(plan.late);
    await comeTo('a late answer is noted', async () => (await waiting('late_code is not null')) > 0);
    await processor.behave();

    await lab.ask(cell.database, TRIGGER);
    await ask(plan.failing);
    await lab.ask(cell.database, 'drop trigger proof_fail on authorisations.messages');
    await lab.ask(cell.database, FLIP);
    await ask(plan.afterFlip);
    const kept = await waiting('true');

    for (const format of [[], ['--json']]) {
      await run('authorisations', 'tail', ...on, '--limit', '1000', ...format);
      await run('audit', 'list', ...on, '--limit', '1000', ...format);
      await run('audit', 'verify', ...on, ...format);
      await run('range', 'list', ...on, ...format);
      await end(lab.start(['cutover', 'check', ...on, '--range', RELAYED, ...format]));
    }
    await sleep(6_000); // a hand-back speaks of a moment at which every message is settled
    const folder = join(lab.home, 'handed-back');
    await mkdir(folder);
    const path = join(folder, 'hand-back.csv.gpg');
    await run('cutover', 'hand-back', ...on, '--range', RELAYED, '--out', path, '--json');
    const handedBack = await panCountOf(cell, path, canaries);

    await network.close();
    serving.kill('SIGTERM');
    if (!(await end(serving)).stderr) astray.push('the serving process said nothing of the failing database');
    report.progress(`${kept} messages on record, ${handedBack} card numbers handed back under seal`);
    return {
      words: [
        `${count(kept)} messages on record`,
        `${unfollowed} approved of a card that is not here`,
        `${advices} advices stored and told, ${sealed} of them with a sealed card number`,
      ],
      astray,
      handedBack,
    };
  } finally {
    await link?.close(0);
    await processor.close();
  }
}

/** Canaries in a hand-back file, which rightly holds them: for the tenant alone. */
async function panCountOf(cell: ProofCell, path: string, canaries: Canaries): Promise<number> {
  const text = (await cell.openSealed(path)).toString('latin1');
  return canaries.all.filter(({ kind, value }) => kind === 'pan' && text.includes(value)).length;
}
