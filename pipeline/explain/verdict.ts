// What the rows of an event come to: how it counts now, each time that it came, and its history in the order of commits.
// Pure. Invariant: the disposition is that by which the conservation law counts the event that was kept.

import { formatScaled, parseDecimal } from '../../schemas/money/decimal.js'
import type { DeadLetter, EventOutcome, EventRows, RatedUsage } from './event-rows.js'

/** One message that brought the event. */
export interface Attempt {
  readonly input_stream: string
  readonly input_sequence: number
  readonly partition: number
  readonly ledger_sequence: number
  readonly received_at: string
  /** `kept`: the event is what came then; `refused`: a dead letter tells why. */
  readonly verdict: 'kept' | 'duplicate' | 'conflicting' | 'refused'
  readonly code: string
  readonly detail: string
  readonly content_hash?: string
  readonly kept_content_hash?: string
}

/** One thing that became of the event, in one commit. */
export interface HistoryEntry {
  readonly at: string
  readonly partition: number
  readonly ledger_sequence: number
  readonly what: string
  readonly code: string
  readonly detail: string
  /** 1: it became so; -1: it is so no more; 0: an amount was corrected. */
  readonly event_count: number
  readonly amount?: string
  readonly currency?: string
  readonly charge_id?: string
  readonly meter?: string
}

export interface Verdict {
  readonly disposition: string
  readonly code: string
  readonly detail: string
  readonly isRetracted: boolean
  readonly kept: RatedUsage | DeadLetter | EventOutcome | undefined
  readonly attempts: readonly Attempt[]
  readonly history: readonly HistoryEntry[]
}

const conflict = 'conflicting_duplicate'

export function verdictOf(rows: EventRows): Verdict {
  const own = rows.rated.filter(row => row.event_count !== 0)
  const outcomes = rows.outcomes.filter(row => row.disposition !== 'duplicate')
  const deadLetters = rows.deadLetters.filter(row => row.code !== conflict)
  const firsts = [...own, ...outcomes, ...deadLetters].sort((a, b) => a.ledger_sequence - b.ledger_sequence)
  const kept = firsts[0] ?? rows.rated[0] ?? rows.outcomes[0] ?? rows.deadLetters[0]
  return {
    ...standing(own, outcomes, deadLetters, rows),
    kept,
    attempts: attemptsOf(rows),
    history: historyOf(rows),
  }
}

function standing(
  own: readonly RatedUsage[],
  outcomes: readonly EventOutcome[],
  deadLetters: readonly DeadLetter[],
  rows: EventRows,
): Pick<Verdict, 'disposition' | 'code' | 'detail' | 'isRetracted'> {
  const isRetracted =
    own.some(row => row.kind === 'retraction') || outcomes.some(row => row.code === 'retracted')
  const current = lastOf(outcomes)
  const letter = lastOf(deadLetters)
  if (countOf(own) > 0) return { disposition: 'rated', code: '', detail: '', isRetracted: false }
  if (current !== undefined) {
    const { disposition, code, detail } = current
    return { disposition, code, detail, isRetracted }
  }
  if (letter !== undefined) {
    const { code, detail } = letter
    return { disposition: 'dead_lettered', code, detail, isRetracted: false }
  }
  if (own.length > 0) return { disposition: 'rated', code: 'retracted', detail: '', isRetracted }
  const disposition =
    rows.outcomes.length > 0 ? 'duplicate' : rows.deadLetters.length > 0 ? 'conflicting' : 'cause'
  return { disposition, code: '', detail: '', isRetracted: false }
}

/** The last row whose kind of row has not been taken back since. */
function lastOf<R extends EventOutcome | DeadLetter>(rows: readonly R[]): R | undefined {
  const standing = new Map<string, { count: number; row: R }>()
  for (const row of rows) {
    const key = JSON.stringify(['disposition' in row ? row.disposition : '', row.code])
    const known = standing.get(key)
    standing.set(key, {
      count: (known?.count ?? 0) + row.event_count,
      row: row.event_count > 0 ? row : (known?.row ?? row),
    })
  }
  const left = [...standing.values()].filter(({ count }) => count > 0)
  return left.sort((a, b) => a.row.ledger_sequence - b.row.ledger_sequence).at(-1)?.row
}

function countOf(rows: readonly RatedUsage[]): number {
  return rows.reduce((sum, row) => sum + row.event_count, 0)
}

function attemptsOf({ rated, outcomes, deadLetters }: EventRows): Attempt[] {
  const attempts = new Map<string, Attempt>()
  const all = [...rated.filter(row => row.event_count !== 0), ...outcomes, ...deadLetters]
  all.sort((a, b) => a.ledger_sequence - b.ledger_sequence)
  for (const [index, row] of all.entries()) {
    const verdict = verdictOfRow(row)
    // One message may bring the event and its twins; what became of the event itself is one attempt.
    const isTwin = verdict === 'duplicate' || verdict === 'conflicting'
    const key = JSON.stringify([row.input_stream, row.input_sequence, isTwin ? index : 'itself'])
    const known = attempts.get(key)
    if (known === undefined || (known.verdict === 'refused' && verdict === 'kept'))
      attempts.set(key, attemptOf(row, verdict))
  }
  return [...attempts.values()]
}

function attemptOf(row: RatedUsage | EventOutcome | DeadLetter, verdict: Attempt['verdict']): Attempt {
  return {
    input_stream: row.input_stream,
    input_sequence: row.input_sequence,
    partition: row.partition,
    ledger_sequence: row.ledger_sequence,
    received_at: row.ingested_at,
    verdict,
    code: 'code' in row ? row.code : '',
    detail: 'detail' in row ? row.detail : '',
    ...('content_hash' in row && row.content_hash !== ''
      ? { content_hash: row.content_hash, kept_content_hash: row.other_content_hash }
      : {}),
  }
}

function verdictOfRow(row: RatedUsage | EventOutcome | DeadLetter): Attempt['verdict'] {
  if ('disposition' in row) return row.disposition === 'duplicate' ? 'duplicate' : 'kept'
  if ('content_hash' in row) return row.code === conflict ? 'conflicting' : 'refused'
  return 'kept'
}

function historyOf({ rated, outcomes, deadLetters }: EventRows): HistoryEntry[] {
  const entries: HistoryEntry[] = [
    ...rated.map(row => ({
      ...place(row, row.rated_at),
      what: row.kind,
      code: '',
      detail: '',
      amount: row.amount,
      currency: row.currency,
      charge_id: row.charge_id,
      meter: row.meter,
    })),
    ...outcomes.map(row => ({
      ...place(row, row.recorded_at),
      what: row.disposition,
      code: row.code,
      detail: row.detail,
    })),
    ...deadLetters.map(row => ({
      ...place(row, row.recorded_at),
      what: row.code === conflict ? 'conflicting' : 'dead_lettered',
      code: row.code,
      detail: row.detail,
    })),
  ]
  // Within a commit a thing ends before the next one begins.
  return entries.sort((a, b) => a.ledger_sequence - b.ledger_sequence || a.event_count - b.event_count)
}

function place(row: RatedUsage | EventOutcome | DeadLetter, at: string) {
  const { partition, ledger_sequence, event_count } = row
  return { at, partition, ledger_sequence, event_count }
}

/** Decimals of ClickHouse added up exactly. */
export function sumOf(texts: readonly string[]): string {
  let sum = 0n
  for (const text of texts) {
    const parsed = parseDecimal(text)
    if (parsed.kind !== 'ok') throw new Error(`ClickHouse answered ${text} where a decimal belongs`)
    sum += parsed.value
  }
  return formatScaled(sum)
}
