import { errors } from '#declare/errors.ts';

/** Why a BIN range is not set. All that apply are told together; the code is that of the first. */
export const rangeErrors = errors({
  bad_range: { retry: 'after_change', text: 'A BIN range is named by 6 to 8 digits.' },
  range_nested: {
    retry: 'after_change',
    text: 'The range lies within another one, or another one within it.',
  },
  bad_range_setting: { retry: 'after_change', text: 'A setting of a BIN range breaks its rule.' },
  mode_by_cutover: {
    retry: 'never',
    text: 'Who decides about a range that has an earlier processor is changed by a cutover or rollback alone.',
  },
  processor_missing: {
    retry: 'after_change',
    text: 'The range has no earlier processor to relay to or to roll back to.',
  },
  unknown_range: { retry: 'after_change', text: 'The cell has no such BIN range.' },
  range_in_use: {
    retry: 'after_change',
    text: 'Cards or messages of the range are here; it cannot be removed.',
  },
});
export type RangeErrorCode = keyof typeof rangeErrors;
