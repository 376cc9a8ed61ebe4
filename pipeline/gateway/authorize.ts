// Decides who may call a route: by API key and scope, or from this machine without a key.

import type { IncomingMessage } from 'node:http'
import { visitorProblem } from '../../deploy/embedded/clickhouse/visitor.js'
import type { KeyVerifier } from './key-ring.js'
import { Problem } from './problem.js'
import type { Access } from './route.js'
import { anybodyAllowed, type Caller, holds, localCaller, type Scope, unknownCaller } from './scopes.js'

/** `open` requires no key: for tests, and for a gateway behind a proxy that authenticates. */
export type Authentication = KeyVerifier | 'open'

/** Throws a `Problem` of 401, 403 or, while a key cannot be looked up, 503. */
export async function authorize(
  request: IncomingMessage,
  access: Access,
  keys: Authentication,
): Promise<Caller> {
  if (keys === 'open') return anybodyAllowed
  const near = isFromThisMachine(request)
  const token = tokenOf(request, access)
  if (access.kind === 'anyone') {
    if (near) return localCaller
    return token === undefined ? unknownCaller : knownOrUnknown(token, keys)
  }
  if (token === undefined) {
    if (access.kind === 'scope_or_loopback' && near) return localCaller
    throw unauthenticated('Give an API key: Authorization: Bearer weir_…', undefined)
  }
  const caller = await keys.verify(token)
  if (caller === undefined)
    throw unauthenticated('The API key is not known, was revoked or has expired.', 'invalid_token')
  if (!access.anyOf.some(scope => holds(caller, scope))) throw lacksScope(access.anyOf)
  return caller
}

/** RFC 6750: the challenge names the scopes that would be sufficient. */
export function lacksScope(anyOf: readonly Scope[]): Problem {
  const challenge = `Bearer realm="weir", error="insufficient_scope", scope="${anyOf.join(' ')}"`
  return new Problem('insufficient_scope', `The API key lacks the scope ${anyOf.join(' or ')}.`, {
    headers: { 'www-authenticate': challenge },
  })
}

/**
 * The key's owner; the unknown caller when the key cannot be looked up, so that probes work during an outage.
 */
async function knownOrUnknown(token: string, keys: KeyVerifier): Promise<Caller> {
  try {
    return (await keys.verify(token)) ?? unknownCaller
  } catch (error) {
    if (error instanceof Problem) return unknownCaller
    throw error
  }
}

/** RFC 6750: without a token the challenge names no error. */
function unauthenticated(detail: string, error: 'invalid_token' | undefined): Problem {
  const challenge = `Bearer realm="weir"${error === undefined ? '' : `, error="${error}"`}`
  return new Problem(error ?? 'missing_api_key', detail, { headers: { 'www-authenticate': challenge } })
}

function tokenOf({ headers }: IncomingMessage, access: Access): string | undefined {
  const match = /^Bearer +([^\s]+) *$/i.exec(headers.authorization ?? '')
  if (match !== null) return match[1]
  const basic = access.kind === 'scope' && access.basic === true ? /^Basic +([\w+/=]+) *$/i : undefined
  const login = basic?.exec(headers.authorization ?? '')?.[1]
  if (login !== undefined) return Buffer.from(login, 'base64').toString('latin1').replace(/:.*$/s, '')
  // An `Authorization` header with another scheme than bearer counts as a wrong key, not as a missing one.
  return headers.authorization === undefined ? undefined : ''
}

/**
 * Whether a request comes from a loopback address, and not through a local proxy or from a web page in a
 * browser.
 */
function isFromThisMachine(request: IncomingMessage): boolean {
  const { headers } = request
  if (headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined) return false
  if (visitorProblem(headers) !== undefined) return false
  const address = request.socket.remoteAddress ?? ''
  return address === '::1' || /^(?:::ffff:)?127\./.test(address)
}
