import type { PartName } from './parts.ts';

/** One edit of the source by which a guard is taken away. `from` stands in the file exactly once. */
export interface Edit {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Guard {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** The part of the proof that must fail without it. */
  readonly part: PartName;
  /** The kind of attempt that must find it gone. */
  readonly kind: string;
  /**
   * What must come of it there: `crossed` where nothing stands behind this guard; `astray` where another guard still
   * stops the attempt, which the proof tells; `refused` where something legitimate fails.
   */
  readonly by: 'crossed' | 'astray';
  /** It does its work while cells are made, so a run without it needs cells that were made without it. */
  readonly inSetUp?: true;
}

const CALLER_GATE = 'runtime/identity/caller-gate.ts';
const VERIFY_TOKEN = 'gateway/tokens/verify-token.ts';
const HANDLE_REQUEST = 'gateway/handle-request.ts';
const KNOWN_TOKENS = 'gateway/tokens/known-tokens.ts';
const TO_OPERATIONS = 'delivery/cell-process/routes-to-operations.ts';

const gatewayScope: Edit = {
  file: HANDLE_REQUEST,
  from: 'if (!exchange.caller.scopes.has(endpoint.http.scope))',
  to: 'if (false)',
};
const cellScope: Edit = {
  file: TO_OPERATIONS,
  from: `if (!client.scopes.includes(scope)) throw callProblem('scope_missing');`,
  to: '',
};
const appendRights: Edit = {
  file: 'delivery/cells/rights.ts',
  from: `appendOnly ? ['SELECT', 'INSERT'] : ALL_ROWS`,
  to: 'ALL_ROWS',
};
const appendTrigger: Edit = {
  file: 'delivery/cells/schema-changes.ts',
  from: 'if (appendOnly) await sealTables(client, name);',
  to: '',
};
const knownKey: Edit = {
  file: KNOWN_TOKENS,
  from: "hash('sha256', `${trust}\\n${token}`, 'base64')",
  to: "hash('sha256', `${trust.slice(0, 0)}${token}`, 'base64')",
};
const knownCell: Edit = {
  file: KNOWN_TOKENS,
  from: ' || known.caller.cell !== cell.route.cell',
  to: '',
};

/** Everything that keeps cells apart, and how it is taken away. A guard that is not here is not shown to be needed. */
export const guards: readonly Guard[] = [
  {
    name: 'gateway: issuer and audience of a token',
    part: 'tokens',
    kind: 'forged token',
    by: 'crossed',
    edits: [
      {
        file: VERIFY_TOKEN,
        from: "if (claims.iss !== issuer || !audiences.includes(issuer)) throw refused('token_of_another_cell');",
        to: '',
      },
      { file: VERIFY_TOKEN, from: '      issuer: route.issuer,\n      audience: route.issuer,\n', to: '' },
      {
        file: VERIFY_TOKEN,
        from: "if (payload.aud !== route.issuer) throw refused('token_of_another_cell');",
        to: '',
      },
    ],
  },
  {
    name: 'gateway: a host’s tokens are verified with the keys of its cell alone',
    part: 'tokens',
    kind: 'forged token',
    by: 'crossed',
    edits: [
      {
        file: 'gateway/routes.ts',
        from: 'cells.set(route.host, cellOf(route));',
        to: 'cells.set(route.host, cellOf({ ...route, keys: table.cells.flatMap(({ keys }) => keys) }));',
      },
    ],
  },
  {
    name: 'gateway: the algorithm of a token',
    part: 'tokens',
    kind: 'forged token',
    by: 'astray',
    edits: [
      { file: VERIFY_TOKEN, from: "if (header.alg !== ALGORITHM) throw refused('token_algorithm');", to: '' },
      { file: VERIFY_TOKEN, from: '      algorithms: [ALGORITHM],\n', to: '' },
    ],
  },
  {
    name: 'gateway: the Host is the name of the connection',
    part: 'hosts',
    kind: 'host that is not the connection’s',
    by: 'crossed',
    edits: [
      {
        file: HANDLE_REQUEST,
        from: "if ((request.socket as TLSSocket).servername !== host) throw new Problem('hosts_disagree');",
        to: '',
      },
    ],
  },
  {
    name: 'gateway: the end of a token',
    part: 'tokens',
    kind: 'token out of its time',
    by: 'crossed',
    edits: [
      {
        file: VERIFY_TOKEN,
        from: 'currentDate: new Date(now),',
        to: 'currentDate: new Date(Number(decodeJwt(token).iat) * 1_000),',
      },
    ],
  },
  {
    name: 'scope, at the gateway alone',
    part: 'tokens',
    kind: 'scope missing',
    by: 'astray',
    edits: [gatewayScope],
  },
  {
    name: 'scope, in the cell’s process alone',
    part: 'sockets',
    kind: 'process of a cell, asked directly',
    by: 'crossed',
    edits: [cellScope],
  },
  {
    name: 'scope, at both',
    part: 'tokens',
    kind: 'scope missing',
    by: 'crossed',
    edits: [gatewayScope, cellScope],
  },
  {
    name: 'a revoked client is refused',
    part: 'tokens',
    kind: 'revoked client',
    by: 'crossed',
    edits: [
      {
        file: TO_OPERATIONS,
        from: "if (await access.isRevoked(client.clientId)) throw callProblem('client_revoked');",
        to: '',
      },
    ],
  },
  {
    name: 'calls: the declared callers',
    part: 'callers',
    kind: 'caller that is not declared',
    by: 'crossed',
    edits: [
      {
        file: 'runtime/calls.ts',
        from: 'if (!declared?.callers.includes(caller.name))',
        to: 'if (!declared)',
      },
    ],
  },
  {
    name: 'calls: the signature of an identity',
    part: 'callers',
    kind: 'caller that is not proven',
    by: 'crossed',
    edits: [
      {
        file: CALLER_GATE,
        from: "throw unproven('its signature does not hold');",
        to: `const { iss, sub, scope } = decodeJwt(token);
      const scopes = String(scope ?? '').split(' ');
      return { caller: { name: iss!, behalf: sub === undefined ? null : { clientId: sub, scopes } }, issuedMs: 0, endsMs: 0 };`,
      },
    ],
  },
  {
    name: 'calls: the audience of an identity',
    part: 'callers',
    kind: 'caller that is not proven',
    by: 'crossed',
    edits: [{ file: CALLER_GATE, from: '          audience,\n', to: '' }],
  },
  {
    name: 'calls: the end of an identity',
    part: 'callers',
    kind: 'caller that is not proven',
    by: 'crossed',
    edits: [
      {
        file: CALLER_GATE,
        from: 'currentDate: new Date(nowMs),',
        to: 'currentDate: new Date(Number(decodeJwt(token).iat) * 1_000),',
      },
    ],
  },
  {
    name: 'calls: the caller’s own key of this cell',
    part: 'callers',
    kind: 'caller that is not proven',
    by: 'crossed',
    edits: [
      {
        file: 'delivery/cells/caller-keys.ts',
        from: 'const kek = keksOf(file).find((each) => each.version === version);',
        to: 'const kek = { version, key: Buffer.alloc(32) };',
      },
      {
        file: 'delivery/cells/caller-keys.ts',
        from: '`relevo caller 1 ${cellText(file)} ${caller}`',
        to: '`relevo caller 1 ${caller}`',
      },
    ],
  },
  {
    name: 'database: into a cell’s database come its roles alone',
    part: 'database',
    kind: 'role in the database of another cell',
    by: 'crossed',
    inSetUp: true,
    edits: [
      {
        file: 'delivery/cells/create-cell.ts',
        from: '`revoke all on database ${database} from public; grant connect',
        to: '`grant connect',
      },
    ],
  },
  {
    name: 'database: nobody enters what is nobody’s',
    part: 'database',
    kind: 'role in a database that is nobody’s',
    by: 'crossed',
    inSetUp: true,
    edits: [
      {
        file: 'runtime/postgres/embedded-server.ts',
        from: "'revoke all on database postgres, template1 from public'",
        to: "'select'",
      },
    ],
  },
  {
    name: 'database: a role has rights in its own schema alone',
    part: 'database',
    kind: 'role beyond its own schema',
    by: 'crossed',
    inSetUp: true,
    edits: [
      {
        file: 'delivery/cells/rights.ts',
        from: "  { role: 'keys', schema: 'cell', on: 'schema', privileges: ['USAGE'] },\n",
        to: `  { role: 'keys', schema: 'cell', on: 'schema', privileges: ['USAGE'] },
  ...services.flatMap(({ name: role }) =>
    services.flatMap(({ name: schema }): Right[] => [
      { role, schema, on: 'schema', privileges: ['USAGE'] },
      { role, schema, on: 'tables', privileges: ['SELECT'] },
    ]),
  ),
`,
      },
    ],
  },
  {
    name: 'append-only, by rights alone',
    part: 'database',
    kind: 'change of what is only appended',
    by: 'astray',
    inSetUp: true,
    edits: [
      appendRights,
      {
        file: 'delivery/cells/rights.ts',
        from: '`revoke update, delete, truncate on',
        to: '`revoke references on',
      },
    ],
  },
  {
    name: 'append-only, by the trigger alone',
    part: 'database',
    kind: 'change of what is only appended',
    by: 'crossed',
    inSetUp: true,
    edits: [appendTrigger],
  },
  {
    name: 'reporting reads masked views',
    part: 'database',
    kind: 'reporting beyond what is masked',
    by: 'crossed',
    inSetUp: true,
    edits: [
      {
        file: 'services/cards/schema/0001-cards/up.sql',
        from: "pan_first6 || '******' || pan_last4 as pan_masked, expiry, status,",
        to: "pan_first6 || '******' || pan_last4 as pan_masked, pan_sealed, expiry, status,",
      },
    ],
  },
  {
    name: 'a sealed value is bound to its place',
    part: 'files',
    kind: 'sealed value in another place',
    by: 'crossed',
    inSetUp: true,
    edits: [
      { file: 'runtime/vault/seal.ts', from: '  cipher.setAAD(place);\n', to: '' },
      { file: 'runtime/vault/seal.ts', from: '  decipher.setAAD(place);\n', to: '' },
      {
        file: 'runtime/vault/batch-seal.ts',
        from: '      this.#ghash.add(this.#places, i * BLOCK, BLOCK);\n',
        to: '',
      },
      {
        file: 'runtime/vault/batch-seal.ts',
        from: 'this.#ghash.end(BLOCK, length)',
        to: 'this.#ghash.end(0, length)',
      },
    ],
  },
  {
    name: 'processes may read the code and their own file',
    part: 'files',
    kind: 'file beyond a process’s own',
    by: 'crossed',
    edits: [
      {
        file: 'delivery/cell-process/only-code.ts',
        from: "  '--permission',\n",
        to: "  '--permission',\n  '--allow-fs-read=*',\n  '--allow-fs-write=*',\n  '--allow-child-process',\n",
      },
    ],
  },
  {
    name: 'gateway: only these headers of a client are handed on',
    part: 'identifiers',
    kind: 'header that is the gateway’s to write',
    by: 'crossed',
    edits: [
      {
        file: HANDLE_REQUEST,
        from: 'for (const name of REQUEST_HEADERS) {',
        to: "for (const name of [...REQUEST_HEADERS, 'relevo-caller']) {",
      },
    ],
  },
  {
    name: 'an idempotency key is its client’s',
    part: 'interleaved',
    kind: 'one idempotency key of several clients',
    by: 'crossed',
    edits: [
      {
        file: 'services/access/request-codes.ts',
        from: "keys.codeOfRequest('name', [clientId, key])",
        to: "keys.codeOfRequest('name', [clientId.slice(0, 0), key])",
      },
    ],
  },
  {
    name: 'a cell’s data keys are drawn for it alone',
    part: 'network',
    kind: 'one card number in two cells',
    by: 'crossed',
    inSetUp: true,
    edits: [
      {
        file: 'runtime/vault/vault.ts',
        from: 'wrapKey(kek, purpose, { version, key: newKey() });',
        to: 'wrapKey(kek, purpose, { version, key: createSecretKey(Buffer.alloc(32, purpose)) });',
      },
    ],
  },
  {
    name: 'the network’s door for JSON: the token of the cell',
    part: 'network',
    kind: 'token of another cell, at the network’s door',
    by: 'crossed',
    edits: [
      {
        file: 'services/authorisations/http/token.ts',
        from: 'given !== undefined && timingSafeEqual(sha256(given), expected)',
        to: 'given !== undefined && timingSafeEqual(sha256(given), sha256(given)) && expected.length > 0',
      },
    ],
  },
  {
    name: 'a backup goes back into its own cell',
    part: 'backups',
    kind: 'backup of another cell',
    by: 'astray',
    edits: [
      {
        file: 'delivery/backup/restore-cell.ts',
        from: 'if (header.cell !== cellText(name))',
        to: 'if (false)',
      },
    ],
  },
  {
    name: 'a backup opens under its own header alone',
    part: 'backups',
    kind: 'backup of another cell',
    by: 'crossed',
    edits: [
      {
        file: 'delivery/backup/backup-header.ts',
        from: "createHash('sha256').update(bytes).digest()",
        to: "createHash('sha256').update(bytes.subarray(0, 0)).digest()",
      },
    ],
  },
  {
    name: 'gateway: a token is remembered with its cell (the key, and the look at the cell beside it)',
    part: 'hosts',
    kind: 'token of another cell',
    by: 'astray',
    edits: [knownKey, knownCell],
  },
];
