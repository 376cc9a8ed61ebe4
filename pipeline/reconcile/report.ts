// The report of `weir reconcile` and GET /v1/reconciliation. Keys are snake_case, because the object is sent
// as JSON.

import type { ArrivalState } from '../../schemas/arrival-outcome.js'
import type { DispositionCounts } from '../../schemas/event/dispositions.js'

export interface Difference {
  /** The thing that differs: a partition, a charge, a billing batch, a subscription. */
  readonly id: string
  readonly expected: string
  readonly found: string
  readonly detail?: string
}

/**
 * `not_checked`: nothing was compared (`skipped` says why), so it is no agreement. `unreadable`: the query
 * failed.
 */
export type CheckState = 'agrees' | 'differs' | 'unreadable' | 'not_checked'

export interface Check {
  readonly check: string
  /** The claim in words. */
  readonly claim: string
  readonly state: CheckState
  /** It agrees. */
  readonly ok: boolean
  /** How many things were compared. */
  readonly compared: number
  /** The first ones; `difference_count` tells how many there are. */
  readonly differences: readonly Difference[]
  readonly difference_count: number
  /** Why the check was left out; then nothing was compared. */
  readonly skipped?: string
}

export interface Lag {
  /** A partition or a feed. */
  readonly what: string
  readonly position: number
  readonly last: number
}

export interface PartitionConservation {
  readonly partition: number
  readonly commit: number
  readonly counts: DispositionCounts
  /** Received minus the sum of the dispositions. */
  readonly gap: number
}

/** Sums per currency, as decimal text. */
export interface CurrencyTotals {
  readonly currency: string
  readonly rated_usage: string
  readonly charges: string
  readonly charges_rounded: string
  readonly batches_rounded: string
  readonly debits: string
  readonly credits: string
  readonly mrr_movements: string
  /** Usage that is rated and in no charge of a run yet: open periods, and adjustments of the next run. */
  readonly usage_not_billed: string
  /** Charges that are sealed, rounded, and in no billing batch yet. */
  readonly sealed_not_batched: string
}

/** As they stand. */
export interface DeliveryTotal {
  readonly connection: string
  readonly state: string
  readonly deliveries: number
}

/**
 * What a connection was to get, and what of it the receiver has; decimals. Journals by account; lines of batches have none, and
 * what they give back is their credit.
 */
export interface AcceptedTotal {
  readonly connection: string
  readonly entity_id: string
  readonly currency: string
  readonly account: string
  /** Of lines of batches, by customer; else ''. */
  readonly customer_id: string
  /** '': of all days. */
  readonly day: string
  readonly debit: string
  readonly credit: string
  readonly accepted_debit: string
  readonly accepted_credit: string
  /** How the records of it stand; together they are all. */
  readonly outcomes: readonly AcceptedOutcome[]
}

export interface AcceptedOutcome {
  /** The state of deliveries; `not_taken_in`, `no_delivery`. */
  readonly outcome: string
  readonly records: number
  readonly debit: string
  readonly credit: string
}

/** What people hold back, or held back, and no run has billed: by customer or subscription, entity and currency. */
export interface NotBilledTotal {
  readonly customer_id: string
  readonly subscription_id: string | null
  readonly entity_id: string
  readonly currency: string
  readonly line_count: number
  readonly amount_rounded: string
  readonly first_date: string
  readonly last_date: string
  /** The last run that left it out. */
  readonly billing_run_id: string
}

/** What a source sent, by what became of it. */
export interface ArrivalTotal {
  readonly source: string
  readonly state: ArrivalState
  readonly arrivals: number
}

export interface ReconcileReport {
  readonly ok: boolean
  readonly checked_at: string
  /** False: something still lagged when the wait ended, which may be the cause of differences. */
  readonly caught_up: boolean
  readonly waited_ms: number
  readonly lagging: readonly Lag[]
  readonly partitions: readonly PartitionConservation[]
  readonly totals: readonly CurrencyTotals[]
  readonly not_billed: readonly NotBilledTotal[]
  readonly deliveries: readonly DeliveryTotal[]
  readonly accepted: readonly AcceptedTotal[]
  readonly arrivals: readonly ArrivalTotal[]
  readonly checks: readonly Check[]
}

/** In a report as JSON; people are shown fewer. */
export const mostDifferences = 1_000

export function checkOf(
  check: string,
  claim: string,
  compared: number,
  differences: readonly Difference[],
  differenceCount = differences.length,
): Check {
  return {
    check,
    claim,
    state: differenceCount === 0 ? 'agrees' : 'differs',
    ok: differenceCount === 0,
    compared,
    differences: differences.slice(0, mostDifferences),
    difference_count: differenceCount,
  }
}

export function skippedCheck(check: string, claim: string, reason: string): Check {
  return { ...checkOf(check, claim, 0, []), state: 'not_checked', ok: false, skipped: reason }
}

/** The check of something that could not be read; it fails. */
export function unreadableCheck(check: string, claim: string, error: unknown): Check {
  const text = error instanceof Error ? error.message : String(error)
  // ClickHouse names a damaged part last, behind its folders.
  const [, part, table] = /from part \S*?([^/\s]+)\/? in table (\S+)/.exec(text) ?? []
  const detail = part === undefined ? text : `${table}, part ${part}: ${text}`
  const difference = {
    id: check,
    expected: 'rows that can be read',
    found: 'an error',
    // ClickHouse repeats the whole query after `in scope`.
    detail: detail.replace(/ in scope SELECT [\s\S]*$/, '').slice(0, 500),
  }
  return { ...checkOf(check, claim, 0, [difference]), state: 'unreadable' }
}

export function isTrouble({ state }: Check): boolean {
  return state === 'differs' || state === 'unreadable'
}
