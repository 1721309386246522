import { Refusal } from '#runtime/refusal.ts';

export const notABackup = (path: string): Refusal =>
  new Refusal('not_a_backup', `${path} is not a backup of a cell.`, {
    advice: 'Give the file that relevo backup has written.',
  });

export const cutOff = (path: string): Refusal =>
  new Refusal('backup_cut_off', `The backup ${path} is cut off: its end is missing.`, {
    advice: 'Copy it again from where it was kept, or take another backup. Nothing was touched.',
  });

export const altered = (path: string): Refusal =>
  new Refusal('backup_altered', `The backup ${path} is not as it was written: a part of it was altered.`, {
    advice: 'Copy it again from where it was kept, or take another backup. Nothing was touched.',
  });
