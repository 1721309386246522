import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Everything that speaks about the code without running it; CI runs the same. Ends at the first that fails. */
const checks: readonly (readonly [what: string, file: string, ...args: string[]])[] = [
  ['types', 'node_modules/typescript/bin/tsc', '-p', '.'],
  ['lint', 'node_modules/eslint/bin/eslint.js', '--max-warnings', '0', '.'],
  ['format', 'node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'],
  ['references', 'tools/generate-docs.ts', '--check'],
];

for (const [what, file, ...args] of checks) {
  if (!existsSync(file)) throw new Error(`${file} is missing; run npm ci`);
  process.stdout.write(`${what} ... `);
  const started = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...args], { encoding: 'utf8' });
  console.log(`${status === 0 ? 'ok' : 'FAILED'} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  if (status !== 0) {
    console.log(stdout + stderr);
    process.exit(1);
  }
}
