// Tokens by a refresh token that changes with each use (RFC 6749, 6): somebody gave consent once, and each renewal
// brings the refresh token for the next.
// Invariants:
// 1. The new refresh token is kept before the access token that came with it is used.
// 2. A refresh token in the configuration that is not the one that the kept one descends from is newer, and wins.
// 3. Where another process was faster, its token is used and ours is not sent again.

import { createHash } from 'node:crypto'
import type { SecretRead } from '../connector-kind.js'
import { redactor } from '../http/redact.js'
import { type ClientProof, proveClient } from './client-credentials.js'
import { type FetchedToken, TokenCache } from './token-cache.js'
import { requestToken } from './token-request.js'
import type { TokenStore } from './token-store.js'

export interface RefreshTokens {
  readonly tokenUrl: string
  readonly clientId: string
  readonly proof: ClientProof
  /** The refresh token of the first consent, or of the last. */
  readonly firstToken: () => SecretRead
  readonly store: TokenStore
  readonly parameters?: Readonly<Record<string, string>>
  readonly nowMs: () => number
}

export function refreshTokens(options: RefreshTokens): TokenCache {
  return new TokenCache(async () => {
    try {
      return await renew(options)
    } catch (error) {
      const detail = `the kept refresh token cannot be read or written: ${String(error)}`
      return { kind: 'throttled', code: 'token_store_unavailable', detail }
    }
  }, options.nowMs)
}

async function renew(options: RefreshTokens, isSecond = false): Promise<FetchedToken> {
  const { tokenUrl, clientId, proof, firstToken, store, parameters = {} } = options
  const first = firstToken()
  if (first.kind !== 'ok') return first
  const proven = await proveClient(proof, tokenUrl)
  if (proven.kind !== 'ok') return proven
  const { kept, revision } = await store.read()
  const descendsFrom = createHash('sha256').update(first.secret).digest('hex')
  const refreshToken = kept?.descendsFrom === descendsFrom ? kept.refreshToken : first.secret // invariant 2
  const redact = redactor([...proven.secrets, refreshToken])
  const granted = await requestToken({
    tokenUrl,
    clientId,
    auth: proven.auth,
    parameters,
    refreshToken,
    redact,
  })
  if (granted.kind === 'ok') {
    const next = granted.refreshToken ?? refreshToken
    const isChanged = next !== kept?.refreshToken || kept.descendsFrom !== descendsFrom
    if (isChanged) await store.write({ refreshToken: next, descendsFrom }, revision) // invariant 1
    return granted
  }
  // Perhaps another process has used it up, and keeps the next one by now.
  if (granted.kind === 'stopped' && !isSecond && (await store.read()).revision !== revision)
    return renew(options, true) // invariant 3
  return granted
}
