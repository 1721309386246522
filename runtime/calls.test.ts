import assert from 'node:assert/strict';
import { test } from 'node:test';
import { services } from '#services/all.ts';
import type { Client, ServiceDeclaration } from '#declare/service.ts';
import { clientFor, serve } from './calls.ts';
import { Refusal } from './refusal.ts';

/** Every service with handlers that only say that they were reached. */
const served = services.map((declaration) =>
  serve(
    declaration,
    Object.fromEntries(
      Object.keys(declaration.operations).map((name) => [name, () => Promise.resolve(`${name} reached`)]),
    ) as Client<ServiceDeclaration>,
  ),
);
const callers = [...services.map(({ name }) => name), 'keys', 'reporting', 'somebody', ''];

for (const service of served)
  test(`${service.declaration.name} is open to the callers that its declaration names, and to nobody else`, async () => {
    for (const caller of callers) {
      const client = clientFor(service, caller);
      for (const [name, { callers: allowed }] of Object.entries(service.declaration.operations)) {
        if (allowed.includes(caller)) {
          assert.equal(await client[name]({}), `${name} reached`);
          continue;
        }
        await assert.rejects(
          client[name]({}),
          (error) => error instanceof Refusal && error.code === 'caller_not_allowed',
          `${caller} calls ${service.declaration.name}.${name}`,
        );
      }
    }
  });

test('a client holds no operation that is not declared', () => {
  const [declaration] = services;
  const handlers = {
    ...Object.fromEntries(Object.keys(declaration.operations).map((name) => [name, () => {}])),
  };
  const more = serve(declaration, { ...handlers, undeclared: () => Promise.resolve() } as never);
  assert.deepEqual(Object.keys(clientFor(more, 'migrations')), Object.keys(declaration.operations));
});
