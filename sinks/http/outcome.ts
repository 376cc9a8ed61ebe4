// What the status of an answer means for a record, where the receiver follows HTTP. Connectors whose
// receivers answer 200 with an error inside read the body first.

import type { CheckOutcome, FindOutcome, PutOutcome, Stopped } from '../connector.js'
import type { HttpAnswer } from './request.js'
import { retryAfterMs, untilResetMs } from './retry-after.js'

/** Where receivers name the limit that was met. */
const limitHeaders = ['x-rate-limit-problem', 'stripe-rate-limited-reason']

/** The words of gateways (Envoy, nginx, HAProxy) for a request that they had passed on. */
const brokeOff =
  /disconnect\/reset before headers(?!.*reset reason: (remote |local )?connection failure)|prematurely closed|backend (closed|reset)|timed? ?out/i

/** An outcome that says nothing about the record's content: the receiver did not get to it. */
export type NotReached = Exclude<PutOutcome, { kind: 'accepted' | 'written' | 'refused' }>

/** Undefined for 2xx: the connector then reads the outcome from the answer. */
export function outcomeOfAnswer(
  answer: HttpAnswer,
  redact: (text: string) => string,
  nowMs: number,
): PutOutcome | undefined {
  return (
    notReached(answer, redact, nowMs) ??
    (isGood(answer)
      ? undefined
      : { kind: 'refused', code: 'receiver_refused', detail: wordsOf(answer, redact) })
  )
}

/** The outcome when the status says nothing about the record; undefined for 2xx and for 4xx about the content. */
export function notReached(
  answer: HttpAnswer,
  redact: (text: string) => string,
  nowMs: number,
): NotReached | undefined {
  if (answer.kind !== 'answer') {
    const detail = redact(answer.detail)
    return answer.kind === 'not_sent'
      ? { kind: 'throttled', code: 'receiver_unavailable', detail }
      : { kind: 'unclear', code: 'no_answer', detail }
  }
  const { status, headers } = answer
  if (status >= 200 && status < 300) return undefined
  const detail = wordsOf(answer, redact)
  const waitMs =
    retryAfterMs(headers.get('retry-after'), nowMs) ?? untilResetMs(headers.get('x-ratelimit-reset'), nowMs)
  // Who says 503 and when to come back has turned the request away. Without that it may be a gateway that had passed it on; one
  // whose words tell of a connection that broke off behind it had.
  if (status === 429 || (status === 503 && waitMs !== undefined && !brokeOff.test(detail))) {
    const code = status === 429 ? 'rate_limited' : 'receiver_unavailable'
    const limit = limitHeaders.map(name => headers.get(name)).find(text => text !== null)
    const words = limit === undefined ? detail : `${detail} (limit: ${redact(limit)})`
    return {
      kind: 'throttled',
      code,
      detail: words,
      ...(waitMs === undefined ? {} : { retryAfterMs: waitMs }),
    }
  }
  if (status === 401) return { kind: 'stopped', code: 'credentials_refused', detail }
  if (status < 400) {
    const where = redact(headers.get('location') ?? '')
    return { kind: 'stopped', code: 'redirected', detail: `the receiver answers ${status}: ${where}` }
  }
  // The receiver may have carried out a request that timed out or failed on its side.
  if (status === 408 || status >= 500) return { kind: 'unclear', code: 'no_answer', detail }
  return undefined
}

/** For `find`: an answer that says nothing about the record. */
export function unknownYet(outcome: PutOutcome): FindOutcome {
  if (outcome.kind === 'stopped') return outcome
  const reason = 'code' in outcome ? outcome : { code: 'no_answer', detail: '' }
  return { kind: 'unknown_yet', code: reason.code, detail: reason.detail }
}

/** For `check`. */
export function unavailable(outcome: PutOutcome): CheckOutcome {
  if (outcome.kind === 'stopped') return outcome
  const { code, detail } = 'code' in outcome ? outcome : { code: 'no_answer', detail: '' }
  const wait = outcome.kind === 'throttled' ? outcome.retryAfterMs : undefined
  return { kind: 'unavailable', code, detail, ...(wait === undefined ? {} : { retryAfterMs: wait }) }
}

export function stopped(code: string, detail: string): Stopped {
  return { kind: 'stopped', code, detail }
}

function isGood(answer: HttpAnswer): boolean {
  return answer.kind === 'answer' && answer.status >= 200 && answer.status < 300
}

function wordsOf(answer: HttpAnswer, redact: (text: string) => string): string {
  return answer.kind === 'answer' ? `HTTP ${answer.status}: ${redact(answer.body)}` : redact(answer.detail)
}
