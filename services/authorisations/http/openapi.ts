import { openApiDocument, problemAnswers } from '#runtime/http/openapi.ts';
import { messageRoutes } from '../public.ts';
import { problems } from './problems.ts';

const { no_such_path: _, method_not_allowed: __, not_ready, ...ofEveryRequest } = problems;

const plainPath = (operationId: string, summary: string, answer: string, further: object = {}) => ({
  get: {
    operationId,
    summary,
    responses: {
      200: {
        description: answer,
        content: {
          'application/json': {
            schema: { type: 'object', properties: { status: { type: 'string' } }, required: ['status'] },
          },
        },
      },
      ...further,
    },
  },
});

/** What hosts that speak HTTP to a serving process can send. */
export const openApi = (): object =>
  openApiDocument({
    title: 'Relevo authorisations',
    text:
      'What the card network tells in ISO 8583, as JSON. A request is known by `transmitted_at`, `stan`, `acquirer` ' +
      'and `rrn`: the same again gets the same answer and moves nothing.',
    operations: messageRoutes,
    problemsOf: () => ofEveryRequest,
    securityOf: () => ({ token: [] }),
    securitySchemes: {
      token: { type: 'http', scheme: 'bearer', description: 'From the command keys token.' },
    },
    furtherPaths: {
      '/healthz': plainPath('isAlive', 'Is the process alive?', 'It is.'),
      '/readyz': plainPath('isReady', 'Can it decide?', 'It can.', problemAnswers({ not_ready })),
    },
  });
