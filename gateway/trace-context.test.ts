import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { requestIdOf, traceContext } from './trace-context.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';

suite('a trace', () => {
  test('goes on with the gateway as the parent', () => {
    const told = traceContext(`00-${TRACE}-${PARENT}-01`, 'vendor=1,other=x y');
    assert.equal(told.traceId, TRACE);
    assert.match(told.traceparent, new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`));
    assert.ok(!told.traceparent.includes(PARENT));
    assert.equal(told.tracestate, 'vendor=1,other=x y');
  });

  test('of a later version goes on as of this one', () => {
    assert.match(traceContext(`cc-${TRACE}-${PARENT}-ff-what-will-be`, undefined).traceparent, /^00-.*-01$/);
  });

  for (const bad of [
    undefined,
    '',
    `ff-${TRACE}-${PARENT}-01`,
    `00-${TRACE}-${PARENT}-01-more`,
    `00-${'0'.repeat(32)}-${PARENT}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${PARENT}-01`,
    `00-${TRACE}-${PARENT}`,
  ])
    test(`begins anew instead of ${bad}`, () => {
      const told = traceContext(bad, 'vendor=1');
      assert.match(told.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
      assert.notEqual(told.traceId, TRACE);
      assert.equal(told.tracestate, undefined);
    });

  for (const bad of ['no equals', `a=${'x'.repeat(600)}`, 'a=\u0001', 'A=1', ''])
    test(`loses the state ${JSON.stringify(bad.slice(0, 12))}`, () =>
      assert.equal(traceContext(`00-${TRACE}-${PARENT}-00`, bad).tracestate, undefined));
});

test('a request id is the one of the client where it may be one', () => {
  assert.equal(requestIdOf('order_12345-a'), 'order_12345-a');
  for (const bad of [undefined, '', 'short', 'x'.repeat(65), 'with space1', 'new\nline12', '4242"42424'])
    assert.match(requestIdOf(bad), /^[0-9a-f]{8}-[0-9a-f-]{27}$/);
});
