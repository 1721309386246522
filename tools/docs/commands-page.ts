import type { Command } from 'commander';
import { buildProgram } from '#cli/main.ts';
import { EXIT } from '#cli/exit.ts';
import { code, markdownTable, page } from './markdown.ts';

/** Every command with its arguments, options and examples, as `relevo help` knows them. */
export async function commandsPage(): Promise<string> {
  const commands = leaves(await buildProgram());
  return page(
    '# Commands',
    'Run them as `./relevo COMMAND`. With `--json` a command prints one JSON document on standard output; ' +
      'progress and errors for people go to standard error.',
    markdownTable(
      ['command', 'what it does'],
      commands.map((command) => [
        `[${code(nameOf(command))}](#${nameOf(command).replaceAll(' ', '-')})`,
        command.description(),
      ]),
    ),
    '## Exit status',
    markdownTable(
      ['status', 'meaning'],
      [
        [EXIT.done, 'done; where books are concerned they are closed'],
        [EXIT.refused, 'the file or the request was refused, or the command was not understood'],
        [EXIT.deadLetters, 'done, but dead letters wait; for `portfolio validate`: lines would be rejected'],
        [EXIT.differs, 'for `plan`: what is declared and what is here differ'],
        [EXIT.failed, 'anything else'],
      ],
    ),
    ...commands.flatMap(commandSection),
  );
}

function leaves(command: Command): Command[] {
  const inner = command.commands.filter((each) => each.name() !== 'help');
  return inner.length === 0 ? [command] : inner.flatMap(leaves);
}

function nameOf(command: Command): string {
  return command.parent?.parent ? `${nameOf(command.parent)} ${command.name()}` : command.name();
}

function commandSection(command: Command): (string | null)[] {
  const { registeredArguments: args, options } = command;
  return [
    `## ${nameOf(command)}`,
    `${command.description()}.`,
    code(`./relevo ${nameOf(command)} ${command.usage()}`),
    args.length > 0
      ? markdownTable(
          ['argument', 'what'],
          args.map((argument) => [code(argument.name()), argument.description]),
        )
      : null,
    options.length > 0
      ? markdownTable(
          ['option', 'what', ''],
          options.map((option) => [
            code(option.flags),
            option.description + (option.argChoices ? ` (${option.argChoices.join(', ')})` : ''),
            option.mandatory
              ? 'needed'
              : option.defaultValue === undefined
                ? ''
                : `default ${String(option.defaultValue)}`,
          ]),
        )
      : null,
    fenced(textAfterHelp(command)),
  ];
}

const fenced = (text: string): string | null => (text ? `\`\`\`text\n${text}\n\`\`\`` : null);

/** What `addHelpText('after', …)` adds: commander keeps it behind an event, so it is seen in the output alone. */
function textAfterHelp(command: Command): string {
  let output = '';
  command.configureOutput({ writeOut: (text) => (output += text), getOutHasColors: () => false });
  command.outputHelp();
  return output.slice(command.helpInformation().length).trim();
}
