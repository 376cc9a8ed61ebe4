// Whether a request comes from a program on this machine, or from a web page in a browser on it. A page may send requests
// to loopback (its Origin tells), or have its own host name point there (its Host tells); neither has business here.

import type { IncomingHttpHeaders } from 'node:http'
import { exceptions } from './exception.js'

const loopbackHost = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/i

export function admitVisitor(headers: IncomingHttpHeaders): void {
  const problem = visitorProblem(headers)
  if (problem !== undefined) throw exceptions.foreignVisitor(problem)
}

/** Why a request does not come from a program on this machine; undefined when it may. */
export function visitorProblem(headers: IncomingHttpHeaders): string | undefined {
  const { host, origin } = headers
  if (host !== undefined && !loopbackHost.test(host.replace(/:\d+$/, '')))
    return `the Host header is ${JSON.stringify(host)}`
  if (origin !== undefined && !isLoopback(origin)) return `the Origin header is ${JSON.stringify(origin)}`
  const site = headers['sec-fetch-site']
  return site === 'cross-site' || site === 'same-site' ? `the Sec-Fetch-Site header is ${site}` : undefined
}

function isLoopback(origin: string): boolean {
  if (!URL.canParse(origin)) return false // `null`, of a sandboxed page or a file
  const { protocol, hostname } = new URL(origin)
  return /^https?:$/.test(protocol) && loopbackHost.test(hostname)
}
