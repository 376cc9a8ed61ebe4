// Whether a request comes from a program on this machine, or from a web page in a browser on it. A page may send requests
// to loopback (its Origin tells), or have its own host name point there (its Host tells); neither has business here,
// unless the configuration names its origin. Such a page may read the answers, too (CORS).

import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { exceptions } from './exception.js'

const loopbackHost = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/i

/** For how long a browser need not ask again. */
const preflightSeconds = 86_400

/** Of an answer, for a page; those that browsers show anyway are not named. */
const shownHeaders = [
  ...['Query-Id', 'Summary', 'Format', 'Timezone', 'Server-Display-Name', 'Exception-Code', 'Exception-Tag'],
].map(name => `X-ClickHouse-${name}`)

export function admitVisitor(headers: IncomingHttpHeaders, origins: readonly string[]): void {
  const problem = visitorProblem(headers, origins)
  if (problem !== undefined) throw exceptions.foreignVisitor(problem)
}

/** Why a request does not come from a program on this machine; undefined when it may. */
export function visitorProblem(
  headers: IncomingHttpHeaders,
  origins: readonly string[] = [],
): string | undefined {
  const { host, origin } = headers
  if (host !== undefined && !loopbackHost.test(host.replace(/:\d+$/, '')))
    return `the Host header is ${JSON.stringify(host)}`
  if (origin !== undefined && origins.includes(origin)) return undefined
  if (origin !== undefined && !isLoopback(origin)) return `the Origin header is ${JSON.stringify(origin)}`
  const site = headers['sec-fetch-site']
  return site === 'cross-site' || site === 'same-site' ? `the Sec-Fetch-Site header is ${site}` : undefined
}

/** A browser's question whether a page may send a request. */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined
}

/** Lets a page of an origin that is named read the answer. */
export function allowPages(
  request: IncomingMessage,
  response: ServerResponse,
  origins: readonly string[],
): void {
  if (origins.length === 0) return
  response.setHeader('Vary', 'Origin')
  const { origin } = request.headers
  if (origin === undefined || !origins.includes(origin)) return
  response.setHeader('Access-Control-Allow-Origin', origin)
  response.setHeader('Access-Control-Expose-Headers', shownHeaders.join(', '))
  if (!isPreflight(request)) return
  response.setHeader('Access-Control-Allow-Methods', 'GET, POST, OPTIONS')
  const wanted = request.headers['access-control-request-headers']
  if (wanted !== undefined) response.setHeader('Access-Control-Allow-Headers', wanted)
  response.setHeader('Access-Control-Max-Age', preflightSeconds)
  // A browser asks this of a page of the internet that sends requests to the machine it runs on.
  if (request.headers['access-control-request-private-network'] !== undefined)
    response.setHeader('Access-Control-Allow-Private-Network', 'true')
}

function isLoopback(origin: string): boolean {
  if (!URL.canParse(origin)) return false // `null`, of a sandboxed page or a file
  const { protocol, hostname } = new URL(origin)
  return /^https?:$/.test(protocol) && loopbackHost.test(hostname)
}
