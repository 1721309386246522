import { enableCompileCache } from 'node:module';
import type pg from 'pg';
import { databaseName, parseCellName } from '#delivery/cells/cell-name.ts';
import { openCell, openVault } from '#delivery/cells/open-cell.ts';
import { readAllSettings } from '#delivery/local/settings.ts';
import { PLAN_BY_INDEX } from '#runtime/database/database.ts';
import { listen, type Peer } from '#runtime/iso8583/link/listen.ts';
import { Message } from '#runtime/iso8583/message.ts';
import { pack } from '#runtime/iso8583/pack.ts';
import { unpack } from '#runtime/iso8583/unpack.ts';
import { withServer } from '#runtime/postgres/server.ts';
import type { Vault } from '#runtime/vault/vault.ts';
import { approvalCodeOf, MessageCodes } from '#services/authorisations/pipeline/message-codes.ts';
import { fromMessage } from '#services/authorisations/request/from-iso8583.ts';
import { isMalformed } from '#services/authorisations/request/request.ts';
import { toAnswer } from '#services/authorisations/request/to-answer.ts';
import { databaseUrl } from '../../lab/database-url.ts';
import { pipelinedClient } from '../../lab/pipelined-client.ts';
import { inOneStatement, inOneTransaction, type Asked } from './statements.ts';

/** The same plans as relevo has: a bulk load leaves no statistics behind. */
const SESSION = {
  application_name: 'relevo bench one by one',
  options: PLAN_BY_INDEX,
};

/**
 * The usual way to authorise: each request is a transaction of its own, in the same tables, with the same codec and
 * door. `node server.ts CELL transaction|statement CONNECTIONS` prints where it listens, as relevo does.
 *
 * It is favoured where there was a choice: one role may read and write everything, there are no ranges, reversals,
 * controls or shadow, and a card has neither limits nor a wrong status.
 */
enableCompileCache();

async function main([cellName, how, connections]: readonly string[]): Promise<void> {
  const { RELEVO_HOME, RELEVO_DATABASE_URL } = readAllSettings(process.env);
  await withServer({ home: RELEVO_HOME, databaseUrl: RELEVO_DATABASE_URL ?? undefined }, async (server) => {
    const cell = await openCell(server, RELEVO_HOME, parseCellName(cellName));
    const vault = await openVault(cell, cell.connect('cards', 1));
    const url = databaseUrl(server.adminUrl, databaseName(cell.name));
    const clients = await Promise.all(
      Array.from({ length: Number(connections) }, () => pipelinedClient(url, SESSION)),
    );
    const answer = new Answering(vault, clients, how === 'statement' ? inOneStatement : inOneTransaction);
    const listener = await listen({
      host: '127.0.0.1',
      port: 0,
      framing: 'binary',
      connectionsMax: 256,
      inFlightMax: 4096,
      idleMs: 600_000,
      frameBytesMax: 8192,
      onFrame: (frame, peer) => void answer.to(frame, peer),
    });
    process.stdout.write(`${JSON.stringify({ state: 'serving', port: listener.port })}\n`);
    await new Promise((resolve) => process.once('SIGTERM', resolve));
    await listener.close(1000);
    await Promise.all(clients.map((client) => client.end()));
    await cell.close();
  });
  process.exit();
}

/** Answers the response code of a request. */
type Work = (client: pg.Client, asked: Asked) => Promise<string>;

class Answering {
  readonly #codes: MessageCodes;
  readonly #free: pg.Client[];
  readonly #work: Work;
  readonly #waiting: ((client: pg.Client) => void)[] = [];

  constructor(vault: Vault, clients: readonly pg.Client[], work: Work) {
    this.#codes = new MessageCodes(vault);
    this.#free = [...clients];
    this.#work = work;
  }

  async to(frame: Buffer, peer: Peer): Promise<void> {
    const message = unpack(frame);
    if (message.mti === '0800') return peer.send(pack(managed(message)));
    const request = fromMessage(message, new Date());
    if (isMalformed(request)) return peer.send(pack(toAnswer(message, { responseCode: '30' })));
    const [codes] = this.#codes.of([request]);
    const approvalCode = approvalCodeOf(codes.key);
    const asked: Asked = {
      request,
      codes,
      approvalCode,
      holdIdOf: (cardId) => this.#holdId(cardId, request.rrn, approvalCode),
    };
    const client = this.#free.pop() ?? (await new Promise<pg.Client>((take) => this.#waiting.push(take)));
    let responseCode: string;
    try {
      responseCode = await this.#work(client, asked);
    } finally {
      const next = this.#waiting.shift();
      if (next) next(client);
      else this.#free.push(client);
    }
    peer.send(
      pack(
        toAnswer(message, { responseCode, approvalCode: responseCode === '00' ? approvalCode : undefined }),
      ),
    );
  }

  #holdId(cardId: string, rrn: string, approvalCode: string): string {
    return this.#codes.holdIds([{ cardId, rrn, approvalCode }])[0]!;
  }
}

function managed(message: Message): Message {
  const answer = new Message('0810');
  for (const field of [7, 11, 70]) {
    const value = message.get(field);
    if (value !== undefined) answer.set(field, value);
  }
  return answer.set(39, '00');
}

await main(process.argv.slice(2));
