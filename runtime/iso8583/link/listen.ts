import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { Framing } from '#runtime/iso8583/framing.ts';
import { type CloseReason, CLOSE_REASONS } from './close-reason.ts';
import { type Bounds, Connection, noTraffic, type Traffic } from './connection.ts';

/** One connection of the network, as whoever answers its frames sees it. */
export interface Peer {
  /** Counts from 1 for each listener; never used again. */
  readonly id: number;
  /** Address and port, for people. */
  readonly name: string;
  /** For the receiver's use: nothing here looks into frames. */
  signedOn: boolean;
  /** Answers one of its frames, in any order; the frame's bytes must not change in this turn of the event loop. */
  send(frame: Buffer): void;
  /** One of its frames gets no answer. Every frame wants either this or `send`, or it counts as in flight. */
  leaveUnanswered(): void;
  /** Ends the connection after the answers under way. */
  close(): void;
}

/** Something that operators may want to see. What frames hold is not in it. */
export interface Trouble {
  readonly reason: CloseReason | 'refused' | 'accept_failed';
  /** Empty when there is none yet. */
  readonly peer: string;
  readonly error?: Error;
}

export interface ListenOptions {
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  readonly framing: Framing;
  /** Further connections are ended as soon as they are there. */
  readonly connectionsMax: number;
  /** Frames of one connection that wait for their answer; see `Bounds` for this and the rest. */
  readonly inFlightMax: number;
  readonly idleMs: number;
  readonly frameBytesMax: number;
  readonly outgoingBytesMax?: number;
  readonly slowFrameMs?: number;
  readonly stalledMs?: number;
  /** How often connections are looked at for what takes too long. */
  readonly sweepMs?: number;
  /** Milliseconds that never go back. */
  readonly now?: () => number;
  readonly onFrame: (frame: Buffer, peer: Peer) => void;
  readonly onConnection?: (peer: Peer) => void;
  readonly onClosed?: (peer: Peer, reason: CloseReason) => void;
  readonly onTrouble?: (trouble: Trouble) => void;
}

/** Since the listener began, but for what is in flight and connected now. */
export interface ListenerStats extends Readonly<Traffic> {
  readonly connections: number;
  readonly inFlight: number;
  readonly accepted: number;
  readonly refused: number;
  readonly closedFor: Readonly<Record<CloseReason, number>>;
}

export interface Listener {
  readonly port: number;
  readonly connections: number;
  stats(): ListenerStats;
  /** Takes no more connections and frames; answers under way go out for up to `graceMs`. Then every connection ends. */
  close(graceMs?: number): Promise<void>;
}

const SWEEP_MS = 100;
const GRACE_MS = 5_000;
/** Reasons that belong to ordinary life. */
const ORDINARY: readonly CloseReason[] = ['peer', 'closed', 'idle'];

