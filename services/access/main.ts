import { serve } from '#runtime/calls.ts';
import { abandonRequest } from './abandon-request.ts';
import { addClient, type ClientTerms } from './add-client.ts';
import type { AccessParts } from './administer.ts';
import { beginRequest } from './begin-request.ts';
import { endRequest } from './end-request.ts';
import { findClient } from './find-client.ts';
import { forgetRequests } from './forget-requests.ts';
import { listClients } from './list-clients.ts';
import { renewSecret } from './renew-secret.ts';
import { revokeClient } from './revoke-client.ts';
import { access } from './service.ts';

/** The keys are the process's, from the cell file: the service's own role in the database reads none. */
export const serveAccess = (parts: AccessParts, terms: ClientTerms) =>
  serve(access, {
    addClient: addClient(parts, terms),
    listClients: listClients(parts.db),
    revokeClient: revokeClient(parts),
    renewSecret: renewSecret(parts, terms.keys),
    findClient: findClient(parts.db),
    beginRequest: beginRequest(parts.db, terms.keys),
    endRequest: endRequest(parts.db, terms.keys),
    abandonRequest: abandonRequest(parts.db, terms.keys),
    forgetRequests: forgetRequests(parts.db),
  });
