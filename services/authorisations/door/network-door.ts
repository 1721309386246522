import type { Framing } from '#runtime/iso8583/framing.ts';
import { listen, type Listener, type Peer, type Trouble } from '#runtime/iso8583/link/listen.ts';
import { networkAnswer, SIGN_OFF, SIGN_ON } from '#runtime/iso8583/link/network-management.ts';
import { malformedAnswer } from '#runtime/iso8583/malformed-answer.ts';
import type { Message } from '#runtime/iso8583/message.ts';
import { pack } from '#runtime/iso8583/pack.ts';
import { Malformed, unpack } from '#runtime/iso8583/unpack.ts';
import type { MessagePipeline } from '../pipeline/pipeline.ts';
import type { Answer } from '../pipeline/task.ts';
import { fromMessage } from '../request/from-iso8583.ts';
import { kindOf } from '../request/kinds.ts';
import { isMalformed } from '../request/request.ts';
import { codeOf } from '../request/response-codes.ts';
import { toAnswer } from '../request/to-answer.ts';

export interface NetworkDoorOptions {
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  readonly framing: Framing;
  readonly connectionsMax: number;
  readonly inFlightMax: number;
  readonly onTrouble?: (trouble: Trouble) => void;
}

/** A connection that says nothing for so long is ended; networks send an echo every few minutes at most. */
const IDLE_MS = 15 * 60_000;
const FRAME_BYTES_MAX = 8_192;

/** ISO 8583 over TCP: messages of the network in, answers out, each when it is there. */
export class NetworkDoor {
  readonly #pipeline: MessagePipeline;
  readonly #now: () => number;
  readonly #signedOn = new Set<Peer>();
  #listener!: Listener;
  /** Messages that could not be understood. */
  malformed = 0;

  static async open(
    pipeline: MessagePipeline,
    options: NetworkDoorOptions,
    now: () => number = Date.now,
  ): Promise<NetworkDoor> {
    const door = new NetworkDoor(pipeline, now);
    door.#listener = await listen({
      ...options,
      idleMs: IDLE_MS,
      frameBytesMax: FRAME_BYTES_MAX,
      onFrame: (frame, peer) => door.#take(frame, peer),
      onClosed: (peer) => void door.#signedOn.delete(peer),
    });
    return door;
  }

  private constructor(pipeline: MessagePipeline, now: () => number) {
    this.#pipeline = pipeline;
    this.#now = now;
  }

  get port(): number {
    return this.#listener.port;
  }

  get connections(): number {
    return this.#listener.connections;
  }

  /** Whether the network has signed on, over any connection. */
  get isSignedOn(): boolean {
    return this.#signedOn.size > 0;
  }

  /** Takes nothing more; answers under way still go out. */
  close(graceMs: number): Promise<void> {
    return this.#listener.close(graceMs);
  }

  #take(frame: Buffer, peer: Peer): void {
    let message: Message;
    try {
      message = unpack(frame);
    } catch (error) {
      if (error instanceof Malformed) return this.#refuse(error, peer);
      throw error;
    }
    const kind = kindOf(message.mti);
    if (kind === null) this.#refuse(new Malformed(0, 'is none that is taken here', message), peer);
    else if (kind === 'network_management') this.#manage(message, peer);
    else this.#takeRequest(message, frame, peer);
  }

  #takeRequest(message: Message, frame: Buffer, peer: Peer): void {
    const request = fromMessage(message, new Date(this.#now()));
    if (isMalformed(request)) {
      this.malformed++;
      peer.send(pack(toAnswer(message, { responseCode: codeOf('malformed') })));
      return;
    }
    this.#pipeline.submit({ request, message, raw: frame }, (answer) =>
      peer.send(answerFrame(message, answer)),
    );
  }

  /** Answered 30 where enough could be read for its sender to know what is meant; the connection goes on. */
  #refuse(malformed: Malformed, peer: Peer): void {
    this.malformed++;
    const answer = malformedAnswer(malformed);
    if (answer) peer.send(pack(answer));
    else peer.leaveUnanswered();
  }

  #manage(message: Message, peer: Peer): void {
    const code = message.get(70);
    if (code === SIGN_ON) {
      peer.signedOn = true;
      this.#signedOn.add(peer);
    } else if (code === SIGN_OFF) {
      peer.signedOn = false;
      this.#signedOn.delete(peer);
    }
    peer.send(pack(networkAnswer(message, '00')));
  }
}

/** What goes back: the earlier processor's answer as it came, or one of our own. */
export function answerFrame(message: Message, { code, approvalCode, relayed }: Answer): Buffer {
  return relayed ?? pack(toAnswer(message, { responseCode: code, approvalCode }));
}