/** Takes connections and their frames. What one of them does concerns no other. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  const listener = new SocketListener(server, options);
  server.listen(options.port, options.host);
  await once(server, 'listening');
  listener.begin();
  return listener;
}

class SocketListener implements Listener {
  readonly #server: Server;
  readonly #options: ListenOptions;
  readonly #bounds: Bounds;
  readonly #now: () => number;
  readonly #connections = new Set<Connection>();
  readonly #refused = new RefusedSockets();
  readonly #traffic = noTraffic();
  readonly #closedFor = noneClosed();
  #accepted = 0;
  #refusals = 0;
  #sweeping: NodeJS.Timeout | undefined;
  readonly #empty = Promise.withResolvers<void>();
  #closing: Promise<void> | null = null;

  constructor(server: Server, options: ListenOptions) {
    const { frameBytesMax, inFlightMax, idleMs } = options;
    const { outgoingBytesMax = 4 << 20, slowFrameMs = 10_000, stalledMs = 30_000 } = options;
    this.#server = server;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#bounds = {
      frameBytesMax,
      inFlightMax,
      outgoingBytesMax,
      idleMs,
      slowFrameMs,
      stalledMs,
      leaveMs: GRACE_MS,
    };
    server.on('connection', (socket) => this.#accept(socket));
  }

  begin(): void {
    this.#server.on('error', (error) => this.#tell({ reason: 'accept_failed', peer: '', error }));
    this.#sweeping = setInterval(() => this.#sweep(), this.#options.sweepMs ?? SWEEP_MS).unref();
  }

  get port(): number {
    const address = this.#server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  }

  get connections(): number {
    return this.#connections.size;
  }

  stats(): ListenerStats {
    let inFlight = 0;
    for (const connection of this.#connections) inFlight += connection.inFlight;
    return {
      ...this.#traffic,
      connections: this.#connections.size,
      inFlight,
      accepted: this.#accepted,
      refused: this.#refusals,
      closedFor: { ...this.#closedFor },
    };
  }

  close(graceMs = GRACE_MS): Promise<void> {
    return (this.#closing ??= this.#close(graceMs));
  }

  async #close(graceMs: number): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const connection of this.#connections) connection.leave('closed', graceMs);
    this.#refused.clear();
    if (this.#connections.size > 0) await this.#empty.promise;
    await closed;
    clearInterval(this.#sweeping);
  }

  #accept(socket: Socket): void {
    const name = `${socket.remoteAddress ?? 'unknown'}:${socket.remotePort ?? 0}`;
    if (this.#connections.size >= this.#options.connectionsMax) {
      this.#refusals++;
      this.#refused.refuse(socket, this.#now());
      return this.#tell({ reason: 'refused', peer: name });
    }
    this.#serve(socket, ++this.#accepted, name);
  }

  #serve(socket: Socket, id: number, name: string): void {
    const { framing, onFrame, onConnection, onClosed } = this.#options;
    const connection = new Connection({
      socket,
      framing,
      bounds: this.#bounds,
      now: this.#now,
      traffic: this.#traffic,
      onFrame: (frame) => onFrame(frame, peer),
      onClosed: (reason, error) => {
        this.#connections.delete(connection);
        this.#closedFor[reason]++;
        if (!ORDINARY.includes(reason)) this.#tell({ reason, peer: name, error });
        onClosed?.(peer, reason);
        if (this.#closing && this.#connections.size === 0) this.#empty.resolve();
      },
    });
    const peer = new ConnectedPeer(connection, id, name);
    this.#connections.add(connection);
    onConnection?.(peer);
  }

  #sweep(): void {
    const now = this.#now();
    for (const connection of this.#connections) connection.sweep(now);
    this.#refused.sweep(now);
  }

  #tell(trouble: Trouble): void {
    this.#options.onTrouble?.(trouble);
  }
}

class ConnectedPeer implements Peer {
  readonly id: number;
  readonly name: string;
  signedOn = false;
  readonly #connection: Connection;

  constructor(connection: Connection, id: number, name: string) {
    this.#connection = connection;
    this.id = id;
    this.name = name;
  }

  send(frame: Buffer): void {
    this.#connection.send(frame);
    this.#connection.settle();
  }

  leaveUnanswered(): void {
    this.#connection.settle();
  }

  close(): void {
    this.#connection.leave('closed');
  }
}

/**
 * ISO 8583 has no word for "too many connections", so one too many is ended in order: its side sees the end of the
 * stream, not a broken connection. When even those are many they are cut.
 */
class RefusedSockets {
  static readonly AT_ONCE_MAX = 64;
  static readonly LINGER_MS = 1_000;
  readonly #until = new Map<Socket, number>();

  refuse(socket: Socket, now: number): void {
    socket.on('error', () => {});
    if (this.#until.size >= RefusedSockets.AT_ONCE_MAX) return void socket.destroy();
    this.#until.set(socket, now + RefusedSockets.LINGER_MS);
    socket.once('close', () => this.#until.delete(socket));
    socket.resume();
    socket.end();
  }

  sweep(now: number): void {
    for (const [socket, until] of this.#until) if (now >= until) socket.destroy();
  }

  clear(): void {
    for (const socket of this.#until.keys()) socket.destroy();
  }
}

const noneClosed = (): Record<CloseReason, number> =>
  Object.fromEntries(Object.keys(CLOSE_REASONS).map((reason) => [reason, 0])) as Record<CloseReason, number>;
