/**
 * Field 39 as ISO 8583:1987 and the networks use it: what this side answers, and what the earlier processor may
 * answer, for people who read messages.
 */
export const responseCodes = {
  '00': 'Approved',
  '01': 'Refer to card issuer',
  '03': 'Invalid merchant',
  '04': 'Pick up the card',
  '05': 'Do not honour',
  '06': 'Error',
  '08': 'Approved with identification',
  '10': 'Approved for a part of the amount',
  '11': 'Approved, VIP',
  '12': 'Invalid transaction',
  '13': 'Invalid amount',
  '14': 'No such card number',
  '15': 'No such issuer',
  '19': 'Enter the transaction again',
  '25': 'Original not found',
  '30': 'Format error',
  '39': 'No credit account',
  '40': 'Function not supported',
  '41': 'Lost card, pick up',
  '43': 'Stolen card, pick up',
  '51': 'Not sufficient funds',
  '52': 'No current account',
  '53': 'No savings account',
  '54': 'Expired card',
  '55': 'Wrong PIN',
  '57': 'Not permitted to this card',
  '58': 'Not permitted to this terminal',
  '59': 'Suspected fraud',
  '61': 'Over the amount limit',
  '62': 'Restricted card',
  '63': 'Security violation',
  '65': 'Over the count limit',
  '68': 'Answer came too late',
  '75': 'Too many PIN tries',
  '76': 'Original not found',
  '78': 'Card not activated',
  '82': 'Chip data not verified',
  '85': 'No reason to decline',
  '86': 'PIN cannot be verified',
  '91': 'Issuer unavailable',
  '92': 'No route to the issuer',
  '94': 'Duplicate message',
  '96': 'System malfunction',
} as const;

export type ResponseCode = keyof typeof responseCodes;

interface ReasonDeclaration {
  readonly code: ResponseCode;
  readonly text: string;
}

const declared = <Name extends string>(
  table: Record<Name, ReasonDeclaration>,
): Record<Name, ReasonDeclaration> => table;

/** Why a message gets its code. The words are stable; they are recorded with each decision. */
export const reasons = declared({
  unknown_card: { code: '14', text: 'No card of this number is here.' },
  lost: { code: '41', text: 'The card is reported lost.' },
  stolen: { code: '43', text: 'The card is reported stolen.' },
  closed: { code: '14', text: 'The card is closed.' },
  blocked: { code: '62', text: 'The card is blocked.' },
  damaged: { code: '62', text: 'The card is reported damaged.' },
  inactive: { code: '78', text: 'The card is not activated yet.' },
  expired: { code: '54', text: 'The card has expired, by its status or its date.' },
  expiry_differs: { code: '54', text: 'The message states another expiry than the card has.' },
  wrong_pin: { code: '55', text: 'The security module found the PIN wrong.' },
  pin_not_checked: {
    code: '86',
    text: 'A PIN came, nothing here could check it, and the range asks for that.',
  },
  wrong_chip: { code: '82', text: 'The security module found the chip data wrong.' },
  wrong_currency: { code: '57', text: "The amount is in another currency than the card's account." },
  over_single_amount: { code: '61', text: 'The amount is over the limit of one transaction.' },
  over_daily_amount: { code: '61', text: 'The amount would be over the limit of the day.' },
  over_monthly_amount: { code: '61', text: 'The amount would be over the limit of the month.' },
  over_daily_count: { code: '65', text: 'There would be more transactions than the day allows.' },
  over_monthly_count: { code: '65', text: 'There would be more transactions than the month allows.' },
  category_blocked: { code: '57', text: "The merchant's category is not allowed." },
  country_blocked: { code: '57', text: "The merchant's country is not allowed." },
  insufficient_funds: {
    code: '51',
    text: 'The account cannot cover the amount: posted − held, with the limit for credit.',
  },
  approved: { code: '00', text: 'Nothing speaks against it.' },
  malformed: { code: '30', text: 'A field is missing or cannot be understood.' },
  other_content: { code: '94', text: 'The same message came before with other content.' },
  reversed_ahead: { code: '12', text: 'Its reversal came before it.' },
  nobody_could_decide: {
    code: '91',
    text: 'The earlier processor is silent and stand-in does not cover it.',
  },
  unknown_account: { code: '96', text: 'The card is here and its account is not.' },
  failed: { code: '96', text: 'Something failed on this side.' },
});

export type Reason = keyof typeof reasons;

export const codeOf = (reason: Reason): ResponseCode => reasons[reason].code;

/** What a code of any side means, in words. */
export const responseText = (code: string): string =>
  code in responseCodes ? responseCodes[code as ResponseCode] : 'A code without a common meaning';
