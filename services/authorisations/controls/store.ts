import type { Database, Tx } from '#runtime/database/database.ts';
import { Refusal } from '#runtime/refusal.ts';
import type { Controls } from './controls.ts';

/**
 * Controls of a subject come in versions, and a version is never edited.
 *
 *   draft    judged beside the active one; its verdicts are recorded and decide nothing
 *   active   decides
 *   retired  was one of these until another version took its place
 *
 * `setControls` makes a version active, or a draft; `promoteDraft` makes the draft active. Of each subject at most one
 * version is active and one a draft.
 */
export type ControlState = 'draft' | 'active' | 'retired';

/** A card by its id, or a product by its name. */
export interface Subject {
  readonly scope: 'card' | 'product';
  readonly subject: string;
}

export interface ControlVersion extends Subject {
  readonly version: number;
  readonly state: ControlState;
  readonly rules: Controls;
  readonly setAt: Date;
  readonly promotedAt: Date | null;
}

/** One change at a time, so that versions rise and none is lost. */
const takeTurn = (tx: Tx) => tx.run`
  select pg_advisory_xact_lock(hashtext('authorisations controls'))`;

const retire = (tx: Tx, { scope, subject }: Subject, state: ControlState) => tx.run`
  update authorisations.controls set state = 'retired'
   where scope = ${scope} and subject = ${subject} and state = ${state}`;

export interface SetControls extends Subject {
  readonly controls: Controls;
  readonly state: 'draft' | 'active';
}

/** Told of a version before it is committed: what cannot be written down is not done. */
export type TellOfVersion = (version: ControlVersion) => Promise<unknown>;

/** Makes a version of these controls; says `changed: false` where the one in its place says the same. */
export const setControls = (
  db: Database,
  { scope, subject, controls, state }: SetControls,
  tell?: TellOfVersion,
): Promise<ControlVersion & { readonly changed: boolean }> =>
  db.transaction(async (tx) => {
    await takeTurn(tx);
    const rules = JSON.stringify(controls);
    const [same] = await tx.rows<ControlVersion>`
      select scope, subject, version, state, rules, set_at as "setAt", promoted_at as "promotedAt"
        from authorisations.controls
       where scope = ${scope} and subject = ${subject} and state = ${state} and rules = ${rules}::jsonb`;
    if (same) return { ...same, changed: false };
    await retire(tx, { scope, subject }, state);
    const [made] = await tx.rows<ControlVersion>`
      insert into authorisations.controls (scope, subject, version, state, rules)
      select ${scope}, ${subject}, coalesce(max(version), 0) + 1, ${state}, ${rules}::jsonb
        from authorisations.controls where scope = ${scope} and subject = ${subject}
      returning scope, subject, version, state, rules, set_at as "setAt", promoted_at as "promotedAt"`;
    await tell?.(made);
    return { ...made, changed: true };
  });

/** The draft decides from now on. */
export const promoteDraft = (
  db: Database,
  { scope, subject }: Subject,
  tell?: TellOfVersion,
): Promise<ControlVersion> =>
  db.transaction(async (tx) => {
    await takeTurn(tx);
    if (!(await draftOf(tx, { scope, subject })))
      throw new Refusal('no_draft', 'There is no draft of these controls to promote.', {
        advice: 'Make one with relevo controls set --draft, and compare it before it is promoted.',
      });
    await retire(tx, { scope, subject }, 'active');
    const [promoted] = await tx.rows<ControlVersion>`
      update authorisations.controls set state = 'active', promoted_at = now()
       where scope = ${scope} and subject = ${subject} and state = 'draft'
      returning scope, subject, version, state, rules, set_at as "setAt", promoted_at as "promotedAt"`;
    await tell?.(promoted);
    return promoted;
  });

async function versionOf(
  tx: Tx,
  { scope, subject }: Subject,
  state: ControlState,
): Promise<ControlVersion | null> {
  const [found] = await tx.rows<ControlVersion>`
    select scope, subject, version, state, rules, set_at as "setAt", promoted_at as "promotedAt"
      from authorisations.controls
     where scope = ${scope} and subject = ${subject} and state = ${state}`;
  return found ?? null;
}

export const draftOf = (tx: Tx, subject: Subject) => versionOf(tx, subject, 'draft');

/** The version that decides. */
export const activeControls = (tx: Tx, subject: Subject) => versionOf(tx, subject, 'active');

/** Every version, the newest of a subject first. */
export const listControls = (tx: Tx, states: readonly ControlState[]) => tx.rows<ControlVersion>`
  select scope, subject, version, state, rules, set_at as "setAt", promoted_at as "promotedAt"
    from authorisations.controls
   where state = any(${states})
   order by scope desc, subject, version desc`;

/** What is needed to decide: the versions that are active or drafts. */
export const controlsInForce = (tx: Tx) => tx.rows<Omit<ControlVersion, 'setAt' | 'promotedAt'>>`
  select scope, subject, version, state, rules from authorisations.controls where state <> 'retired'`;

/**
 * A text that is another one after every change: each makes a version or promotes one, and neither is ever taken
 * back.
 */
export async function controlsMark(tx: Tx): Promise<string> {
  const [{ mark }] = await tx.rows<{ mark: string }>`
    select count(*) || ' ' || count(promoted_at) as mark from authorisations.controls`;
  return mark;
}
