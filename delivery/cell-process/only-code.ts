import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** What a process needs to read of this project. Homes may lie within it, so it is not the whole of it. */
const CODE = ['declare', 'runtime', 'services', 'gateway', 'delivery', 'node_modules'];

/**
 * Flags with which Node lets a process read the code, and files that are named, and nothing else: it writes no file and
 * starts no process.
 */
export const onlyCode = (readable: readonly string[] = []): string[] => [
  '--permission',
  ...[
    ...CODE.map((folder) => `${join(root, folder)}/`),
    // Node asks about the place that a link leads to, and libraries may be linked here from elsewhere.
    `${realpathSync(join(root, 'node_modules'))}/`,
    join(root, 'package.json'),
    ...readable,
  ].map((path) => `--allow-fs-read=${path}`),
];
