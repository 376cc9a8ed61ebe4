// Limits the requests per second, over all that a connection sends.

import pThrottle from 'p-throttle'
import type { HttpAnswer, HttpRequest } from './request.js'
import { send } from './request.js'

export type Send = (request: HttpRequest, deadlineMs: number, signal: AbortSignal) => Promise<HttpAnswer>

/** Undefined: no limit. The deadline of a request begins when the limit lets it go. */
export function sendAtRate(perSecond: number | undefined): Send {
  if (perSecond === undefined) return send
  return pThrottle({ limit: perSecond, interval: 1_000, strict: true })(send)
}
