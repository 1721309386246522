import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pair } from '#gateway/pair-file.ts';
import { TLS_SETTINGS } from '#gateway/certificates.ts';
import { DEFAULT_GATEWAY_LIMITS } from '#gateway/limits.ts';
import { ProcessTree } from '../meter/processes.ts';

export interface NginxTerms {
  readonly program: string;
  readonly folder: string;
  readonly host: string;
  readonly certificate: Pair;
  /** Each with a port of its own. */
  readonly upstreams: readonly { readonly name: string; readonly socketPath: string }[];
  readonly requestsPerSecond: number;
}

export interface Nginx {
  readonly ports: ReadonlyMap<string, number>;
  /** The one worker: it does all the work. */
  readonly worker: number;
  readonly child: ChildProcess;
  stop(): Promise<void>;
}

const START_MS_MAX = 10_000;

/** nginx doing of the gateway's job what it can: TLS, two limits of rate, the way to the socket, a line for each request. */
export async function startNginx(terms: NginxTerms): Promise<Nginx> {
  await mkdir(terms.folder, { recursive: true });
  const { certificate, key } = terms.certificate;
  await writeFile(join(terms.folder, 'host.pem'), certificate);
  await writeFile(join(terms.folder, 'host.key'), key, { mode: 0o600 });
  const ports = new Map<string, number>();
  for (const { name } of terms.upstreams) ports.set(name, await freePort());
  const file = join(terms.folder, 'nginx.conf');
  await writeFile(file, nginxConf(terms, ports, process.getuid?.() === 0));
  const child = spawn(terms.program, ['-p', terms.folder, '-c', file], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = once(child, 'exit');
  await until(child, () => Promise.all([...ports.values()].map(answers)).then((all) => all.every(Boolean)));
  return {
    ports,
    worker: new ProcessTree(child.pid!).members().find(({ pid }) => pid !== child.pid)?.pid ?? child.pid!,
    child,
    async stop() {
      child.kill();
      await ended;
    },
  };
}

/** One worker, as the gateway is one process. */
export function nginxConf(terms: NginxTerms, ports: ReadonlyMap<string, number>, isRoot: boolean): string {
  const { ciphers } = TLS_SETTINGS;
  const ofTls12 = String(ciphers)
    .split(':')
    .filter((cipher) => !cipher.startsWith('TLS_'))
    .join(':');
  const rate = `rate=${terms.requestsPerSecond}r/s`;
  const connections = DEFAULT_GATEWAY_LIMITS.upstreamConnectionsMax;
  return `daemon off;
${isRoot ? 'user root;' : ''}
worker_processes 1;
pid ${terms.folder}/nginx.pid;
error_log stderr error;
events { worker_connections 4096; }
http {
  client_body_temp_path ${terms.folder}/body;
  proxy_temp_path ${terms.folder}/proxy;
  fastcgi_temp_path ${terms.folder}/fastcgi;
  uwsgi_temp_path ${terms.folder}/uwsgi;
  scgi_temp_path ${terms.folder}/scgi;
  log_format entry escape=json '{"at":"$time_iso8601","request":"$request_id","host":"$host","method":"$request_method","status":$status,"s":$request_time,"bytes_in":$request_length,"bytes_out":$body_bytes_sent,"upstream_s":"$upstream_response_time"}';
  access_log ${terms.folder}/access.log entry buffer=64k flush=50ms;
  limit_req_zone $http_authorization zone=client:10m ${rate};
  limit_req_zone $host zone=tenant:1m ${rate};
  keepalive_requests 1000000000;
  keepalive_timeout 75s;
  server_tokens off;
  tcp_nodelay on;
${terms.upstreams.map(({ name, socketPath }) => serverOf(terms, { name, socketPath, port: ports.get(name)!, ciphers: ofTls12, connections })).join('')}}
`;
}

const serverOf = (
  { folder, host, requestsPerSecond }: NginxTerms,
  at: { name: string; socketPath: string; port: number; ciphers: string; connections: number },
): string => `  upstream ${at.name} {
    server unix:${at.socketPath};
    keepalive ${at.connections};
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${at.port} ssl backlog=512;
    server_name ${host};
    ssl_certificate ${folder}/host.pem;
    ssl_certificate_key ${folder}/host.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ${at.ciphers};
    ssl_prefer_server_ciphers on;
    ssl_ecdh_curve X25519:prime256v1:secp384r1;
    client_max_body_size 1m;
    location / {
      limit_req zone=client burst=${Math.min(requestsPerSecond, 10_000)} nodelay;
      limit_req zone=tenant burst=${Math.min(requestsPerSecond, 10_000)} nodelay;
      proxy_pass http://${at.name};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Request-Id $request_id;
      add_header X-Request-Id $request_id;
      add_header Strict-Transport-Security "max-age=31536000";
    }
  }
`;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    }).on('error', () => resolve(false));
  });

async function until(child: ChildProcess, isSo: () => Promise<boolean>): Promise<void> {
  const since = performance.now();
  while (!(await isSo())) {
    if (child.exitCode !== null)
      throw new Error('nginx ended as soon as it was started; its words stand above');
    if (performance.now() - since > START_MS_MAX) throw new Error('nginx did not start in time');
    await sleep(20);
  }
}
