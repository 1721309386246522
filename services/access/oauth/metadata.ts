export const TOKEN_PATH = '/oauth/token';
export const JWKS_PATH = '/oauth/jwks';
export const METADATA_PATH = '/.well-known/oauth-authorization-server';

/**
 * RFC 8414. The library's own document tells of endpoints for people who log in, which nobody reaches here, and takes
 * the host from the request.
 */
export const metadataOf = (issuer: string) => ({
  issuer,
  token_endpoint: `${issuer}${TOKEN_PATH}`,
  jwks_uri: `${issuer}${JWKS_PATH}`,
  response_types_supported: [],
  grant_types_supported: ['client_credentials'],
  token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
});
