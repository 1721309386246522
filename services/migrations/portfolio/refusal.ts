import type { Figure } from './trailer.ts';

/** The refusals of a whole file that its plaintext alone decides, in the contract's order of precedence. */
export type PlaintextRefusal =
  | { readonly code: 'bad_header'; readonly field?: string; readonly detail: string }
  | { readonly code: 'unsupported_version'; readonly detail: string }
  | { readonly code: 'missing_trailer'; readonly detail: string }
  | {
      readonly code: 'control_totals_mismatch';
      readonly detail: string;
      /** Every figure of the trailer, also those that agree. */
      readonly figures: readonly Figure[];
    };

export type PlaintextRefusalCode = PlaintextRefusal['code'];
