import { Command, Option } from 'commander';
import { openAudit } from '#delivery/cells/open-audit.ts';
import { type Cell, openVault } from '#delivery/cells/open-cell.ts';
import { Refusal } from '#runtime/refusal.ts';
import { cardIdOf } from '#services/authorisations/controls/card-id.ts';
import { compareDraft, type Comparison } from '#services/authorisations/controls/compare-draft.ts';
import { controlsWords } from '#services/authorisations/controls/controls-words.ts';
import { parseControls } from '#services/authorisations/controls/parse-controls.ts';
import {
  type ControlVersion,
  draftOf,
  listControls,
  promoteDraft,
  setControls,
  type Subject,
  type TellOfVersion,
} from '#services/authorisations/controls/store.ts';
import { responseText } from '#services/authorisations/request/response-codes.ts';
import { type Context, withCell, withContext } from '../context.ts';
import { operatorName } from '../operator.ts';
import { CELL, JSON_OUTPUT } from '../options.ts';
import { count, day, table } from '../output.ts';

interface SubjectFlags {
  cell: string;
  card?: string;
  product?: string;
  json?: boolean;
}

/** The flag of each control, and the control it sets. */
const FLAGS = {
  single: { path: 'singleMinor', value: '<minor>', text: 'the most one transaction may amount to' },
  dailyAmount: { path: 'dailyMinor', value: '<minor>', text: 'the most a UTC day may amount to' },
  dailyCount: { path: 'dailyCount', value: '<n>', text: 'transactions in a UTC day' },
  monthlyAmount: { path: 'monthlyMinor', value: '<minor>', text: 'the most a UTC month may amount to' },
  monthlyCount: { path: 'monthlyCount', value: '<n>', text: 'transactions in a UTC month' },
  blockMcc: {
    path: 'categories.blocked',
    value: '<list>',
    text: 'merchant categories to decline: 7995,5933-5937',
  },
  onlyMcc: { path: 'categories.only', value: '<list>', text: 'merchant categories to allow, and no other' },
  blockCountry: { path: 'countries.blocked', value: '<list>', text: 'countries to decline: KP,364' },
  onlyCountry: { path: 'countries.only', value: '<list>', text: 'countries to allow, and no other' },
} as const;

type ControlFlags = { readonly [Name in keyof typeof FLAGS]?: string };

const dashed = (name: string): string =>
  `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

const flagOf = new Map(Object.entries(FLAGS).map(([name, { path }]) => [path as string, dashed(name)]));

export function controlsCommand(): Command {
  const controls = new Command('controls').description(
    'spend controls of cards and products: limits, merchant categories, countries',
  );
  const set = withSubject(
    controls
      .command('set')
      .description(
        'sets the controls of a card or product, in place of those it had; what is left out is unlimited',
      ),
  );
  for (const [name, { value, text }] of Object.entries(FLAGS)) set.option(`${dashed(name)} ${value}`, text);
  set
    .addOption(new Option('--none', 'no limit at all: lifts what was set').conflicts(Object.keys(FLAGS)))
    .option('--draft', 'judge it beside the active controls and record its verdicts; it decides nothing')
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      `
Examples:
  $ ./relevo controls set --cell andina/production --product classic-debit --single 50000 --block-mcc 7995,5933-5937
  $ ./relevo controls set --cell andina/production --card C-1001 --daily-count 10 --only-country PE,CL --draft

