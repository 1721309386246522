import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pack } from '../pack.ts';
import { unpack } from '../unpack.ts';
import { ECHO, networkAnswer, networkRequest, nextStan } from './network-management.ts';

test('an 0800 has its time in UTC, a STAN and what it asks for', () => {
  const request = unpack(pack(networkRequest(ECHO, 7, new Date('2026-01-02T03:04:05+02:00'))));
  assert.equal(request.mti, '0800');
  assert.deepEqual(
    request.fields().map((field) => [field, request.get(field)]),
    [
      [7, '0102010405'],
      [11, '000007'],
      [70, '301'],
    ],
  );
});

test('its answer has what it had, and a response code', () => {
  const answer = networkAnswer(networkRequest(ECHO, 7, new Date()).set(48, 'private'), '00');
  assert.deepEqual([answer.mti, answer.fields(), answer.get(39)], ['0810', [7, 11, 39, 70], '00']);
});

test('STANs begin again after 999999', () => {
  assert.deepEqual([0, 1, 999_998, 999_999].map(nextStan), [1, 2, 999_999, 1]);
});
