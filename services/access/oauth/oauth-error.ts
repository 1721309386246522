/** An answer of RFC 6749 5.2, for what the library does not come to see. */
export interface OAuthError {
  readonly status: number;
  readonly error: 'invalid_request' | 'invalid_client' | 'temporarily_unavailable' | 'server_error';
  readonly description: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export const bodyOf = ({ error, description }: Pick<OAuthError, 'error' | 'description'>) => ({
  error,
  error_description: description,
});
