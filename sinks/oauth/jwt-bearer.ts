// Tokens by a JWT that our private key signs for a user (RFC 7523, 2.1), as Salesforce asks for.

import { importPKCS8, SignJWT } from 'jose'
import { None } from 'oauth4webapi'
import type { SecretRead } from '../connector-kind.js'
import { redactor } from '../http/redact.js'
import { type FetchedToken, TokenCache } from './token-cache.js'
import { requestToken } from './token-request.js'

export interface JwtBearer {
  readonly tokenUrl: string
  readonly clientId: string
  /** For whom, as `sub`. */
  readonly user: string
  readonly audience: string
  /** A private key in PKCS 8 (`-----BEGIN PRIVATE KEY-----`). */
  readonly key: () => SecretRead
  /** Where the answer does not say how long a token lives. */
  readonly assumedLifeMs: number
  readonly nowMs: () => number
}

const grantType = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
/** Salesforce takes no assertion that lives longer than three minutes. */
const assertionSeconds = 120

export function jwtBearer(options: JwtBearer): TokenCache {
  const { tokenUrl, clientId, user, audience, key, assumedLifeMs, nowMs } = options
  return new TokenCache(async (): Promise<FetchedToken> => {
    const read = key()
    if (read.kind !== 'ok') return read
    const nowSeconds = Math.floor(nowMs() / 1000)
    let assertion: string
    try {
      assertion = await new SignJWT({})
        .setProtectedHeader({ alg: 'RS256' })
        .setIssuer(clientId)
        .setSubject(user)
        .setAudience(audience)
        .setExpirationTime(nowSeconds + assertionSeconds)
        .sign(await importPKCS8(read.secret, 'RS256'))
    } catch {
      const detail = 'the private key is no RSA key in PKCS 8 (-----BEGIN PRIVATE KEY-----)'
      return { kind: 'stopped', code: 'credentials_missing', detail }
    }
    return requestToken({
      ...{ tokenUrl, clientId, auth: None(), parameters: { assertion }, grantType, assumedLifeMs },
      redact: redactor([read.secret, assertion]),
    })
  }, nowMs)
}
