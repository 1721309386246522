import type { Socket } from 'node:net';
import { BrokenFraming, type Framing, FrameReader, writeFrames } from '#runtime/iso8583/framing.ts';
import type { CloseReason } from './close-reason.ts';

/** What one connection may cost. Nothing here has a timer of its own: `sweep` is called again and again. */
export interface Bounds {
  readonly frameBytesMax: number;
  /** Frames that came and have no answer yet; no more are read until some have. Null where frames ask for no answer. */
  readonly inFlightMax: number | null;
  /** Bytes that wait to be read by the other side. From half of it on nothing more is read from there. */
  readonly outgoingBytesMax: number;
  /** Without a frame in either direction. */
  readonly idleMs: number;
  /** From the first byte of a frame to its last. */
  readonly slowFrameMs: number;
  /** Without progress while something waits: bytes for the other side to read, or frames for an answer. */
  readonly stalledMs: number;
  /** For ending in order: answers under way, then the other side's own end. */
  readonly leaveMs: number;
}

/** What connections have done; several may count into one. */
export interface Traffic {
  framesIn: number;
  framesOut: number;
  /** Frames for connections that were gone already. */
  framesLost: number;
  /** How often reading was put off, because answers or the other side were slow. */
  pauses: number;
}

export const noTraffic = (): Traffic => ({ framesIn: 0, framesOut: 0, framesLost: 0, pauses: 0 });

export interface ConnectionOptions {
  readonly socket: Socket;
  readonly framing: Framing;
  readonly bounds: Bounds;
  /** Milliseconds that never go back. */
  readonly now: () => number;
  readonly traffic: Traffic;
  /** The frame is the receiver's own: its bytes do not change. */
  readonly onFrame: (frame: Buffer) => void;
  readonly onClosed: (reason: CloseReason, error: Error | undefined) => void;
}

/** After everything is said, the other side has so long to end as well. */
const LINGER_MS = 1_000;

