import { describeService } from '#cli/commands/describe.ts';
import { services } from '#services/all.ts';
import { code, markdownTable, page } from './markdown.ts';

/** What each service keeps and does, and who may call it. */
export function servicesPage(): string {
  const described = services.map(describeService);
  const callers = [
    ...new Set(described.flatMap((it) => it.operations.flatMap((each) => each.callers))),
  ].sort();
  return page(
    '# Services',
    'A cell runs these services. An operation is closed to everybody whom its declaration does not name; what ' +
      'one service may read in the database ends at its own schema.',
    markdownTable(
      ['service', 'what for', 'data class', 'writes', 'reads'],
      described.map((it) => [
        code(it.service),
        it.purpose,
        it.data,
        it.database.writes.map(code).join(', '),
        it.database.reads.map(code).join(', '),
      ]),
    ),
    '## Who may call what',
    markdownTable(
      ['operation', ...callers.map(code)],
      described.flatMap((it) =>
        it.operations.map((each) => [
          code(`${it.service}.${each.name}`),
          ...callers.map((caller) => (each.callers.includes(caller) ? 'yes' : '')),
        ]),
      ),
    ),
    ...described.flatMap(serviceSection),
  );
}

function serviceSection(it: ReturnType<typeof describeService>): (string | null)[] {
  return [
    `## ${it.service}`,
    `${it.purpose} Data class ${code(it.data)}; database role ${code(it.database.role)}.`,
    it.operations.length > 0
      ? markdownTable(
          ['operation', 'what it does', 'a repeated call is known by', 'columns of its rows'],
          it.operations.map((each) => [
            code(each.name),
            each.text,
            each.idempotent_by ?? 'nothing: it changes nothing',
            each.columns.map(code).join(' '),
          ]),
        )
      : 'No service may call it; it is driven by the commands.',
    it.scaling ? `Scaling signal: ${it.scaling}.` : null,
    markdownTable(
      ['objective', 'target'],
      it.objectives.map(({ text, target }) => [text, target]),
    ),
  ];
}
