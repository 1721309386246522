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
export const onlyCode = (files: readonly string[] = []): string[] => {
  const folders = CODE.map((folder) => join(root, folder));
  // Where a folder is a link, modules are read at the place that it leads to.
  const places = new Set([...folders, ...folders.map((folder) => realpathSync(folder))]);
  return [
    '--permission',
    ...[...[...places].map((folder) => `${folder}/`), join(root, 'package.json'), ...files].map(
      (path) => `--allow-fs-read=${path}`,
    ),
  ];
};
