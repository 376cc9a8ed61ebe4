// Stripe's list of events, the oldest first. Stripe lists the newest first, so a stretch of time is read whole and turned round: it
// is made shorter where there are many.
// Invariant: a stretch is handed over whole or not at all, and the next one begins where it ends.

import { stringifyJson } from '../../../schemas/json/json-text.js'
import { type ForeignObject, secondsOf, textOf } from '../map/object-fields.js'
import { type SourceApi, wholeList } from '../source-api.js'
import { type CatchUpRequest, type CatchUpStage, type CaughtUp, SourceTrouble } from '../source-kind.js'
import { draftOf } from './loaded.js'

export const keepsEventsMs = 30 * 86_400_000

const pageMost = '100'
/** Pages of one stretch; one of a single second may have more. */
const pagesMost = 5
const pagesOfSecond = 200
const shortestMs = 1_000

/** Stripe takes 20 names at most. */
const types: Readonly<Record<Exclude<CatchUpStage, 'rest'>, readonly string[]>> = {
  money: [
    ...[
      'payment_intent.succeeded',
      'payment_intent.payment_failed',
      'invoice_payment.paid',
      'charge.refunded',
    ],
    ...['refund.created', 'refund.updated', 'refund.failed', 'charge.refund.updated'],
    ...['invoice.finalized', 'invoice.paid', 'invoice.voided', 'invoice.payment_failed'],
    ...['invoice.marked_uncollectible', 'charge.dispute.created', 'charge.dispute.closed'],
    ...['charge.dispute.funds_withdrawn', 'charge.dispute.funds_reinstated'],
  ],
  subscriptions: [
    ...['created', 'updated', 'deleted', 'paused', 'resumed'].map(name => `customer.subscription.${name}`),
    ...['created', 'updated', 'released', 'canceled', 'completed', 'aborted'].map(
      name => `subscription_schedule.${name}`,
    ),
  ],
}
const taken = new Set([...types.money, ...types.subscriptions])

interface Position {
  readonly fromMs: number
  readonly stretchMs: number
}

export async function eventsInOrder(
  api: SourceApi,
  { fromMs, untilMs, stage, which, position }: CatchUpRequest,
  signal: AbortSignal,
): Promise<CaughtUp> {
  const at: Position = (position as Position | undefined) ?? { fromMs, stretchMs: untilMs - fromMs }
  const toMs = Math.min(at.fromMs + at.stretchMs, untilMs)
  const query = {
    limit: pageMost,
    'created[gte]': String(Math.ceil(at.fromMs / 1_000)),
    'created[lt]': String(Math.ceil(toMs / 1_000)),
    ...(which === 'undelivered' ? { delivery_success: 'false' } : {}),
    ...(stage === 'rest'
      ? {}
      : Object.fromEntries(types[stage].map((type, index) => [`types[${index}]`, type]))),
  }
  const events: ForeignObject[] = []
  const isShortest = at.stretchMs <= shortestMs
  for (let pages = 1, after = ''; ; pages += 1) {
    const page = await api.get('/events', after === '' ? query : { ...query, starting_after: after }, signal)
    if (page === undefined) throw new SourceTrouble('answer_not_understood', 'Stripe has no list of events.')
    const found = wholeList('Stripe', page.body['data'])
    events.push(...found)
    after = textOf(found.at(-1)?.['id'])
    if (page.body['has_more'] !== true || after === '') break
    if (!isShortest && (pages === pagesMost || isMuchMore(found, at.fromMs, toMs)))
      return { arrivals: [], position: { fromMs: at.fromMs, stretchMs: shorter(at.stretchMs, found, toMs) } }
    if (pages === pagesOfSecond)
      throw new SourceTrouble(
        'too_many_events',
        'Stripe has more events in one second than are read at once.',
      )
  }
  const wanted = stage === 'rest' ? events.filter(one => !taken.has(textOf(one['type']))) : events
  const arrivals = wanted.toReversed().map(one => draftOf(Buffer.from(stringifyJson(one))))
  const stretchMs = events.length < 100 ? at.stretchMs * 2 : at.stretchMs
  return {
    arrivals,
    position: toMs >= untilMs ? undefined : ({ fromMs: toMs, stretchMs } satisfies Position),
  }
}

/** The newest page covers so little of the stretch that the rest is more than the pages that are read at once. */
function isMuchMore(page: readonly ForeignObject[], fromMs: number, toMs: number): boolean {
  return (toMs - oldestMs(page, toMs)) * pagesMost < toMs - fromMs
}

function shorter(stretchMs: number, page: readonly ForeignObject[], toMs: number): number {
  const likelyMs = (toMs - oldestMs(page, toMs)) * Math.ceil(pagesMost / 2)
  const halfSeconds = Math.floor(Math.min(stretchMs / 2, likelyMs) / 1_000)
  return Math.max(shortestMs, halfSeconds * 1_000)
}

function oldestMs(page: readonly ForeignObject[], toMs: number): number {
  const seconds = secondsOf(page.at(-1)?.['created'])
  return seconds === undefined ? toMs : seconds * 1_000
}
