import assert from 'node:assert/strict';
import { Refusal } from '#runtime/refusal.ts';

/** Some work is refused with this code, in words that say this. */
export async function assertRefused(work: Promise<unknown>, code: string, message = /./): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof Refusal, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
}
