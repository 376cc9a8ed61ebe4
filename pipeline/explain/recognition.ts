// What became of the revenue that the entry of a charge deferred: its schedule, the months that releases made revenue, with their
// entries and deliveries, and what is still deferred.
// Invariant: what is released and what remains add up to what was deferred, to the last digit.

import type { ClickHouseClient } from '@clickhouse/client'
import { formatScaled, parseDecimal, type Scaled } from '../../schemas/money/decimal.js'
import { ask } from './ask.js'
import type { Delivery, Journal } from './papers.js'

export interface Recognition {
  readonly deferred: string
  readonly released: string
  readonly remaining: string
  readonly months: readonly RecognizedMonth[]
}

export interface RecognizedMonth {
  readonly part: number
  /** First day of the month in which it is earned. */
  readonly month: string
  readonly amount: string
  /** The entry that made it revenue; absent: it is still deferred. */
  readonly release?: Release
}

export interface Release {
  readonly journal_id: string
  readonly release_id: string
  readonly accounting_date: string
  /** The date that it would have if its period had been open; '' where it was. */
  readonly moved_from: string
  readonly posted_at: string
  readonly deliveries: readonly Delivery[]
}

interface PartRow {
  readonly journal_id: string
  readonly part: number
  readonly month: string
  readonly amount: string
}

type ReleaseRow = Omit<Release, 'deliveries'> & { readonly of_journal: string; readonly part: number }

export interface RecognitionRows {
  readonly parts: readonly PartRow[]
  readonly releases: readonly ReleaseRow[]
}

const scheduleQuery = `SELECT journal_id, part, month, amount FROM revenue_schedule
WHERE journal_id IN ({journals: Array(String)}) AND charge_id IN ({charges: Array(String)})
ORDER BY journal_id, part`

const releasesQuery = `SELECT journal_id, any(releases_journal_id) AS of_journal, any(releases_part) AS part,
  any(release_id) AS release_id, any(accounting_date) AS accounting_date, any(moved_from) AS moved_from, any(posted_at) AS posted_at
FROM journal_entries
WHERE entry_kind = 'release' AND charge_id IN ({charges: Array(String)}) AND releases_journal_id IN ({journals: Array(String)})
GROUP BY journal_id`

/** Of entries of charges that are billed in advance; others defer nothing. */
export async function readRecognition(
  clickhouse: ClickHouseClient,
  deferring: readonly Journal[],
): Promise<RecognitionRows> {
  if (deferring.length === 0) return { parts: [], releases: [] }
  const params = {
    journals: deferring.map(one => one.journal_id),
    charges: deferring.map(one => one.charge_id),
  }
  const [parts, releases] = await Promise.all([
    ask<PartRow>(clickhouse, { query: scheduleQuery, params }),
    ask<ReleaseRow>(clickhouse, { query: releasesQuery, params }),
  ])
  return { parts, releases }
}

/** Undefined: the entry deferred nothing. */
export function recognitionOf(
  journal: Journal,
  { parts, releases }: RecognitionRows,
  deliveries: readonly Delivery[],
): Recognition | undefined {
  const months = parts
    .filter(one => one.journal_id === journal.journal_id)
    .map(({ part, month, amount }): RecognizedMonth => {
      const found = releases.find(one => one.of_journal === journal.journal_id && one.part === part)
      if (found === undefined) return { part, month, amount }
      const { of_journal: _, part: __, ...release } = found
      const ofRelease = deliveries.filter(one => one.record_id === release.journal_id)
      return { part, month, amount, release: { ...release, deliveries: ofRelease } }
    })
  if (months.length === 0) return undefined
  const deferred = sumOf(months)
  const released = sumOf(months.filter(one => one.release !== undefined))
  return {
    deferred: formatScaled(deferred),
    released: formatScaled(released),
    remaining: formatScaled(deferred - released),
    months,
  }
}

function sumOf(months: readonly RecognizedMonth[]): Scaled {
  return months.reduce((sum, { amount }) => {
    const parsed = parseDecimal(amount)
    if (parsed.kind !== 'ok') throw new Error(`${amount} is no amount of a schedule`)
    return sum + parsed.value
  }, 0n)
}

/** One sentence: what is deferred, which months were released by which entries, what remains. */
export function wordsOfRecognition({ deferred, released, remaining, months }: Recognition): string {
  const done = months.flatMap(({ month, amount, release }) =>
    release === undefined
      ? []
      : [`${amount} of ${month.slice(0, 7)} by ${release.journal_id} of ${release.accounting_date}`],
  )
  const [first, last] = [months[0]!.month.slice(0, 7), months.at(-1)!.month.slice(0, 7)]
  const how = done.length === 0 ? 'nothing is released yet' : `released ${released}: ${done.join(', ')}`
  return `Deferred ${deferred} over ${first} to ${last}; ${how}; still deferred ${remaining}.`
}
