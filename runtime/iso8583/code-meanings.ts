/** What the codes of ISO 8583:1987 say, in words. A code that is not here is shown without any. */
type Meanings = Readonly<Record<string, string>>;

/** Second digit of the message type. */
export const CLASSES: Meanings = {
  1: 'authorisation',
  2: 'financial message',
  3: 'file action',
  4: 'reversal',
  5: 'reconciliation',
  6: 'administrative message',
  7: 'fee collection',
  8: 'network management',
};

/** Third digit of the message type. */
export const FUNCTIONS: Meanings = {
  0: 'request',
  1: 'answer to a request',
  2: 'advice',
  3: 'answer to an advice',
  4: 'notification',
};

/** Last digit of the message type: who began it, and whether it is sent again. */
export const ORIGINS: Meanings = {
  1: 'a repeat',
  2: 'from the issuer',
  3: 'from the issuer, a repeat',
  5: 'a repeat',
};

/** Field 3, first two digits. */
export const PROCESSING: Meanings = {
  '00': 'purchase',
  '01': 'cash',
  '02': 'debit adjustment',
  '09': 'purchase with cash back',
  '20': 'refund',
  '21': 'deposit',
  '22': 'credit adjustment',
  '28': 'payment to the card',
  '30': 'available balance',
  '31': 'balance inquiry',
  '40': 'transfer between accounts',
};

/** Field 3, the other pairs of digits: from which account, to which; also in field 54. */
export const ACCOUNT_TYPES: Meanings = {
  '00': '',
  '10': 'savings account',
  '20': 'checking account',
  '30': 'credit account',
  '40': 'universal account',
};

/** Field 22, first two digits. */
export const ENTRY_MODES: Meanings = {
  '00': 'entry unknown',
  '01': 'typed in',
  '02': 'magnetic stripe',
  '03': 'bar code',
  '05': 'chip',
  '07': 'contactless chip',
  '10': 'card on file',
  '80': 'magnetic stripe after the chip failed',
  '81': 'electronic commerce',
  '90': 'whole magnetic stripe',
  '91': 'contactless magnetic stripe',
  '95': 'chip, its data unreliable',
};

/** Field 22, last digit. */
export const PIN_ENTRY: Meanings = { 1: 'PIN can be entered', 2: 'PIN cannot be entered' };

/** Field 25. */
export const CONDITIONS: Meanings = {
  '00': 'normal',
  '01': 'cardholder not present',
  '02': 'unattended terminal',
  '03': 'merchant suspicious',
  '05': 'cardholder present, card not',
  '06': 'pre-authorised',
  '08': 'mail or telephone order',
  '59': 'electronic commerce',
};

/** Field 39. */
export const RESPONSES: Meanings = {
  '00': 'approved',
  '01': 'refer to the issuer',
  '03': 'invalid merchant',
  '04': 'keep the card',
  '05': 'declined',
  '06': 'error',
  '10': 'approved in part',
  '12': 'invalid transaction',
  '13': 'invalid amount',
  '14': 'unknown card',
  '15': 'unknown issuer',
  '19': 'enter it again',
  '25': 'original not found',
  '30': 'format error',
  '33': 'expired card, keep it',
  '36': 'restricted card, keep it',
  '41': 'lost card',
  '43': 'stolen card',
  '51': 'insufficient funds',
  '52': 'no checking account',
  '53': 'no savings account',
  '54': 'expired card',
  '55': 'wrong PIN',
  '57': 'not permitted to the cardholder',
  '58': 'not permitted to the terminal',
  '59': 'suspected fraud',
  '61': 'over an amount limit',
  '62': 'restricted card',
  '63': 'security violation',
  '65': 'over a count limit',
  '68': 'answer came too late',
  '75': 'too many PIN tries',
  '78': 'card not active',
  '90': 'cutover in process',
  '91': 'issuer not available',
  '92': 'no route to the issuer',
  '94': 'duplicate transmission',
  '96': 'system malfunction',
};

/** Field 54, third and fourth character of each amount. */
export const AMOUNT_TYPES: Meanings = {
  '01': 'ledger balance',
  '02': 'available balance',
  '40': 'cash back',
  '42': 'surcharge',
  '53': 'approved amount',
  '57': 'original amount',
};

/** Field 70. */
export const NETWORK_MANAGEMENT: Meanings = {
  '001': 'sign-on',
  '002': 'sign-off',
  '101': 'key change',
  '201': 'cutover',
  '301': 'echo',
};
