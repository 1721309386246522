/** A process that holds a server until its standard input ends: what a command is to the others. */
import { acquireServer, type ServerOptions } from '../server.ts';

const options = JSON.parse(process.argv[2]) as ServerOptions;
const server = await acquireServer(options);
process.stdout.write(`${server.adminUrl}\n`);
for await (const _ of process.stdin);
await server.release();
