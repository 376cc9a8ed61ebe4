// Carries out the orders of `control.release`: waits until what was billed before is posted, posts what is due, and adds up.
// Invariant: an order may come any number of times; what is posted already is not posted again (releases.ts, summaries.ts).

import { type ReleaseOrder, releaseOrderSchema } from '../../schemas/billing/release-order.js'
import { entityToken } from '../../schemas/identifiers.js'
import { parseInstant } from '../../schemas/time.js'
import type { FeedMessage, Sink, SinkOutcome } from '../../sinks/sink.js'
import { brokerUnavailable } from '../broker/broker-outcome.js'
import { type BookParts, tokensOf } from './book.js'
import { CalendarsError, readCalendars } from './calendars-file.js'
import { writeCsvOfReleases } from './csv.js'
import { NoPeriodError, postReleases, type ReleaseParts, type Until } from './releases.js'
import { summarise } from './summaries.js'

export interface ReleaseSinkOptions extends BookParts {
  readonly calendarsFile?: string
  readonly csvDir?: string
  /** Whether the ERP sink has everything up to this sequence of BILLING. */
  readonly isPosted: (billingSequence: number) => Promise<boolean>
}

export function createReleaseSink(options: ReleaseSinkOptions): Sink {
  return {
    name: 'releases',
    async apply({ messages }, signal): Promise<SinkOutcome> {
      try {
        let rows = 0
        const parts = { ...options, calendars: await readCalendars(options.calendarsFile) }
        for (const message of messages) {
          const order = orderOf(message)
          if (order === undefined) continue
          if (!(await options.isPosted(order.after_billing))) {
            const detail = `${order.release_id} waits for the batches up to ${order.after_billing} of BILLING to be posted`
            return { kind: 'retryable', code: 'postings_behind', detail }
          }
          rows += await carryOut(parts, order, signal)
        }
        return { kind: 'ok', rows }
      } catch (error) {
        if (error instanceof NoPeriodError)
          return { kind: 'rejected', code: 'no_accounting_period', detail: error.message }
        if (error instanceof CalendarsError)
          return { kind: 'rejected', code: 'invalid_accounting_calendar', detail: error.message }
        return brokerUnavailable(error)
      }
    },
  }
}

/** What is no order was not written by Weir, and moves no money. */
function orderOf({ bytes }: FeedMessage): ReleaseOrder | undefined {
  try {
    return releaseOrderSchema.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data
  } catch {
    return undefined
  }
}

async function carryOut(
  options: ReleaseSinkOptions & ReleaseParts,
  order: ReleaseOrder,
  signal: AbortSignal,
): Promise<number> {
  const { csvDir } = options
  const of = order.entity_id === null ? '*' : entityToken(order.entity_id)
  let rows = 0
  for (const token of await tokensOf(options, `schedules.${of}.>`)) {
    const posted = await postReleases(options, token, { id: order.release_id, until: untilOf(order) }, signal)
    for (const { releaseId, rows: count, from } of posted) {
      rows += count
      if (csvDir !== undefined && count > 0)
        await writeCsvOfReleases(options, csvDir, { token, releaseId, from: from + 1 }, signal)
    }
  }
  for (const token of await tokensOf(options, `postings.${of}`)) await summarise(options, token, signal)
  return rows
}

export function untilOf({ until, cutoff }: Pick<ReleaseOrder, 'until' | 'cutoff'>): Until {
  if (until !== null) return { day: until }
  const cutoffNs = parseInstant(cutoff)
  if (cutoffNs === undefined) throw new Error(`an order with the cutoff ${cutoff}`)
  return { cutoffNs }
}
