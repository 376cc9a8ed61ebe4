// Takes orders for releases from people: previews them, puts them on record, publishes them, and waits a little for the answer.

import { calendarOf, lastDayOverAt } from '../../schemas/accounting-calendar/accounting-calendar.js'
import type { JournalEntryWire } from '../../schemas/billing/journal-entry.js'
import type { ReleaseOrder } from '../../schemas/billing/release-order.js'
import { entityToken } from '../../schemas/identifiers.js'
import { formatScaled, parseDecimal } from '../../schemas/money/decimal.js'
import { formatInstantMs, nsOf } from '../../schemas/time.js'
import { pauseFor } from '../broker/back-off.js'
import { natsSubjects } from '../broker/topology.js'
import type { AuditTrail } from '../gateway/audit-trail.js'
import { Problem } from '../gateway/problem.js'
import type { Caller } from '../gateway/scopes.js'
import { type BookParts, tokensOf } from './book.js'
import { calendarsOrProblem } from './calendars-file.js'
import { previewReleases } from './releases.js'

export interface ReleaseDeskOptions extends BookParts {
  readonly calendarsFile?: string
  readonly audit: AuditTrail
  readonly nowMs: () => number
  readonly newId: () => string
  /** Whether the order at this sequence of CONTROL is carried out. */
  readonly isDone: (controlSequence: number) => Promise<boolean>
}

export interface ReleaseRequest {
  readonly until: string
  readonly entityId?: string | undefined
  readonly preview: boolean
}

export interface ReleaseAnswer {
  /** Null: a preview. */
  readonly release_id: string | null
  readonly status: 'preview' | 'ordered' | 'posted'
  readonly until: string
  readonly entity_id: string | null
  /** As it was due when it was asked for. */
  readonly totals: readonly {
    readonly entity_id: string
    readonly currency: string
    readonly accounting_period: string
    readonly entries: number
    /** Credits less debits of revenue. */
    readonly revenue: string
  }[]
}

const answerWithinMs = 10_000
const pollMs = 50

export class ReleaseDesk {
  readonly #options: ReleaseDeskOptions

  constructor(options: ReleaseDeskOptions) {
    this.#options = options
  }

  async create(request: ReleaseRequest, caller: Caller): Promise<ReleaseAnswer> {
    const { audit, js, jsm, newId, nowMs } = this.#options
    await this.#refuseFuture(request)
    const totals = await this.#totals(request)
    const { until, entityId, preview } = request
    const answer = { until, entity_id: entityId ?? null, totals }
    if (preview) return { release_id: null, status: 'preview', ...answer }
    const order: ReleaseOrder = {
      release_id: newId(),
      until,
      cutoff: formatInstantMs(nowMs()),
      entity_id: entityId ?? null,
      billing_run_id: null,
      after_billing: (await jsm.streams.info('BILLING')).state.last_seq,
    }
    const object = { kind: 'release', id: order.release_id }
    await audit.record({
      caller,
      act: 'release.created',
      object,
      after: { until, entity_id: order.entity_id },
    })
    const { seq } = await js.publish(natsSubjects.release, JSON.stringify(order))
    const status = (await this.#untilDone(seq)) ? 'posted' : 'ordered'
    return { release_id: order.release_id, status, ...answer }
  }

  async #refuseFuture({ until, entityId = '' }: ReleaseRequest): Promise<void> {
    const calendar = calendarOf(await calendarsOrProblem(this.#options.calendarsFile), entityId)
    const last = lastDayOverAt(calendar, nsOf(this.#options.nowMs()))
    if (until <= last) return
    const detail = `What is earned by ${until} is not earned yet: the last day that is over in ${calendar.timezone} is ${last}.`
    throw new Problem('not_over_yet', detail)
  }

  async #totals({ until, entityId }: ReleaseRequest): Promise<ReleaseAnswer['totals']> {
    const parts = { ...this.#options, calendars: await calendarsOrProblem(this.#options.calendarsFile) }
    const of = entityId === undefined ? '*' : entityToken(entityId)
    const sums = new Map<string, { first: JournalEntryWire; entries: number; revenue: bigint }>()
    const signal = new AbortController().signal
    for (const token of await tokensOf(parts, `schedules.${of}.>`)) {
      for await (const entry of previewReleases(parts, token, { day: until }, signal)) {
        const key = JSON.stringify([entry.entity_id, entry.currency, entry.accounting_period])
        const sum = sums.get(key) ?? { first: entry, entries: 0, revenue: 0n }
        sum.entries += 1
        sum.revenue += revenueOf(entry)
        sums.set(key, sum)
      }
    }
    return [...sums.entries()].sort().map(([, { first, entries, revenue }]) => ({
      entity_id: first.entity_id,
      currency: first.currency,
      accounting_period: first.accounting_period,
      entries,
      revenue: formatScaled(revenue),
    }))
  }

  async #untilDone(sequence: number): Promise<boolean> {
    const deadline = performance.now() + answerWithinMs
    while (!(await this.#options.isDone(sequence))) {
      if (performance.now() > deadline) return false
      await pauseFor(pollMs, new AbortController().signal)
    }
    return true
  }
}

function revenueOf({ lines }: JournalEntryWire): bigint {
  const ofRevenue = lines.filter(line => line.role === 'revenue')
  const amountOf = (text: string): bigint => {
    const parsed = parseDecimal(text)
    return parsed.kind === 'ok' ? parsed.value : 0n
  }
  return ofRevenue.reduce((sum, line) => sum + amountOf(line.credit) - amountOf(line.debit), 0n)
}
