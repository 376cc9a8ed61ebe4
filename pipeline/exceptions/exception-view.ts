// An exception as the API shows it, and what its reader can do next.

import { z } from 'zod'
import { exceptionKinds, exceptionStates, resolutions } from '../../schemas/exception-kinds.js'
import { stringifyJson } from '../../schemas/json/json-text.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import { formatInstant, formatInstantMs } from '../../schemas/time.js'
import type { AtStake } from './money/money-at-stake.js'
import type { Original } from './originals.js'
import type { Exception } from './read-exceptions.js'

export const exceptionSchema = z
  .object({
    exception_id: z.string(),
    kind: z.enum(exceptionKinds),
    code: z.string().describe('Stable; switch on this'),
    detail: z.string(),
    field: z.string().nullable().describe('JSON pointer of the value that was refused'),
    event: z
      .object({ source: z.string(), id: z.string(), type: z.string(), time: z.string().nullable() })
      .nullable(),
    record: z.object({ kind: z.string(), id: z.string() }).nullable(),
    customer_id: z.string(),
    meter: z.string().nullable(),
    receiver: z.string().nullable().describe('The feed or connection'),
    owner: z.string(),
    state: z.enum(exceptionStates),
    occurrences: z.int().describe('How often it failed in this way'),
    first_at: z.iso.datetime(),
    last_at: z.iso.datetime(),
    age_seconds: z.int(),
    correlation_id: z.string().nullable(),
    money: z
      .object({ amount: z.string(), currency: z.string() })
      .nullable()
      .describe(
        'What the event would owe under the nearest terms, or the amount of the record; null: not known',
      ),
    money_not_known: z.string().nullable().describe('Why not'),
    explain: z.string().nullable().describe('The path that tells everything about the event'),
    next: z.string().describe('What to do'),
    answer: z
      .object({
        resolution: z.enum(resolutions),
        job_id: z.string().nullable(),
        reason: z.string(),
        by: z.string().nullable(),
        at: z.iso.datetime(),
      })
      .nullable(),
    original: z
      .string()
      .optional()
      .describe(
        'Of one exception: the JSON of the event as it was sent, with every digit; absent where it is gone',
      ),
  })
  .meta({ id: 'Exception' })

export type ExceptionView = z.infer<typeof exceptionSchema>

export function exceptionView(
  exception: Exception,
  stake: AtStake,
  nowMs: number,
  original?: Original,
): ExceptionView {
  const { eventSource, eventId, eventType, eventTimeNs, recordKind, recordId, answer } = exception
  const isEvent = recordId === ''
  const isNamed = eventSource !== '' && eventId !== ''
  return {
    exception_id: exception.exceptionId,
    kind: exception.kind,
    code: exception.code,
    detail: exception.detail,
    field: orNull(exception.pointer),
    event: isEvent
      ? {
          source: eventSource,
          id: eventId,
          type: eventType,
          time: eventTimeNs === undefined ? null : formatInstant(eventTimeNs),
        }
      : null,
    record: isEvent ? null : { kind: recordKind, id: recordId },
    customer_id: exception.customerId,
    meter: orNull(exception.meter),
    receiver: orNull(exception.receiver),
    owner: exception.owner,
    state: exception.state,
    occurrences: Math.max(0, exception.occurrences),
    first_at: formatInstantMs(exception.firstAtMs),
    last_at: formatInstantMs(exception.lastAtMs),
    age_seconds: Math.max(0, Math.floor((nowMs - exception.firstAtMs) / 1000)),
    correlation_id: orNull(exception.correlationId),
    money: stake.kind === 'known' ? { amount: formatScaled(stake.amount), currency: stake.currency } : null,
    money_not_known: stake.kind === 'known' ? null : stake.why,
    explain: isNamed
      ? `/v1/events?source=${encodeURIComponent(eventSource)}&id=${encodeURIComponent(eventId)}`
      : null,
    next: nextStep(exception),
    answer:
      answer === undefined
        ? null
        : {
            resolution: answer.resolution,
            job_id: orNull(answer.jobId),
            reason: answer.reason,
            by: orNull(answer.keyName),
            at: formatInstantMs(answer.atMs),
          },
    ...(original === undefined || original.kind === 'gone' ? {} : { original: shownOriginal(original) }),
  }
}

function shownOriginal(original: Exclude<Original, { kind: 'gone' }>): string {
  return original.kind === 'unreadable' ? original.text : stringifyJson(original.value)
}

function orNull(text: string): string | null {
  return text === '' ? null : text
}

