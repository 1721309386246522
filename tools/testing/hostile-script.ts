import fc from 'fast-check';

/** Few ids, so that lines get in each other's way as often as can be. */
const among = (...choices: string[]) => fc.constantFrom(...choices);
/** Mostly nothing; now and then one of these. */
const rarely = (...choices: string[]) =>
  fc.oneof({ weight: 12, arbitrary: fc.constant('') }, { weight: 1, arbitrary: among(...choices) });

const words = (...parts: fc.Arbitrary<string>[]) =>
  fc.tuple(...parts).map((chosen) => chosen.filter((part) => part !== '').join(' '));

const card = words(
  among('c1', 'c2', 'c3', 'c4').map((id) => `card ${id}`),
  among('v=1', 'v=2', 'v=3', 'v=01'),
  fc.oneof(
    { weight: 5, arbitrary: fc.constant('') },
    { weight: 1, arbitrary: among('op=status status=blocked', 'op=status status=lost', 'op=close') },
  ),
  fc.oneof({ weight: 2, arbitrary: fc.constant('') }, among('pan=c1', 'pan=c2', 'pan=x', 'pan=y')),
  among('account=a', 'account=b', 'account=c', ''),
  among('posted=7', 'posted=7', 'posted=7', 'posted=-3', 'posted=0'),
  rarely('currency=USD', 'account_type=prepaid', 'account_type=credit', 'account_type=credit limit=9'),
  among('holder=h', 'holder=i', ''),
  rarely('city=Puno', 'city=Ilo', 'given_names="Ñ, o"'),
  rarely('country=XX', 'pan=4111111111111111', 'posted=x', 'external_account_id=', 'external_card_id="?"'),
);
const hold = words(
  among('h1', 'h2', 'h3').map((id) => `hold ${id}`),
  among('card=c1', 'card=c2', 'card=c3', 'card=c9'),
  among('amount=5', 'amount=5', 'amount=8'),
  rarely('currency=USD', 'amount=0', 'mcc=1', 'stan=000001'),
);
const token = words(
  among('t1', 't2', 't3').map((id) => `token ${id}`),
  among('card=c1', 'card=c2', 'card=c3', 'card=c9'),
  rarely('status=suspended', 'device_id=', 'expiry=2900'),
);
const raw = among('raw', 'raw C,c1,1', 'raw O,"h1', 'raw W,t1,c1,a,b,c,d,e', 'raw Q,?', 'raw "C",c1');

const row = fc.oneof(
  { weight: 12, arbitrary: card },
  { weight: 4, arbitrary: hold },
  { weight: 3, arbitrary: token },
  { weight: 1, arbitrary: raw },
);

const file = fc
  .tuple(among('delta', 'delta', 'delta', 'full', 'mock'), fc.array(row, { maxLength: 16 }))
  .map(([kind, rows]) => [kind, ...rows].join('\n'));

/** Small files in the words of `script.ts`, one after the other, full of lines that collide. */
export const hostileScript = fc.array(file, { minLength: 1, maxLength: 3 }).map((files) => files.join('\n'));
