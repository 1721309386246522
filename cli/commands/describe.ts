import { Command } from 'commander';
import { VAULT_ROLES } from '#delivery/cells/cell-roles.ts';
import { ruleOf } from '#runtime/settings/read-settings.ts';
import { Refusal } from '#runtime/refusal.ts';
import { services } from '#services/all.ts';
import type { ServiceDeclaration } from '#declare/service.ts';
import { JSON_OUTPUT } from '../options.ts';
import { Output, table } from '../output.ts';

export function describeCommand(): Command {
  return new Command('describe')
    .argument('<service>', `one of ${services.map(({ name }) => name).join(', ')}`)
    .description('what each reader understands of a declaration')
    .option(...JSON_OUTPUT)
    .addHelpText('after', '\nExample:\n  $ ./relevo describe cards')
    .action((name: string, { json = false }: { json?: boolean }) => {
      const service = services.find((each) => each.name === name);
      if (!service)
        throw new Refusal('unknown_service', `There is no service "${name}".`, {
          advice: `Services: ${services.map((each) => each.name).join(', ')}.`,
        });
      const description = describeService(service);
      new Output(json).result(description, () => showDescription(description));
    });
}

/** What is read from a declaration: rights in the database, the call matrix, errors, settings. */
export function describeService(service: ServiceDeclaration) {
  return {
    service: service.name,
    purpose: service.purpose,
    data: service.data,
    database: {
      schema: service.name,
      role: `relevo_TENANT_ENVIRONMENT_${service.name}`,
      writes: [service.name],
      append_only: service.appendOnly ?? false,
      reads: VAULT_ROLES.includes(service.name)
        ? [service.name, 'cell.data_keys', 'cell.openpgp_keys']
        : [service.name],
    },
    operations: Object.entries(service.operations).map(([name, operation]) => ({
      name,
      text: operation.text,
      callers: operation.callers,
      columns: operation.rows ? Object.keys(operation.rows) : [],
      idempotent_by: operation.idempotentBy ?? null,
    })),
    errors: Object.entries(service.errors).map(([code, { text, retry }]) => ({ code, text, retry })),
    settings: Object.entries(service.settings).map(([name, setting]) => ({
      name,
      text: setting.text,
      rule: ruleOf(setting),
    })),
    scaling: service.scaling ?? null,
    objectives: service.objectives,
  };
}

function showDescription(it: ReturnType<typeof describeService>): string {
  const section = (title: string, lines: string) => `\n${title}\n${lines}`;
  const parts = [
    `${it.service}: ${it.purpose}`,
    `  data class  ${it.data}`,
    `  database    role ${it.database.role} ${it.database.append_only ? 'only adds to' : 'writes'} schema ${it.database.writes.join(', ')}; reads ${it.database.reads.join(', ')}`,
  ];
  if (it.operations.length > 0)
    parts.push(
      section(
        'Operations (closed to everybody not named)',
        table(
          [{ title: 'operation' }, { title: 'callers' }, { title: 'idempotent by' }],
          it.operations.map((each) => [
            each.name,
            each.callers.join(', '),
            each.idempotent_by ?? 'it changes nothing',
          ]),
        ),
      ),
    );
  if (it.errors.length > 0)
    parts.push(
      section(
        'Errors, in order of precedence',
        table(
          [{ title: 'code' }, { title: 'meaning' }],
          it.errors.map((each) => [each.code, each.text]),
        ),
      ),
    );
  if (it.settings.length > 0)
    parts.push(
      section(
        'Settings',
        table(
          [{ title: 'setting' }, { title: 'rule' }, { title: 'what for' }],
          it.settings.map((each) => [each.name, each.rule, each.text]),
        ),
      ),
    );
  if (it.scaling) parts.push(section('Scaling signal', `  ${it.scaling}`));
  parts.push(
    section(
      'Objectives',
      table(
        [{ title: 'objective' }, { title: 'target' }],
        it.objectives.map(({ text, target }) => [text, target]),
      ),
    ),
  );
  return parts.join('\n');
}
