import type { Tx } from '#runtime/database/database.ts';
import type { AccessKeys } from './access-keys.ts';
import { contentCode, nameCode } from './request-codes.ts';
import type { RequestState, RequestToBegin } from './service.ts';

/**
 * How long a begun request is in the hands of the one who began it. It is longer than any request may take, so what is
 * taken over has died. What did not die finds a higher epoch and can keep no answer.
 */
export const LEASE_SECONDS = 60;

/** A request is given up or runs out between the two statements now and then, and hardly twice. */
const TRIES = 5;

interface Taken {
  readonly epoch: number;
  readonly isAgain: boolean;
}

interface Stored {
  /** Null of a request that was given up. */
  readonly contentCode: Buffer | null;
  readonly status: number | null;
  readonly sealedAnswer: Buffer | null;
  readonly msLeft: number;
}

/**
 * One statement begins a request or takes it over, under the lock of its row, so that of many who ask at once one is
 * told `new`. The clock is the database's.
 */
export const beginRequest =
  (db: Tx, keys: AccessKeys) =>
  async (request: RequestToBegin): Promise<RequestState> => {
    const name = nameCode(keys, request);
    const content = contentCode(keys, request);
    for (let tried = 0; tried < TRIES; tried++) {
      const taken = await take(db, name, content);
      if (taken) return { state: 'new', ...taken };
      const stored = await read(db, name);
      const state = stored && stateOf(keys, stored, name, content);
      if (state) return state;
    }
    return { state: 'under_way', msLeft: LEASE_SECONDS * 1000 };
  };

async function take(db: Tx, name: Buffer, content: Buffer): Promise<Taken | undefined> {
  const [taken] = await db.rows<Taken>`
    insert into access.requests as here (request_code, content_code, leased_until)
    values (${name}, ${content}, clock_timestamp() + make_interval(secs => ${LEASE_SECONDS}))
        on conflict (request_code) do update
       set epoch = here.epoch + 1, is_again = here.is_again or here.content_code is not null,
           content_code = excluded.content_code, begun_at = excluded.begun_at, leased_until = excluded.leased_until
     where here.status is null and here.leased_until <= clock_timestamp()
       and coalesce(here.content_code, excluded.content_code) = excluded.content_code
    returning epoch, is_again as "isAgain"`;
  return taken;
}

async function read(db: Tx, name: Buffer): Promise<Stored | undefined> {
  const [stored] = await db.rows<Stored>`
    select content_code as "contentCode", status, sealed_answer as "sealedAnswer",
           ceil(extract(epoch from leased_until - clock_timestamp()) * 1000)::float8 as "msLeft"
      from access.requests where request_code = ${name}`;
  return stored;
}

/** Null where the request can be taken by now. */
function stateOf(keys: AccessKeys, stored: Stored, name: Buffer, content: Buffer): RequestState | null {
  const { contentCode: known, status, sealedAnswer, msLeft } = stored;
  if (known === null) return null;
  if (!known.equals(content)) return { state: 'other_content' };
  if (status !== null)
    return { state: 'answered', status, body: sealedAnswer && keys.openAnswer(sealedAnswer, name) };
  return msLeft > 0 ? { state: 'under_way', msLeft } : null;
}