Amounts are minor units: 12.50 is 1250. Of card, product and portfolio the strictest limit holds.`,
    )
    .action(setThem);
  withSubject(
    controls
      .command('list')
      .description('lists controls that are active or drafts, for all cards and products or for one'),
    false,
  )
    .option('--retired', 'the versions that others took the place of, too')
    .option(...JSON_OUTPUT)
    .addHelpText('after', '\nExample:\n  $ ./relevo controls list --cell andina/production')
    .action(list);
  withSubject(
    controls
      .command('compare')
      .description(
        'sets the verdicts of a draft against those of the active controls, since the draft was made',
      ),
  )
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      '\nExample:\n  $ ./relevo controls compare --cell andina/production --product classic-debit',
    )
    .action(compare);
  withSubject(controls.command('promote').description('makes the draft the controls that decide'))
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      '\nExample:\n  $ ./relevo controls promote --cell andina/production --product classic-debit',
    )
    .action(promote);
  return controls;
}

function withSubject(command: Command, required = true): Command {
  const whose = required ? ', or' : '';
  return command
    .requiredOption(...CELL)
    .addOption(new Option('--card <id>', `external id of a card${whose}`).conflicts('product'))
    .option('--product <name>', 'a product, as card lines name it');
}

/** What the command's words name, and whether cards of it are here. */
interface Named extends Subject {
  readonly name: string;
  readonly isHere: boolean;
}

const IDENTIFIER = /^[A-Za-z0-9._-]{1,64}$/;

async function subjectOf(cell: Cell, { card, product }: SubjectFlags): Promise<Named> {
  const name = card ?? product;
  if (name === undefined)
    throw new Refusal('whose_controls', 'Neither a card nor a product is named.', {
      advice: 'Add --card with its external id, or --product with its name.',
    });
  if (!IDENTIFIER.test(name))
    throw new Refusal('bad_subject', `${JSON.stringify(name)} cannot name a card or product.`, {
      advice: 'Names are 1 to 64 of A-Z, a-z, 0-9 and "._-", as in the portfolio.',
    });
  const reporting = cell.connect('reporting', 1);
  if (card === undefined) {
    const [{ isHere }] = await reporting.rows<{ isHere: boolean }>`
      select exists (select from reporting.cards where product = ${name}) as "isHere"`;
    return { scope: 'product', subject: name, name, isHere };
  }
  const subject = cardIdOf(await openVault(cell, cell.connect('authorisations', 1)), card);
  const [known] = await reporting.rows`select from reporting.cards where card_id = ${subject}::uuid`;
  if (!known)
    throw new Refusal('unknown_card', `No card ${card} is here.`, {
      advice: 'Name it by the external id that its line of the portfolio has.',
    });
  return { scope: 'card', subject, name, isHere: true };
}

/** A subject as people know it. */
const wordsOf = ({ scope, name }: { scope: string; name: string }): string => `${scope} ${name}`;

const documentOf = (name: string, each: ControlVersion) => ({
  [each.scope]: name,
  version: each.version,
  state: each.state,
  controls: each.rules,
  set_at: each.setAt,
  promoted_at: each.promotedAt,
});

/** The longest text of controls that goes into the audit trail; the version has them whole. */
const AUDITED_LENGTH_MAX = 1000;

/** A way to write down, before it is committed, what is done. */
async function openTrail(cell: Cell, { settings }: Context) {
  const actor = operatorName(settings);
  const audit = await openAudit(cell, 'authorisations');
  return (action: string): TellOfVersion =>
    ({ scope, subject, version, state, rules }) => {
      const controls = controlsWords(rules).slice(0, AUDITED_LENGTH_MAX);
      const entry = { actor, action, subject: `${scope} ${subject}`, details: { version, state, controls } };
      return audit.appendEntries([entry]);
    };
}

/** What the flags say, as `parseControls` reads it: what is no number stays text, for it to find fault with. */
function inputOf(flags: ControlFlags): unknown {
  const number = (text: string | undefined) =>
    text !== undefined && /^\d+$/.test(text) ? Number(text) : text;
  const list = (text: string | undefined) => text?.split(',').filter((each) => each.trim() !== '');
  return {
    singleMinor: number(flags.single),
    dailyMinor: number(flags.dailyAmount),
    dailyCount: number(flags.dailyCount),
    monthlyMinor: number(flags.monthlyAmount),
    monthlyCount: number(flags.monthlyCount),
    categories: { blocked: list(flags.blockMcc), only: list(flags.onlyMcc) },
    countries: { blocked: list(flags.blockCountry), only: list(flags.onlyCountry) },
  };
}

type SetFlags = SubjectFlags & ControlFlags & { none?: boolean; draft?: boolean };

async function setThem({ json = false, none = false, draft = false, ...flags }: SetFlags): Promise<void> {
  const controls = parseControls(inputOf(flags), (path) => flagOf.get(path) ?? path);
  if (!none && Object.keys(controls).length === 0)
    throw new Refusal('no_controls', 'No control is given.', {
      advice: 'Give at least one, such as --single 50000, or --none to lift what was set.',
    });
  await withContext(json, (context) =>
    withCell(context, flags.cell, async (cell) => {
      const named = await subjectOf(cell, flags);
      const { scope, subject } = named;
      const writeDown = await openTrail(cell, context);
      const state = draft ? 'draft' : 'active';
      const db = cell.connect('authorisations', 1);
      const made = await setControls(db, { scope, subject, controls, state }, writeDown('controls.set'));
      const document = {
        cell: flags.cell,
        ...documentOf(named.name, made),
        changed: made.changed,
        cards_here: named.isHere,
      };
      context.out.result(document, () => showSet(named, made));
    }),
  );
}

function showSet(named: Named, made: ControlVersion & { changed: boolean }): string {
  const what = `Version ${made.version} for ${wordsOf(named)}: ${controlsWords(made.rules)}.`;
  const effect =
    made.state === 'draft'
      ? 'It is a draft: from now on its verdicts are recorded beside those of the active controls.'
      : 'It is active; every process follows it within a second.';
  return [
    what,
    made.changed
      ? effect
      : `It was here already, as ${made.state === 'draft' ? 'the draft' : 'the active one'}.`,
    ...(named.isHere ? [] : ['No card of this product is here yet.']),
  ].join('\n');
}

async function list({ json = false, retired = false, ...flags }: SubjectFlags & { retired?: boolean }) {
  await withContext(json, (context) =>
    withCell(context, flags.cell, async (cell) => {
      const only = (flags.card ?? flags.product) ? await subjectOf(cell, flags) : null;
      const states = ['active', 'draft', ...(retired ? ['retired'] : [])] as ControlVersion['state'][];
      const all = (await listControls(cell.connect('authorisations', 1), states)).filter(
        (each) => !only || (each.scope === only.scope && each.subject === only.subject),
      );
      const names = await cardNames(cell, all);
      const nameOf = (each: ControlVersion) => names.get(each.subject) ?? each.subject;
      context.out.result(
        { cell: flags.cell, controls: all.map((each) => documentOf(nameOf(each), each)) },
        () =>
          all.length === 0
            ? 'No controls are set. See: ./relevo controls set --help'
            : table(
                [
                  { title: 'whose' },
                  { title: 'version', right: true },
                  { title: 'state' },
                  { title: 'since' },
                  { title: 'controls' },
                ],
                all.map((each) => [
                  wordsOf({ scope: each.scope, name: nameOf(each) }),
                  String(each.version),
                  each.state,
                  day(each.promotedAt ?? each.setAt),
                  controlsWords(each.rules),
                ]),
              ),
      );
    }),
  );
}

/** External ids of the cards among the subjects. */
async function cardNames(cell: Cell, versions: readonly ControlVersion[]): Promise<Map<string, string>> {
  const ids = versions.filter(({ scope }) => scope === 'card').map(({ subject }) => subject);
  if (ids.length === 0) return new Map();
  const rows = await cell.connect('reporting', 1).rows<{ id: string; name: string }>`
    select card_id as id, external_card_id as name from reporting.cards where card_id = any(${ids}::uuid[])`;
  return new Map(rows.map(({ id, name }) => [id, name]));
}

async function compare({ json = false, ...flags }: SubjectFlags): Promise<void> {
  await withContext(json, (context) =>
    withCell(context, flags.cell, async (cell) => {
      const named = await subjectOf(cell, flags);
      const draft = await draftOf(cell.connect('authorisations', 1), named);
      if (!draft)
        throw new Refusal('no_draft', `There is no draft for ${wordsOf(named)} to compare.`, {
          advice: 'Make one with relevo controls set --draft.',
        });
      const compared = await compareDraft(cell.connect('reporting', 1), draft);
      const document = {
        cell: flags.cell,
        ...documentOf(named.name, draft),
        messages: compared.messages,
        same: compared.same,
        draft_declines: compared.draftDeclines,
        draft_approves: compared.draftApproves,
        differences: compared.differences.map((each) => ({
          own_code: each.ownCode,
          draft_code: each.draftCode,
          messages: each.messages,
        })),
      };
      context.out.result(document, () => showComparison(named, draft, compared));
    }),
  );
}

function showComparison(named: Named, draft: ControlVersion, compared: Comparison): string {
  const head = `Draft ${draft.version} for ${wordsOf(named)}, since ${day(draft.setAt)}: ${controlsWords(draft.rules)}.`;
  if (compared.messages === 0) return `${head}\nNo message of its cards has come since.`;
  const sums = [
    `${count(compared.messages)} messages, ${count(compared.same)} with the same answer;`,
    `the draft would decline ${count(compared.draftDeclines)} that were approved`,
    `and approve ${count(compared.draftApproves)} that were declined.`,
  ].join(' ');
  if (compared.differences.length === 0) return `${head}\n${sums}`;
  const rows = compared.differences.map(({ ownCode, draftCode, messages }) => [
    `${ownCode} ${responseText(ownCode)}`,
    `${draftCode} ${responseText(draftCode)}`,
    count(messages),
  ]);
  const columns = [{ title: 'answered' }, { title: 'the draft' }, { title: 'messages', right: true }];
  return `${head}\n${sums}\n\n${table(columns, rows)}`;
}

async function promote({ json = false, ...flags }: SubjectFlags): Promise<void> {
  await withContext(json, (context) =>
    withCell(context, flags.cell, async (cell) => {
      const named = await subjectOf(cell, flags);
      const writeDown = await openTrail(cell, context);
      const db = cell.connect('authorisations', 1);
      const promoted = await promoteDraft(db, named, writeDown('controls.promoted'));
      context.out.result({ cell: flags.cell, ...documentOf(named.name, promoted) }, () =>
        [
          `Version ${promoted.version} for ${wordsOf(named)} is active: ${controlsWords(promoted.rules)}.`,
          'Every process follows it within a second.',
        ].join('\n'),
      );
    }),
  );
}