export function nextStep({ kind, code, state, pointer, eventId }: Exception): string {
  if (state === 'discarded') return 'Nothing, or take the discard back: weir exceptions undo.'
  if (state !== 'open') return 'Nothing: it is settled.'
  switch (kind) {
    case 'dead_letter':
      return stepOfDeadLetter(code, pointer, eventId)
    case 'parked':
      return 'Nothing, if what it waits for is on its way: it is freed by itself. Else send the change, or redrive it.'
    case 'unmetered':
      return 'Publish a meter for the type and redrive it, redrive it under the right type, or discard it.'
    case 'refused_record':
      return 'See what the receiver says, mend the reason there; it is tried again whenever the feed begins.'
    case 'refused_delivery':
      return code === 'look_up_unanswered'
        ? 'Look for its key at the receiver and say what is there (weir deliveries settle); it is freed by itself once the receiver answers.'
        : 'Mend the reason at the receiver or in the mapping; it is tried again whenever the connection begins.'
    case 'waiting_arrival':
      return code === 'unknown_identity' || code === 'identity_taken'
        ? 'Say which of ours is meant (weir identities set): it is freed by itself as soon as the id is known.'
        : 'Mend the mapping of its source: it is freed by itself. See weir sources show, weir sources retry.'
    case 'customer_status':
      return code === 'customer_rejected'
        ? 'Decide with the customer; a later weir.customer.status_changed settles it.'
        : 'Say what the word means (gates.words in the configuration), or send the status in a word that is known.'
    case 'conflict':
      return 'Mend it in the system that is wrong; once both say the same it is settled. Or discard it.'
    case 'payment':
      return stepOfPayment(code)
    case 'tax':
      return stepOfTax(code)
    default:
      return kind satisfies never
  }
}

function stepOfTax(code: string): string {
  switch (code) {
    case 'tax_failed':
      return 'Mend what the tax engine says, and have the tax asked for again: a later success frees it.'
    case 'tax_pending':
      return 'Have the document committed or voided at the tax engine.'
    case 'tax_charge_not_posted':
      return 'Nothing, if the charge is about to be posted: it is tried again. Else see which charge its line names.'
    case 'no_account_mapping':
      return 'Add a rule under tax to the account mapping: it is tried again within a minute.'
    case 'no_accounting_period':
      return 'Open a period of the entity for that day or after it: it is tried again within a minute.'
    default:
      return 'Adjust or void the document at the tax engine, so that it agrees with what was billed: the later state frees it.'
  }
}

function stepOfPayment(code: string): string {
  switch (code) {
    case 'payment_exhausted':
      return 'Have it tried again or paid otherwise, void the invoice, or write it off: discard this with the reason.'
    case 'unapplied_cash':
      return 'Apply it to an invoice in the billing system, refund it, or discard this with the reason.'
    case 'refund_above_payment':
      return 'See what the payment system says of the payment; what it tells later counts. Or discard this with the reason.'
    default:
      return 'Decide what becomes of what was lost, then discard this with the reason.'
  }
}

function stepOfDeadLetter(code: string, pointer: string, eventId: string): string {
  if (eventId === '') return 'Have its producer send it as it ought to be, then discard this one.'
  switch (code) {
    case 'conflicting_duplicate':
      return 'Two contents have one identity: see which is right; amend the event, or discard this one.'
    case 'no_subscription':
    case 'unknown_subscription':
    case 'subscription_suspended':
    case 'unknown_plan':
      return 'Send the change that is missing and redrive it, or assign a subscription by a redrive.'
    case 'currency_not_in_plan':
      return 'Sell a plan in that currency, or publish a version that is in it and redrive the change with it.'
    case 'event_time_in_future':
    case 'older_than_dedupe_horizon':
      return 'Redrive it with the right time, or discard it.'
    default:
      return pointer === ''
        ? 'Redrive it with a transform that mends it, or discard it.'
        : `Redrive it with a transform that mends ${pointer}, or discard it.`
  }
}

export const exceptionExample: ExceptionView = {
  exception_id: 'exc_0123456789abcdef01234567',
  kind: 'dead_letter',
  code: 'invalid_value',
  detail: 'The value of the meter tokens_in is not a number. (/data/tokens)',
  field: '/data/tokens',
  event: { source: 'gateway-eu', id: 'e-1', type: 'llm.request', time: '2026-01-05T10:00:00.000Z' },
  record: null,
  customer_id: 'acme',
  meter: 'tokens_in',
  receiver: null,
  owner: 'integration',
  state: 'open',
  occurrences: 1,
  first_at: '2026-01-05T10:00:01.000Z',
  last_at: '2026-01-05T10:00:01.000Z',
  age_seconds: 3600,
  correlation_id: null,
  money: { amount: '0.0123', currency: 'EUR' },
  money_not_known: null,
  explain: '/v1/events?source=gateway-eu&id=e-1',
  next: 'Redrive it with a transform that mends /data/tokens, or discard it.',
  answer: null,
}
