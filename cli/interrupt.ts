/**
 * A signal that is raised when the person at the terminal (Ctrl-C) or the machine (SIGTERM) asks this command to
 * end: long work stops at its next edge. Asked a second time, the command ends at once.
 */
export function onInterrupt(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort();
    });
  return controller.signal;
}

/** A signal that is raised when whoever started this process closes the pipe to it, or ends in whatever way. */
export function standardInputCloses(): AbortSignal {
  const controller = new AbortController();
  process.stdin.on('end', () => controller.abort()).on('error', () => controller.abort());
  process.stdin.resume();
  return controller.signal;
}
