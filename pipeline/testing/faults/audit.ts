// Checks what must hold when everything has settled, whatever was killed: queries ClickHouse in plain SQL,
// and compares the results with what was acknowledged and with the independent sum. Returns a sentence for
// each difference.

import type { ClickHouseClient } from '@clickhouse/client'
import { Decimal } from 'decimal.js'
import { checksOf } from '../../demo/checks.js'
import { readFigures } from '../../demo/figures.js'
import { independentSum } from '../../demo/independent-sum.js'
import type { Month } from './month.js'

/** The usage events that producers have a 202 for, by position in the scenario. Absent: all of them. */
export interface AuditOptions {
  readonly acknowledged?: readonly number[]
}

const shown = 5

/** Everything: events, dispositions, usage, charges, batches, postings, MRR. */
export async function auditMonth(
  clickhouse: ClickHouseClient,
  month: Month,
  options: AuditOptions = {},
): Promise<string[]> {
  const { scenario, catalogText, expected } = month
  const figures = await readFigures(clickhouse, scenario.untilMs)
  // A request that was sent again may add rows of these kinds. No kind may have fewer rows, and no other kind
  // more.
  const { received, duplicate, conflicting } = figures
  const resent = { accepted: received, duplicate, conflicting }
  const problems = checksOf(figures, independentSum(scenario, catalogText), { ...expected, ...resent })
    .filter(check => !check.ok)
    .map(check => `${check.what}: expected ${check.expected}, found ${check.found}`)
  for (const [what, least, found] of [
    ['received', expected.accepted, received],
    ['duplicate', expected.duplicate, duplicate],
    ['conflicting', expected.conflicting, conflicting],
  ] as const) {
    if (found < least) problems.push(`${what}: at least ${least} expected, found ${found}`)
  }
  const further = received - expected.accepted
  const explained = duplicate - expected.duplicate + (conflicting - expected.conflicting)
  if (further !== explained)
    problems.push(`${further} events more than sent, ${explained} of them by retries`)
  return [...problems, ...(await auditEvents(clickhouse, month, options))]
}

/**
 * Checks that each acknowledged event has one row on each of its two meters with its own quantity, and no
 * other event has any.
 */
export async function auditEvents(
  clickhouse: ClickHouseClient,
  { scenario }: Pick<Month, 'scenario'>,
  { acknowledged = scenario.usage.map((_, index) => index) }: AuditOptions = {},
): Promise<string[]> {
  const result = await clickhouse.query({
    query: `SELECT event_id, toInt32(sumIf(event_count, meter = 'tokens_in')), toInt32(sumIf(event_count, meter = 'tokens_out')),
        toString(sum(quantity))
      FROM rated_usage WHERE event_count != 0 GROUP BY event_id`,
    format: 'JSONCompactEachRow',
  })
  const rated = new Map<string, readonly [number, number, string]>()
  for await (const rows of result.stream<[string, number, number, string]>()) {
    for (const row of rows) {
      const [id, inputs, outputs, quantity] = row.json()
      rated.set(id, [inputs, outputs, quantity])
    }
  }
  const lost: string[] = []
  const doubled: string[] = []
  const changed: string[] = []
  for (const index of acknowledged) {
    const id = `call-${index + 1}`
    const usage = scenario.usage[index]
    const [inputs, outputs, quantity] = rated.get(id) ?? [0, 0, '0']
    rated.delete(id)
    if (inputs > 1 || outputs > 1) doubled.push(id)
    else if (usage === undefined || inputs < 1 || outputs < 1) lost.push(id)
    else if (!new Decimal(quantity).equals(usage.inputTokens + usage.outputTokens)) changed.push(id)
  }
  const kinds = { lost, doubled, 'of another quantity': changed, 'never acknowledged': [...rated.keys()] }
  return Object.entries(kinds)
    .filter(([, ids]) => ids.length > 0)
    .map(([what, ids]) => `${ids.length} events ${what}: ${ids.slice(0, shown).join(', ')}`)
}
