import { errors } from '#declare/errors.ts';

/** Why a range is not flipped, or an approval or a hand-back file not taken or given. */
export const cutoverErrors = errors({
  nothing_to_cut_over: { retry: 'never', text: 'The range is own already.' },
  nothing_to_roll_back: { retry: 'never', text: 'The range is relayed to its earlier processor already.' },
  cards_issued_here: {
    retry: 'after_change',
    text: 'Cards were issued here that the earlier processor does not know; they have to be handed back first.',
  },
  gate_red: { retry: 'after_change', text: 'A check of the gate is red.' },
  not_approved: { retry: 'after_change', text: 'Two different operators have to approve a flip.' },
  own_request: {
    retry: 'never',
    text: 'The operator has approved this flip already; another one has to be the second.',
  },
  flip_lost_race: {
    retry: 'never',
    text: 'Another flip of the range came first; the approvals were for the time before.',
  },
  range_busy: {
    retry: 'same_key',
    text: 'Messages of the range would have had to wait for too long; nothing was changed.',
  },
  nothing_to_hand_back: {
    retry: 'never',
    text: 'Nothing of the range has changed here that a file could tell of.',
  },
  tenant_key_missing: {
    retry: 'after_change',
    text: 'No key of the tenant is here that a file could be sealed to.',
  },
});