/**
 * Frames in and out over one socket, whatever the other side does.
 *
 * - `open`: frames are read and sent. Reading pauses while too many frames wait for their answer or too many bytes
 *   for the other side, so that a fast sender is slowed down by TCP itself
 * - `leaving`: nothing more is read; answers under way still go out, then our end of the connection is closed
 * - `closed`
 *
 * `leave` brings it from open to leaving, `cut` and the other side's breaking to closed.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #framing: Framing;
  readonly #bounds: Bounds;
  readonly #now: () => number;
  readonly #traffic: Traffic;
  readonly #onFrame: (frame: Buffer) => void;
  readonly #reader: FrameReader;
  #state: 'open' | 'leaving' | 'closed' = 'open';
  #reason: CloseReason | null = null;
  #error: Error | undefined;
  /** To be left for this reason when every frame that came before has been handed on. */
  #leavesFor: CloseReason | null = null;
  #leaveBy = Infinity;

  /** Frames that were read and wait until more may be in flight. */
  #backlog: Buffer[] = [];
  #backlogAt = 0;
  #isPaused = false;
  #inFlight = 0;
  #frameBegunAt = Infinity;
  #heardAt: number;
  #saidAt: number;
  #answeredAt: number;
  #wroteAt: number;

  /** Frames of this turn of the event loop. */
  #outgoing: Buffer[] = [];
  #outgoingBytes = 0;
  #isTurnScheduled = false;

  constructor({ socket, framing, bounds, now, traffic, onFrame, onClosed }: ConnectionOptions) {
    this.#socket = socket;
    this.#framing = framing;
    this.#bounds = bounds;
    this.#now = now;
    this.#traffic = traffic;
    this.#onFrame = onFrame;
    this.#reader = new FrameReader(framing, bounds.frameBytesMax);
    this.#heardAt = this.#saidAt = this.#answeredAt = this.#wroteAt = now();
    socket.setNoDelay(true);
    socket.on('data', (piece) => this.#read(piece));
    socket.on('end', () => this.#ended());
    socket.on('error', (error) => (this.#error ??= error));
    socket.once('close', () => {
      this.#state = 'closed';
      this.#traffic.framesLost += this.#outgoing.length;
      this.#outgoing = [];
      onClosed(this.#reason ?? 'peer_cut', this.#error);
    });
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** When bytes last came. */
  get heardAt(): number {
    return this.#heardAt;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Whether the other side is so far behind with reading that what can wait should. */
  get isBehind(): boolean {
    return this.#outgoingBytes + this.#socket.writableLength > this.#bounds.outgoingBytesMax / 2;
  }

  /** Sends a frame, with all others of this turn of the event loop. Its bytes must not change until then. */
  send(frame: Buffer): void {
    if (this.#state === 'closed' || this.#hasSaidAll()) {
      this.#traffic.framesLost++;
      return;
    }
    this.#outgoing.push(frame);
    this.#outgoingBytes += frame.length;
    this.#scheduleTurn();
  }

  /** A frame that came is in flight no longer. */
  settle(): void {
    if (this.#inFlight > 0) this.#inFlight--;
    this.#answeredAt = this.#now();
    if (this.#isPaused || this.#state === 'leaving') this.#scheduleTurn();
  }

  /** Ends in order. */
  leave(reason: CloseReason, graceMs = this.#bounds.leaveMs): void {
    if (this.#state !== 'open') return;
    this.#state = 'leaving';
    this.#reason = reason;
    this.#leaveBy = this.#now() + graceMs;
    this.#backlog = [];
    // What still comes is read and dropped: a socket closed over unread bytes is reset, and answers on their way are
    // lost with it.
    this.#socket.resume();
    this.#scheduleTurn();
  }

  /** Ends at once. */
  cut(reason: CloseReason, error?: Error): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#reason ??= reason;
    this.#error ??= error;
    // Bytes that the other side does not read would be kept by the system for minutes if it were not reset.
    if (reason === 'not_reading') this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  /** Ends what has taken too long. */
  sweep(now: number): void {
    if (this.#state === 'closed') return;
    const { idleMs, slowFrameMs, stalledMs } = this.#bounds;
    if (this.#state === 'leaving') {
      if (now >= this.#leaveBy) this.cut(this.#reason ?? 'closed');
    } else if (this.#socket.writableLength > 0 && now - this.#wroteAt >= stalledMs) this.cut('not_reading');
    else if (this.#isPaused) {
      if (this.#isFull() && now - this.#answeredAt >= stalledMs) this.cut('unanswered');
    } else if (now - this.#frameBegunAt >= slowFrameMs) this.#giveUp('slow_frame');
    else if (now - Math.max(this.#heardAt, this.#saidAt) >= idleMs) this.#giveUp('idle');
  }

  #read(piece: Buffer): void {
    if (this.#state !== 'open' || this.#leavesFor) return;
    this.#heardAt = this.#now();
    let hasFrames = false;
    try {
      for (const frame of this.#reader.read(piece)) {
        hasFrames = true;
        this.#backlog.push(frame);
      }
    } catch (error) {
      if (!(error instanceof BrokenFraming)) throw error;
      this.#error = error;
      this.#leavesFor = 'broken_frame';
    }
    if (this.#reader.partialBytes === 0) this.#frameBegunAt = Infinity;
    else if (hasFrames || this.#frameBegunAt === Infinity) this.#frameBegunAt = this.#heardAt;
    this.#handOn();
  }

  /** The other side has said everything. */
  #ended(): void {
    const reason = this.#reader.partialBytes > 0 ? 'peer_cut' : 'peer';
    this.#leavesFor ??= reason;
    this.#handOn();
  }

  /** Nothing more will be read. Who asked is still answered; where we have asked, there is nothing to wait for. */
  #giveUp(reason: CloseReason): void {
    if (this.#bounds.inFlightMax === null) this.cut(reason);
    else this.leave(reason);
  }

  #isFull(): boolean {
    return this.#inFlight >= (this.#bounds.inFlightMax ?? Infinity);
  }

  /** Answers to what we have asked are always read: if they were not, both sides could wait for the other to read. */
  #shouldWait(): boolean {
    return this.#bounds.inFlightMax !== null && (this.#isFull() || this.isBehind);
  }

  /** Hands frames on for as long as they may be in flight, and reads on or not. */
  #handOn(): void {
    while (this.#state === 'open' && this.#backlogAt < this.#backlog.length) {
      if (this.#shouldWait()) return this.#pause();
      this.#handOnOne(this.#backlog[this.#backlogAt++]);
    }
    if (this.#state !== 'open') return;
    this.#backlog = [];
    this.#backlogAt = 0;
    if (this.#leavesFor) this.#giveUp(this.#leavesFor);
    else if (this.#shouldWait()) this.#pause();
    else this.#resume();
  }

  #handOnOne(frame: Buffer): void {
    this.#traffic.framesIn++;
    if (this.#bounds.inFlightMax !== null && this.#inFlight++ === 0) this.#answeredAt = this.#now();
    try {
      this.#onFrame(frame);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** A defect of ours costs one connection, not the process with all of them. */
  #fail(error: unknown): void {
    this.cut('failed', error instanceof Error ? error : new Error(String(error)));
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#traffic.pauses++;
    this.#socket.pause();
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    // The rest of a frame could not come while nothing was read.
    if (this.#frameBegunAt !== Infinity) this.#frameBegunAt = this.#now();
    this.#socket.resume();
  }

  #scheduleTurn(): void {
    if (this.#isTurnScheduled) return;
    this.#isTurnScheduled = true;
    setImmediate(() => this.#endTurn());
  }

  /** All frames of a turn in one write: at thousands a second the system calls cost more than the copying. */
  #endTurn(): void {
    this.#isTurnScheduled = false;
    if (this.#state === 'closed') return;
    try {
      this.#write();
    } catch (error) {
      return this.#fail(error); // a frame too long for its length
    }
    if (this.#socket.writableLength > this.#bounds.outgoingBytesMax) return this.cut('not_reading');
    if (this.#state === 'leaving' && this.#inFlight === 0) this.#sayGoodbye();
    else if (this.#isPaused) this.#handOn();
  }

  #write(): void {
    if (this.#outgoing.length === 0) return;
    const frames = this.#outgoing;
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    this.#saidAt = this.#now();
    if (this.#socket.writableLength === 0) this.#wroteAt = this.#saidAt;
    this.#traffic.framesOut += frames.length;
    this.#socket.write(writeFrames(this.#framing, frames), () => {
      this.#wroteAt = this.#now();
      if (this.#isPaused && this.#state === 'open') this.#handOn();
    });
  }

  #hasSaidAll(): boolean {
    return this.#socket.writableEnded;
  }

  #sayGoodbye(): void {
    if (this.#hasSaidAll()) return;
    this.#socket.end();
    this.#leaveBy = Math.min(this.#leaveBy, this.#now() + LINGER_MS);
  }
}
