/**
 * Places where the crash proof kills a process, in the order in which a migration passes them.
 * `npm run prove -- crash` goes through this list; naming a place here and calling it is all a new one needs.
 */
export const CRASH_POINTS = [
  'verify:done',
  'load:entered',
  'load:chunk-queued',
  'load:all-queued',
  'load:done',
  'chunk:leased',
  'chunk:parsed',
  'cards:inserted',
  'cards:imported',
  'cardholders:imported',
  'accounts:opened',
  'accounts:stated',
  'holds:placed',
  'holds:imported',
  'tokens:imported',
  'chunk:imported',
  'chunk:recorded',
  'chunk:finished',
  'close:begun',
  'close:result-written',
  'close:recorded',
] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];

/** The same for a flip of a BIN range, in the order in which it passes them. */
export const FLIP_CRASH_POINTS = ['flip:locked', 'flip:changed', 'flip:committed'] as const;
export type FlipCrashPoint = (typeof FLIP_CRASH_POINTS)[number];

/** The same for a message of the network: moved in the ledger, on record, answered by the earlier processor, followed. */
export const MESSAGE_CRASH_POINTS = [
  'message:moved',
  'message:recorded',
  'message:answered',
  'message:followed',
] as const;
export type MessageCrashPoint = (typeof MESSAGE_CRASH_POINTS)[number];

/** The same for a tenant on its way in: what is there when a run dies must not keep the next one from finishing. */
export const ONBOARDING_CRASH_POINTS = [
  'tenant:declared',
  'cell:file-written',
  'cell:roles-made',
  'cell:database-made',
  'cell:database-closed',
  'cell:schemas-made',
  'cell:data-keys-made',
  'cell:trail-begun',
  'cell:key-made',
  'tenant:cells-made',
  'tenant:in-service',
] as const;
export type OnboardingCrashPoint = (typeof ONBOARDING_CRASH_POINTS)[number];

/** And for platform.yaml being applied to tenants that are here already. */
export const APPLY_CRASH_POINTS = ['apply:told', 'apply:terms-written', 'apply:tenant-done'] as const;
export type ApplyCrashPoint = (typeof APPLY_CRASH_POINTS)[number];

/** The same for a backup: whole and read back, on the trail. For a restore, and for the removal of a tenant. */
export const BACKUP_CRASH_POINTS = ['backup:written', 'backup:told'] as const;
export const RESTORE_CRASH_POINTS = [
  'restore:database-made',
  'restore:table-loaded',
  'restore:loaded',
  'restore:checked',
  'restore:told',
  'restore:swapping',
  'restore:swapped',
  'restore:former-dropped',
] as const;
export const REMOVAL_CRASH_POINTS = [
  'removal:begun',
  'removal:exported',
  'removal:inventory-written',
  'removal:database-dropped',
  'removal:roles-dropped',
  'removal:files-removed',
  'removal:keys-set-aside',
  'removal:keys-destroyed',
  'removal:certificate-written',
  'removal:certificate-signed',
] as const;
export type DeliveryCrashPoint =
  | (typeof BACKUP_CRASH_POINTS)[number]
  | (typeof RESTORE_CRASH_POINTS)[number]
  | (typeof REMOVAL_CRASH_POINTS)[number];

/** `RELEVO_CRASH_AT=cards:imported#3`: the third time this process comes there. Set by the crash proof alone. */
const [place, times] = (process.env['RELEVO_CRASH_AT'] ?? '').split('#');
let left = Number(times ?? 1);

/** Does nothing, unless this is the place and the time at which the crash proof wants this process to die. */
export function crashPoint(
  here:
    | CrashPoint
    | FlipCrashPoint
    | MessageCrashPoint
    | OnboardingCrashPoint
    | ApplyCrashPoint
    | DeliveryCrashPoint,
): void {
  if (here === place && --left === 0) process.kill(process.pid, 'SIGKILL');
}
