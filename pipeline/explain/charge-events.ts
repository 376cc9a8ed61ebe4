// The events that add up to a charge, a page at a time, and the sum that they come to.
// Invariant: the amounts of all pages, corrections included, add up to the charge as ClickHouse has it.

import type { ClickHouseClient } from '@clickhouse/client'
import { parseInstant } from '../../schemas/time.js'
import { type AddedRow, addedById } from './added-charges.js'
import { ask } from './ask.js'
import { type ChargeLine, readLines } from './charge-rows.js'
import { sumOf } from './verdict.js'

export interface ChargeEvents {
  readonly charge_id: string
  readonly customer_id: string
  readonly subscription_id: string
  readonly price: string
  readonly meter: string
  readonly period_from: string
  readonly period_until: string
  readonly currency: string
  /** Of all pages: what the charge comes to before coupons, and how many events count. */
  readonly amount: string
  /** What coupons took off it, of all lines that billed it. */
  readonly discount_amount: string
  readonly event_count: number
  readonly events: readonly ChargeEvent[]
  /** How it was billed, posted, released and delivered. */
  readonly lines: readonly ChargeLine[]
  readonly next_cursor: string | null
}

/** The net of an event's rows. `events` 0: a correction that is left over, named by its cause. */
export interface ChargeEvent {
  readonly event_source: string
  readonly event_id: string
  readonly time: string
  readonly events: number
  readonly quantity: string
  readonly amount: string
  readonly correlation_id: string
}

interface Head {
  readonly customer_id: string
  readonly subscription_id: string
  readonly price: string
  readonly meter: string
  readonly period_from: string
  readonly period_until: string
  readonly currency: string
}

interface Totals {
  readonly amount: string
  readonly events: number
}

interface Place {
  readonly time: string
  readonly source: string
  readonly id: string
}

/** Undefined: no row names the charge. A cursor that is none of ours is `'bad cursor'`. */
export async function readChargeEvents(
  clickhouse: ClickHouseClient,
  chargeId: string,
  limit: number,
  cursor: string | undefined,
): Promise<ChargeEvents | 'bad cursor' | undefined> {
  const after = cursor === undefined ? undefined : placeOf(cursor)
  if (cursor !== undefined && after === undefined) return 'bad cursor'
  const found = await headOf(clickhouse, chargeId)
  if (found === undefined) return undefined
  const { head, isOfUsage } = found
  if (found.added !== undefined) return eventOfAdded(clickhouse, found.added)
  const params = {
    customer: head.customer_id,
    charge: chargeId,
    from: head.period_from,
  }
  const place = {
    after_time: after?.time ?? '',
    after_source: after?.source ?? '',
    after_id: after?.id ?? '',
  }
  const [totals, events, lines] = await Promise.all([
    ask<Totals>(clickhouse, { query: totalsQuery, params }),
    ask<ChargeEvent>(clickhouse, {
      query: pageQuery(limit, after !== undefined),
      params: { ...params, ...place },
    }),
    readLines(clickhouse, [{ charge_id: chargeId, ledger_sequence: 0, ...head }]),
  ])
  const page = events.slice(0, limit)
  const its = lines.get(chargeId) ?? []
  const discount = sumOf(its.map(one => one.discount_amount))
  const last = page.at(-1)
  return {
    charge_id: chargeId,
    ...head,
    // A charge without events, such as a base fee, comes to what its lines are.
    amount: sumOf(isOfUsage ? [totals[0]?.amount ?? '0'] : [...its.map(one => one.amount), discount]),
    discount_amount: discount,
    event_count: totals[0]?.events ?? 0,
    events: page.map(one => ({ ...one, quantity: sumOf([one.quantity]), amount: sumOf([one.amount]) })),
    lines: its,
    next_cursor: events.length > limit && last !== undefined ? cursorOf(last) : null,
  }
}

/**
 * The newest row of the charge: it has the period as it stands, and leads to all rows by customer and time. A charge of no
 * usage is known by its lines.
 */
async function headOf(
  clickhouse: ClickHouseClient,
  charge: string,
): Promise<{ readonly head: Head; readonly isOfUsage: boolean; readonly added?: AddedRow } | undefined> {
  const columns = 'customer_id, subscription_id, price, meter, period_from, period_until, currency'
  for (const table of ['rated_usage', 'charges']) {
    const query = `SELECT ${columns} FROM ${table} WHERE charge_id = {charge: String}
      ORDER BY ledger_sequence DESC LIMIT 1`
    const [head] = await ask<Head>(clickhouse, { query, params: { charge } })
    if (head === undefined) continue
    if (table === 'rated_usage') return { head, isOfUsage: true }
    const added = await addedById(clickhouse, charge)
    return { head, isOfUsage: false, ...(added === undefined ? {} : { added }) }
  }
  const added = await addedById(clickhouse, charge)
  return added === undefined ? undefined : { head: { ...added, meter: '' }, isOfUsage: false, added }
}

/** The one event of a fee or a credit that no plan names. */
async function eventOfAdded(clickhouse: ClickHouseClient, added: AddedRow): Promise<ChargeEvents> {
  const { charge_id, customer_id, subscription_id, price, period_from, period_until, currency } = added
  const lines = await readLines(clickhouse, [added])
  const isCounted = added.is_cancelled === 0
  const amount = sumOf([added.amount])
  const event = {
    event_source: added.event_source,
    event_id: added.event_id,
    time: added.event_time,
    events: isCounted ? 1 : 0,
    quantity: sumOf([added.quantity]),
    amount,
    correlation_id: added.correlation_id,
  }
  return {
    ...{ charge_id, customer_id, subscription_id, price, meter: '', period_from, period_until, currency },
    amount: isCounted ? amount : '0',
    discount_amount: '0',
    event_count: isCounted ? 1 : 0,
    events: [event],
    lines: lines.get(charge_id) ?? [],
    next_cursor: null,
  }
}

/** Without an end: a charge begins where it began, but a change can put its end off, and older rows have the older end. */
const ofCharge = `customer_id = {customer: String} AND charge_id = {charge: String}
  AND event_time >= parseDateTime64BestEffort({from: String}, 9, 'UTC')`

const totalsQuery = `SELECT sum(toDecimal256(amount, 12)) AS amount, toInt64(sum(event_count)) AS events
FROM rated_usage WHERE ${ofCharge}`

function pageQuery(limit: number, isLater: boolean): string {
  const after = `(time, event_source, event_id) >
    (parseDateTime64BestEffort({after_time: String}, 9, 'UTC'), {after_source: String}, {after_id: String})`
  return `SELECT event_source, event_id, max(r.event_time) AS time, toInt64(sum(r.event_count)) AS events,
    sum(toDecimal256(r.quantity, 12)) AS quantity, sum(toDecimal256(r.amount, 12)) AS amount,
    any(r.correlation_id) AS correlation_id
  FROM rated_usage AS r WHERE ${ofCharge}
  GROUP BY event_source, event_id ${isLater ? `HAVING ${after}` : ''}
  ORDER BY time, event_source, event_id LIMIT ${limit + 1}`
}

function cursorOf({ time, event_source: source, event_id: id }: ChargeEvent): string {
  return Buffer.from(JSON.stringify([time, source, id])).toString('base64url')
}

function placeOf(cursor: string): Place | undefined {
  try {
    const [time, source, id] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown[]
    if (typeof time !== 'string' || typeof source !== 'string' || typeof id !== 'string') return undefined
    return parseInstant(time) === undefined ? undefined : { time, source, id }
  } catch {
    return undefined
  }
}
