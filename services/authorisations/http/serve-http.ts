import type { FastifyInstance } from 'fastify';
import {
  type ApiDoor,
  type ApiOptions,
  type ApiRoute,
  buildApi,
  serveApi,
} from '#runtime/http/api-server.ts';
import { commonProblem } from '#runtime/http/problems.ts';
import { messageRoutes } from '../public.ts';
import { formats } from './formats.ts';
import { type MessageHandlers, messageHandlers, type MessageOptions } from './message-handlers.ts';
import { openApi } from './openapi.ts';
import { tokenCheck } from './token.ts';

export interface HttpOptions extends MessageOptions {
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  /** Whoever sends a message must know it. */
  readonly token: string;
  /** Further connections are ended as soon as they are there. */
  readonly connectionsMax?: number;
  readonly isReady: () => boolean;
  /** A defect; what a request held is not in it. */
  readonly onTrouble?: (error: unknown) => void;
}

export type HttpDoor = ApiDoor;

/** Messages as JSON over HTTP: the same operations as over ISO 8583, for hosts that speak this. */
export const serveHttp = ({ host, port, connectionsMax, ...options }: HttpOptions): Promise<HttpDoor> =>
  serveApi(apiOptions(options), { at: { host, port }, connectionsMax });

/** The server without a socket; tests send it requests directly. */
export const buildServer = (options: HttpOptions): FastifyInstance => buildApi(apiOptions(options));

function apiOptions({
  token,
  isReady,
  onTrouble,
  ...messages
}: Omit<HttpOptions, 'host' | 'port'>): ApiOptions<void> {
  const isToken = tokenCheck(token);
  return {
    routes: routesTo(messageHandlers(messages)),
    admit: ({ authorization }) => {
      if (!isToken(authorization)) throw commonProblem('unauthorised', TOKEN_ADVICE);
    },
    isReady,
    documents: { '/openapi.json': openApi() },
    formats,
    onTrouble,
  };
}

const TOKEN_ADVICE =
  "Send the cell's token as Authorization: Bearer TOKEN. The command keys token prints it.";

/** The routes by which messages come, to their handlers. */
const routesTo = (handlers: MessageHandlers): ApiRoute<void>[] =>
  messageRoutes.map(({ operation, http }) => {
    const handler = handlers[operation as keyof MessageHandlers];
    // The body has passed the schema that gives the handler's input its type.
    return { http, answer: ({ input }) => handler(input as never) };
  });
