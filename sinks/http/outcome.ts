// What the status of an answer means for a record, where the receiver follows HTTP. Connectors whose
// receivers answer 200 with an error inside read the body first.

import type { PutOutcome } from '../connector.js'
import type { HttpAnswer } from './request.js'
import { retryAfterMs } from './retry-after.js'

/** Undefined for 2xx: the connector then reads the outcome from the answer. */
export function outcomeOfAnswer(
  answer: HttpAnswer,
  redact: (text: string) => string,
  nowMs: number,
): PutOutcome | undefined {
  if (answer.kind !== 'answer') {
    const detail = redact(answer.detail)
    return answer.kind === 'not_sent'
      ? { kind: 'throttled', code: answer.code, detail }
      : { kind: 'unclear', code: answer.code, detail }
  }
  const { status, headers } = answer
  if (status >= 200 && status < 300) return undefined
  const code = `http_${status}`
  const detail = redact(answer.body)
  if (status === 429 || status === 503) {
    const waitMs = retryAfterMs(headers.get('retry-after'), nowMs)
    return { kind: 'throttled', code, detail, ...(waitMs === undefined ? {} : { retryAfterMs: waitMs }) }
  }
  if (status === 401)
    return { kind: 'stopped', code: 'credentials_refused', detail: `the receiver answers 401: ${detail}` }
  if (status < 400) {
    const where = redact(headers.get('location') ?? '')
    return { kind: 'stopped', code: 'redirected', detail: `the receiver answers ${status}: ${where}` }
  }
  // The receiver may have carried out a request that timed out or failed on its side.
  if (status === 408 || status >= 500) return { kind: 'unclear', code, detail }
  return { kind: 'refused', code, detail }
}
