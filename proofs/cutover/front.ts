import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * What stands before several serving processes, as a load balancer would: each connection of the network goes to the
 * next process that takes it. Bytes are passed on as they come.
 */
export class Front {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** `ports` are those of the processes that live at this moment. */
  static async open(ports: () => readonly number[]): Promise<Front> {
    const front = createServer({ noDelay: true });
    front.listen(0, '127.0.0.1');
    await once(front, 'listening');
    return new Front(front, ports);
  }

  private constructor(server: Server, ports: () => readonly number[]) {
    let turn = 0;
    this.#server = server;
    this.port = (server.address() as { port: number }).port;
    server.on('connection', (near) => {
      const all = ports();
      if (all.length === 0) return void near.destroy();
      this.#join(near, connect({ host: '127.0.0.1', port: all[turn++ % all.length], noDelay: true }));
    });
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Both ends live and die together. */
  #join(near: Socket, far: Socket): void {
    for (const [one, other] of [
      [near, far],
      [far, near],
    ]) {
      this.#sockets.add(one);
      one.on('data', (piece) => void other.write(piece));
      one.on('error', () => one.destroy());
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }
}
