// Who may call what: bearer keys, scopes, and what the machine itself may see without a key.

import type { IncomingMessage } from 'node:http'
import type { Caller, KeyVerifier } from './key-ring.js'
import { Problem } from './problem.js'
import type { Access, Scope } from './route.js'

/** `open` asks nobody for a key: tests, and a gateway behind something that does. */
export type Authentication = KeyVerifier | 'open'

/** Throws a `Problem` of 401, 403 or, while a key cannot be looked up, 503. Returns whether the caller may see what the `read` scope shows. */
export async function authorize(
  request: IncomingMessage,
  access: Access,
  keys: Authentication,
): Promise<{ readonly mayRead: boolean }> {
  if (keys === 'open') return { mayRead: true }
  const near = isFromThisMachine(request)
  const token = bearerToken(request)
  if (access.kind === 'anyone') {
    return { mayRead: near || (token !== undefined && (await mayRead(token, keys))) }
  }
  if (token === undefined) {
    if (access.kind === 'scope_or_loopback' && near) return { mayRead: true }
    throw unauthenticated('Give an API key: Authorization: Bearer weir_…', undefined)
  }
  const caller = await keys.verify(token)
  if (caller === undefined) throw unauthenticated('The API key is not known or was revoked.', 'invalid_token')
  if (!holds(caller, access.scope)) {
    const challenge = `Bearer realm="weir", error="insufficient_scope", scope="${access.scope}"`
    throw new Problem(403, 'insufficient_scope', `The API key lacks the scope ${access.scope}.`, {
      headers: { 'www-authenticate': challenge },
    })
  }
  return { mayRead: holds(caller, 'read') }
}

/** A probe must be answered during an outage too; then it is shown what anyone is. */
async function mayRead(token: string, keys: KeyVerifier): Promise<boolean> {
  try {
    return holds(await keys.verify(token), 'read')
  } catch (error) {
    if (error instanceof Problem) return false
    throw error
  }
}

function holds(caller: Caller | undefined, scope: Scope): boolean {
  return caller !== undefined && (caller.scopes.has(scope) || caller.scopes.has('admin'))
}

/** RFC 6750: without a token the challenge names no error. */
function unauthenticated(detail: string, error: 'invalid_token' | undefined): Problem {
  const challenge = `Bearer realm="weir"${error === undefined ? '' : `, error="${error}"`}`
  return new Problem(401, error ?? 'missing_api_key', detail, { headers: { 'www-authenticate': challenge } })
}

function bearerToken(request: IncomingMessage): string | undefined {
  const match = /^Bearer +([^\s]+) *$/i.exec(request.headers.authorization ?? '')
  if (match !== null) return match[1]
  // Something else than a bearer token is a wrong key, not a missing one.
  return request.headers.authorization === undefined ? undefined : ''
}

/** From a loopback address, and not by way of a proxy that runs here. */
function isFromThisMachine(request: IncomingMessage): boolean {
  const { headers } = request
  if (headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined) return false
  const address = request.socket.remoteAddress ?? ''
  return address === '::1' || /^(?:::ffff:)?127\./.test(address)
}
