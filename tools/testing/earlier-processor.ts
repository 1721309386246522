import { listen, type Listener } from '#runtime/iso8583/link/listen.ts';
import { networkAnswer } from '#runtime/iso8583/link/network-management.ts';
import type { Message } from '#runtime/iso8583/message.ts';
import { pack } from '#runtime/iso8583/pack.ts';
import { unpack } from '#runtime/iso8583/unpack.ts';
import { toAnswer } from '#services/authorisations/request/to-answer.ts';

interface Scope {
  after(clean: () => Promise<void>): unknown;
}

export interface EarlierVerdict {
  readonly responseCode: string;
  readonly approvalCode?: string;
  readonly fields?: Readonly<Record<number, string>>;
}

/** An earlier processor that answers as a test tells it, on a port of its own; null is silence. */
export class EarlierProcessor {
  /** Every request that came, but for network management. */
  readonly received: Message[] = [];
  /** Milliseconds before an answer leaves. */
  delayMs = 0;
  answer: (message: Message) => EarlierVerdict | null;
  #listener!: Listener;

  static async start(
    t: Scope,
    answer: (message: Message) => EarlierVerdict | null,
  ): Promise<EarlierProcessor> {
    const processor = new EarlierProcessor(answer);
    processor.#listener = await listen({
      host: '127.0.0.1',
      port: 0,
      framing: 'binary',
      connectionsMax: 10,
      inFlightMax: 10_000,
      idleMs: 60_000,
      frameBytesMax: 10_000,
      onFrame: (frame, peer) => {
        const message = unpack(frame);
        if (message.mti.startsWith('08')) return peer.send(pack(networkAnswer(message, '00')));
        processor.received.push(message);
        const verdict = processor.answer(message);
        if (verdict === null) return peer.leaveUnanswered();
        setTimeout(() => peer.send(pack(toAnswer(message, verdict))), processor.delayMs);
      },
    });
    t.after(() => processor.stop());
    return processor;
  }

  private constructor(answer: (message: Message) => EarlierVerdict | null) {
    this.answer = answer;
  }

  get address(): string {
    return `127.0.0.1:${this.#listener.port}`;
  }

  mtis(): string[] {
    return this.received.map(({ mti }) => mti);
  }

  stop(): Promise<void> {
    return this.#listener.close(0);
  }
}
