// What charges hold now, read from the rated usage of ClickHouse: one total where the amount follows from a sum or a
// count, else the events themselves, so that the charge can be built again as the partition has it.
// Invariant: a charge of more events than are read has a usage that is not known.

import type { ClickHouseClient } from '@clickhouse/client'
import { type Accumulator, addSample, newAccumulator } from '../../../rating/charges/accumulator.js'
import { isRatedByTotal } from '../../../rating/charges/rate.js'
import { groupOf } from '../../../rating/models/grouped/group.js'
import { cellOf } from '../../../rating/models/registry.js'
import type { ChargeBasis } from '../../../rating/periods/charge-basis.js'
import { compositeKey } from '../../../schemas/identifiers.js'
import { parseDecimal, type Scaled } from '../../../schemas/money/decimal.js'
import { earlier, later } from '../../../schemas/time.js'
import { QueryParameters } from '../query-parameters.js'
import { askRows } from '../read-exceptions.js'

export interface ChargeToRead {
  readonly chargeId: string
  readonly customerId: string
  readonly basis: ChargeBasis
}

export type ChargeUsage =
  | { readonly kind: 'total'; readonly total: Scaled }
  | { readonly kind: 'events'; readonly accumulator: Accumulator }
  | { readonly kind: 'too_many' }

/** Events of one charge that are read at most. */
const maxEvents = 5_000

/** Whether the amount follows from the sum of the quantities alone. */
export function isSummed(basis: ChargeBasis): boolean {
  const { aggregation } = basis.meter
  return isRatedByTotal(basis) && (aggregation === 'sum' || aggregation === 'count')
}

/** By charge id; a charge without usage is not among them. */
export async function readChargeUsage(
  clickhouse: ClickHouseClient,
  charges: readonly ChargeToRead[],
): Promise<ReadonlyMap<string, ChargeUsage>> {
  const summed = charges.filter(({ basis }) => isSummed(basis))
  const others = charges.filter(({ basis }) => !isSummed(basis))
  const [totals, events] = await Promise.all([readTotals(clickhouse, summed), readEvents(clickhouse, others)])
  return new Map([...totals, ...events])
}

async function readTotals(
  clickhouse: ClickHouseClient,
  charges: readonly ChargeToRead[],
): Promise<Map<string, ChargeUsage>> {
  if (charges.length === 0) return new Map()
  const parameters = new QueryParameters()
  const query = `SELECT charge_id, sum(r.quantity) AS total FROM rated_usage AS r
WHERE ${conditionOf(charges, parameters)} GROUP BY charge_id`
  const rows = await askRows<{ charge_id: string; total: string }>(clickhouse, query, parameters)
  return new Map(rows.map(row => [row.charge_id, { kind: 'total', total: scaled(row.total) }]))
}

interface EventRow {
  readonly charge_id: string
  readonly event_source: string
  readonly event_id: string
  readonly time_ns: string
  readonly value: string
  readonly dimensions: Readonly<Record<string, string>>
  readonly quantity: string
}

async function readEvents(
  clickhouse: ClickHouseClient,
  charges: readonly ChargeToRead[],
): Promise<Map<string, ChargeUsage>> {
  const found = new Map<string, ChargeUsage>()
  if (charges.length === 0) return found
  const parameters = new QueryParameters()
  const query = `SELECT charge_id, event_source, event_id, toString(toUnixTimestamp64Nano(any(r.event_time))) AS time_ns,
  any(r.value) AS value, any(r.dimensions) AS dimensions, sum(r.quantity) AS quantity
FROM rated_usage AS r WHERE ${conditionOf(charges, parameters)}
GROUP BY charge_id, event_source, event_id HAVING sum(r.event_count) != 0
LIMIT ${parameters.add('UInt32', maxEvents + 1)} BY charge_id`
  const bases = new Map(charges.map(({ chargeId, basis }) => [chargeId, basis]))
  for (const row of await askRows<EventRow>(clickhouse, query, parameters)) {
    const basis = bases.get(row.charge_id)
    if (basis !== undefined) found.set(row.charge_id, added(found.get(row.charge_id), basis, row))
  }
  return found
}

function added(before: ChargeUsage | undefined, basis: ChargeBasis, row: EventRow): ChargeUsage {
  const usage = before ?? { kind: 'events', accumulator: newAccumulator(basis) }
  if (usage.kind !== 'events' || usage.accumulator.events >= maxEvents) return { kind: 'too_many' }
  addSample(basis, usage.accumulator, {
    timeNs: BigInt(row.time_ns),
    quantity: scaled(row.quantity),
    text: row.value,
    key: compositeKey(row.event_source, row.event_id),
    cell: cellOf(basis.price, new Map(Object.entries(row.dimensions))) ?? 0,
    group: groupOf(basis.price, new Map(Object.entries(row.dimensions))),
  })
  return usage
}

/** The customers and the time narrow what has to be read. */
function conditionOf(charges: readonly ChargeToRead[], parameters: QueryParameters): string {
  const fromNs = charges.map(({ basis }) => basis.fromNs).reduce(earlier)
  const untilNs = charges.map(({ basis }) => basis.untilNs).reduce(later)
  const instant = (ns: bigint): string =>
    `fromUnixTimestamp64Nano(${parameters.add('Int64', ns.toString())}, 'UTC')`
  const customers = [...new Set(charges.map(({ customerId }) => customerId))]
  return `has(${parameters.add('Array(String)', customers)}, customer_id)
  AND r.event_time >= ${instant(fromNs)} AND r.event_time < ${instant(untilNs)}
  AND has(${parameters.add(
    'Array(String)',
    charges.map(({ chargeId }) => chargeId),
  )}, charge_id)`
}

function scaled(text: string): Scaled {
  const parsed = parseDecimal(text)
  if (parsed.kind !== 'ok') throw new Error(`ClickHouse answered ${text} where a decimal belongs`)
  return parsed.value
}
