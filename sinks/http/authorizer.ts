// Who we are to a receiver: the headers of a request that prove it. Bearer tokens, a user with a password, a key in
// a header; a system with its own way (OAuth 1.0a) brings its own.
// Invariant: a secret is read at each request, so that one that was replaced counts at once.

import type { PutOutcome, Stopped } from '../connector.js'
import type { SecretRead } from '../connector-kind.js'

type Throttled = Extract<PutOutcome, { kind: 'throttled' }>

export type Authorization =
  | {
      readonly kind: 'ok'
      readonly headers: Readonly<Record<string, string>>
      /** Taken out of whatever is kept of this request. */
      readonly secrets: readonly string[]
    }
  | Stopped
  | Throttled

export interface Authorizer {
  authorize(
    request: { readonly method: string; readonly url: string },
    signal: AbortSignal,
  ): Promise<Authorization>
  /** The receiver answered 401 to it. True: another one, asked for now, may do better. */
  refused(authorization: Extract<Authorization, { kind: 'ok' }>): boolean
}

export interface TokenSource {
  token(signal: AbortSignal): Promise<{ readonly kind: 'ok'; readonly token: string } | Stopped | Throttled>
  /** Throws the token away, so that the next call fetches another. */
  discard(token: string): void
}

export function bearer(tokens: TokenSource): Authorizer {
  return {
    async authorize(_, signal) {
      const given = await tokens.token(signal)
      if (given.kind !== 'ok') return given
      return { kind: 'ok', headers: { authorization: `Bearer ${given.token}` }, secrets: [given.token] }
    },
    refused({ secrets: [token] }) {
      if (token !== undefined) tokens.discard(token)
      return token !== undefined
    },
  }
}

/** HTTP basic authentication; for systems with an API key alone, `user` or the password is empty. */
export function basic(user: () => SecretRead, password: () => SecretRead): Authorizer {
  return fromSecrets([user, password], ([name = '', word = '']) => ({
    authorization: `Basic ${Buffer.from(`${name}:${word}`).toString('base64')}`,
  }))
}

export function headerKey(header: string, key: () => SecretRead, prefix = ''): Authorizer {
  return fromSecrets([key], ([secret = '']) => ({ [header]: `${prefix}${secret}` }))
}

function fromSecrets(
  reads: readonly (() => SecretRead)[],
  headersOf: (secrets: readonly string[]) => Record<string, string>,
): Authorizer {
  return {
    async authorize() {
      const secrets: string[] = []
      for (const read of reads) {
        const one = read()
        if (one.kind === 'stopped') return one
        secrets.push(one.secret)
      }
      const headers = headersOf(secrets)
      return { kind: 'ok', headers, secrets: [...secrets, ...Object.values(headers)] }
    },
    refused: () => false,
  }
}
