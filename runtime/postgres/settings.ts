import { statfsSync } from 'node:fs';
import { totalmem } from 'node:os';

const MB = 1024 * 1024;

/**
 * The server's settings: durable, and tuned for one bulk load on a small machine. They are given on the
 * command line, where neither postgresql.conf nor ALTER SYSTEM can undo them: above all the lines about
 * logging, which keep card data out of the log.
 */
export function serverSettings({
  socketFolder,
  isThrownAway = false,
}: {
  socketFolder: string;
  isThrownAway?: boolean;
}): Record<string, string | number> {
  const memory = memoryBytes();
  const synced = isThrownAway ? 'off' : 'on';
  return {
    // Reached by Unix socket only. The embedded build links OpenSSL 1.1.1 of 2018 (as libpq, ICU 60 and
    // libxml2 of its age): no byte from a network may reach it.
    listen_addresses: '',
    unix_socket_directories: socketFolder,
    unix_socket_permissions: '0700',
    port: 5432, // names the socket file; the folder is ours alone
    max_connections: 300,
    cluster_name: 'relevo',

    fsync: synced,
    // On in any case: who commits later says so, and it has to be a difference.
    synchronous_commit: 'on',
    full_page_writes: synced,
    // How much work it is to try passwords, and to log in: nothing that is worth it lies in a server that is thrown away.
    scram_iterations: isThrownAway ? 1 : 4096,

    shared_buffers: megabytes(clamp(memory / 8, 128 * MB, 1024 * MB)),
    maintenance_work_mem: megabytes(clamp(memory / 16, 64 * MB, 512 * MB)), // one index build per bulk load
    effective_cache_size: megabytes(memory / 2),
    random_page_cost: 1.1, // solid state
    wal_buffers: '64MB',
    max_wal_size: '4GB',
    checkpoint_timeout: '15min',
    // Nobody follows this server, and so COPY into a table made by the same transaction, CREATE INDEX and
    // CREATE DATABASE may sync the files they wrote instead of writing everything a second time to the WAL.
    wal_level: 'minimal',
    max_wal_senders: 0,
    max_logical_replication_workers: 0,
    // The embedded builds know neither lz4 nor zstd, and pglz costs more processor than it saves disk.
    wal_compression: 'off',
    jit: 'off',
    autovacuum: 'on',
    // Containers give /dev/shm 64 MB, too little for parallel joins and index builds.
    dynamic_shared_memory_type: sharedMemoryIsSmall() ? 'sysv' : 'posix',
    timezone: 'UTC',
    log_timezone: 'UTC',

    // Card data never reaches the log. Statements, parameters and the DETAIL of a violated constraint are
    // switched off one by one; but the very message of an error may quote a value (`invalid input syntax
    // for type integer: "4111..."`), so errors of statements go to the client only, who knows how to mask.
    // The rest is about the server: starts, stops, checkpoints, FATAL and PANIC. A PANIC shows the text of
    // the statement, hence: card data travels as parameters or COPY data, never inside the text.
    log_min_messages: 'log',
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
    log_parameter_max_length: 0,
    log_parameter_max_length_on_error: 0,
    log_statement: 'none',
    log_min_duration_statement: -1,
    log_destination: 'stderr',
    logging_collector: 'off',
    log_line_prefix: '%m [%p] %q%u@%d ',
  };
}

/** What the machine, or the container, may use. */
function memoryBytes(): number {
  const limit = process.constrainedMemory(); // 0 or astronomic without a limit
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

function sharedMemoryIsSmall(): boolean {
  if (process.platform !== 'linux') return false;
  try {
    const { bsize, blocks } = statfsSync('/dev/shm');
    return bsize * blocks < 512 * MB;
  } catch {
    return true; // there is none
  }
}

const clamp = (value: number, min: number, max: number): number => Math.min(Math.max(value, min), max);
const megabytes = (bytes: number): string => `${Math.round(bytes / MB)}MB`;
