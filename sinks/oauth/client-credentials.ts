// Tokens by client credentials (RFC 6749, 4.4): with a secret, or with a JWT that our private key signs (RFC 7523).
// Keys are read by jose and the assertion is signed by oauth4webapi: RSA keys sign PS256, RS256 or larger, P-256
// and larger sign ES256 or larger.

import { importPKCS8 } from 'jose'
import { type ClientAuth, ClientSecretPost, modifyAssertion, PrivateKeyJwt } from 'oauth4webapi'
import type { Stopped } from '../connector.js'
import type { SecretRead } from '../connector-kind.js'
import { redactor } from '../http/redact.js'
import { type FetchedToken, TokenCache } from './token-cache.js'
import { requestToken } from './token-request.js'

export type SigningAlgorithm =
  | 'PS256'
  | 'PS384'
  | 'PS512'
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'ES256'
  | 'ES384'
  | 'ES512'

export type ClientProof =
  /** In the header (`basic`, what RFC 6749 asks servers to take) or in the form (`post`). */
  | { readonly kind: 'secret'; readonly secret: () => SecretRead; readonly in: 'basic' | 'post' }
  | {
      readonly kind: 'assertion'
      /** A private key in PKCS 8 (`-----BEGIN PRIVATE KEY-----`). */
      readonly key: () => SecretRead
      readonly algorithm: SigningAlgorithm
      /** The id under which the server knows the certificate or the public key. */
      readonly keyId: string
      /** Claims beside or instead of iss, sub, aud (the token URL), iat, exp and jti. */
      readonly claims?: Readonly<Record<string, string>>
      /** Header parameters beside alg, kid and typ, such as the thumbprint of the certificate. */
      readonly header?: Readonly<Record<string, string>>
    }

export interface ClientCredentials {
  readonly tokenUrl: string
  readonly clientId: string
  readonly proof: ClientProof
  readonly scope?: string
  /** Further parameters of the form, such as `resource` or `audience`. */
  readonly parameters?: Readonly<Record<string, string>>
  /** Where the answer does not say how long a token lives. */
  readonly assumedLifeMs?: number
  readonly nowMs: () => number
}

/** Tokens for a connection. */
export function clientCredentials(options: ClientCredentials): TokenCache {
  const { tokenUrl, clientId, proof, scope, parameters = {}, assumedLifeMs, nowMs } = options
  const life = assumedLifeMs === undefined ? {} : { assumedLifeMs }
  return new TokenCache(async (): Promise<FetchedToken> => {
    const proven = await proveClient(proof, tokenUrl)
    if (proven.kind !== 'ok') return proven
    const given = { ...(scope === undefined ? {} : { scope }), ...parameters }
    const redact = redactor(proven.secrets)
    return requestToken({ tokenUrl, clientId, auth: proven.auth, parameters: given, redact, ...life })
  }, nowMs)
}

export type Proven =
  | { readonly kind: 'ok'; readonly auth: ClientAuth; readonly secrets: readonly string[] }
  | Stopped

/** Reads the secret again at each request. */
export async function proveClient(proof: ClientProof, tokenUrl: string): Promise<Proven> {
  const read = proof.kind === 'secret' ? proof.secret() : proof.key()
  if (read.kind !== 'ok') return read
  const { secret } = read
  if (proof.kind === 'secret') {
    const auth = proof.in === 'basic' ? clientSecretBasic(secret) : ClientSecretPost(secret)
    return { kind: 'ok', auth, secrets: [secret] }
  }
  try {
    const key = await importPKCS8(secret, proof.algorithm)
    const auth = PrivateKeyJwt(
      { key, kid: proof.keyId },
      {
        [modifyAssertion](header, payload) {
          Object.assign(header, { typ: 'JWT' }, proof.header)
          Object.assign(payload, { aud: tokenUrl }, proof.claims)
        },
      },
    )
    return { kind: 'ok', auth, secrets: [secret] }
  } catch {
    const detail = `the private key is no PKCS 8 key for ${proof.algorithm} (-----BEGIN PRIVATE KEY-----)`
    return { kind: 'stopped', code: 'credentials_missing', detail }
  }
}

/**
 * RFC 6749, 2.3.1. As the library's own, but `-`, `_` and `.` stay as they are, which means the same: not every server decodes
 * the two parts, and secrets have these characters.
 */
function clientSecretBasic(secret: string): ClientAuth {
  return (_server, { client_id: clientId }, _form, headers) => {
    const pair = `${formEncoded(clientId)}:${formEncoded(secret)}`
    headers.set('authorization', `Basic ${Buffer.from(pair).toString('base64')}`)
  }
}

function formEncoded(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}
