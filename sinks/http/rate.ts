// So many requests a second and no more, over all that a connection sends.

import pThrottle from 'p-throttle'
import type { HttpAnswer, HttpRequest } from './request.js'
import { send } from './request.js'

export type Send = (request: HttpRequest, deadlineMs: number, signal: AbortSignal) => Promise<HttpAnswer>

/** Undefined: as many as come. The deadline of a request begins when it is its turn. */
export function sendAtRate(perSecond: number | undefined): Send {
  if (perSecond === undefined) return send
  return pThrottle({ limit: perSecond, interval: 1_000, strict: true })(send)
}
