// One request to a token endpoint, through oauth4webapi, and what its end means: refused credentials stop the
// connection, anything else passes by itself.
// Invariant: no secret and no token is in a detail.

import {
  type AuthorizationServer,
  allowInsecureRequests,
  type Client,
  type ClientAuth,
  clientCredentialsGrantRequest,
  genericTokenEndpointRequest,
  processClientCredentialsResponse,
  processGenericTokenEndpointResponse,
  processRefreshTokenResponse,
  ResponseBodyError,
  refreshTokenGrantRequest,
  type TokenEndpointResponse,
  WWWAuthenticateChallengeError,
} from 'oauth4webapi'
import { beginningOf } from '../http/request.js'
import type { FetchedToken } from './token-cache.js'

export interface TokenRequest {
  readonly tokenUrl: string
  readonly clientId: string
  readonly auth: ClientAuth
  readonly parameters: Readonly<Record<string, string>>
  /** Absent: client credentials. */
  readonly refreshToken?: string
  /** Another grant, such as that of RFC 7523; `parameters` has what it needs. */
  readonly grantType?: string
  /** Where the answer does not say how long a token lives. Default 5 minutes. */
  readonly assumedLifeMs?: number
  readonly redact: (text: string) => string
}

export type TokenGrant = FetchedToken & { readonly refreshToken?: string | undefined }

const deadlineMs = 20_000
/** A token has some thousand characters; what is longer, also after it was unpacked, is no answer of a token endpoint. */
const longestAnswerBytes = 1 << 20
const assumedLife = 300_000

/** Never throws. */
export async function requestToken(request: TokenRequest): Promise<TokenGrant> {
  const { tokenUrl, clientId, auth, parameters, refreshToken, grantType, redact } = request
  const lifeMs = request.assumedLifeMs ?? assumedLife
  // The library checks the issuer of discovered servers; here the URL of the configuration is all that is known.
  const server: AuthorizationServer = { issuer: tokenUrl, token_endpoint: tokenUrl }
  const client: Client = { client_id: clientId }
  const isPlain = tokenUrl.startsWith('http:')
  const options = { signal: AbortSignal.timeout(deadlineMs), [allowInsecureRequests]: isPlain }
  try {
    if (grantType !== undefined) {
      const form = { ...parameters }
      const response = await genericTokenEndpointRequest(server, client, auth, grantType, form, options)
      const answer = await processGenericTokenEndpointResponse(server, client, await withoutIdToken(response))
      return grantOf(answer, lifeMs)
    }
    if (refreshToken === undefined) {
      const response = await clientCredentialsGrantRequest(server, client, auth, { ...parameters }, options)
      const answer = await processClientCredentialsResponse(server, client, await withoutIdToken(response))
      return grantOf(answer, lifeMs)
    }
    const response = await refreshTokenGrantRequest(server, client, auth, refreshToken, {
      ...options,
      additionalParameters: { ...parameters },
    })
    const answer = await processRefreshTokenResponse(server, client, await withoutIdToken(response))
    return grantOf(answer, lifeMs)
  } catch (error) {
    return failureOf(error, redact)
  }
}

/**
 * Servers add an ID token where the consent asked for `openid`. It says who gave consent, which nobody asks here, and the library
 * would check it against an issuer that the configuration does not name.
 */
async function withoutIdToken(response: Response): Promise<Response> {
  const text = await beginningOf(response, longestAnswerBytes)
  let body = text
  try {
    const { id_token: _, ...rest } = JSON.parse(text) as { readonly id_token?: unknown }
    body = JSON.stringify(rest)
  } catch {
    // No JSON: the library says so.
  }
  return new Response(body, response)
}

function grantOf(answer: TokenEndpointResponse, lifeMs: number): TokenGrant {
  const { access_token: token, expires_in: seconds, refresh_token: refreshToken } = answer
  const expiresInMs = seconds === undefined ? lifeMs : seconds * 1_000
  return { kind: 'ok', token, expiresInMs, ...(refreshToken === undefined ? {} : { refreshToken }) }
}

function failureOf(error: unknown, redact: (text: string) => string): FetchedToken {
  if (error instanceof ResponseBodyError) {
    const words = `${error.error}${error.error_description === undefined ? '' : `: ${error.error_description}`}`
    const detail = redact(`the token endpoint answers ${error.status} ${words}`)
    // RFC 6749, 5.2; some servers answer a limit or a fault of theirs in the same form.
    const isPassing =
      error.status === 429 || error.status >= 500 || /^(temporarily_unavailable|slow_down)$/.test(error.error)
    if (isPassing) return { kind: 'throttled', code: 'receiver_unavailable', detail }
    return { kind: 'stopped', code: 'credentials_refused', detail }
  }
  const status = statusOf(error)
  if (error instanceof WWWAuthenticateChallengeError || status === 401 || status === 403 || status === 400) {
    const detail = `the token endpoint answers ${status ?? 401}`
    return { kind: 'stopped', code: 'credentials_refused', detail }
  }
  const words =
    error instanceof Error ? [error.message, causeOf(error)].filter(Boolean).join(': ') : String(error)
  const detail = redact(`no token: ${status === undefined ? '' : `HTTP ${status}: `}${words}`)
  return { kind: 'throttled', code: 'receiver_unavailable', detail }
}

/** The library puts the response that it could not use in `cause`. */
function statusOf(error: unknown): number | undefined {
  const { cause } = error as { cause?: unknown }
  return cause instanceof Response ? cause.status : undefined
}

function causeOf({ cause }: Error): string {
  return cause instanceof Error ? cause.message : ''
}
