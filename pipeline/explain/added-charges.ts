// Fees and credits that no plan names, as ClickHouse has them: the charge of an event, and the event of a charge.

import type { ClickHouseClient } from '@clickhouse/client'
import { ask } from './ask.js'
import type { ChargeLine } from './charge-rows.js'
import type { Identity } from './event-rows.js'
import type { ExplainedCharge } from './explanation.js'
import { sumOf } from './verdict.js'

/** A charge that was added, by the event that did. */
export interface AddedRow {
  readonly charge_id: string
  readonly customer_id: string
  readonly subscription_id: string
  readonly price: string
  readonly kind: string
  readonly quantity: string
  readonly amount: string
  readonly currency: string
  readonly period_from: string
  readonly period_until: string
  readonly event_source: string
  readonly event_id: string
  readonly event_time: string
  readonly correlation_id: string
  readonly partition: number
  readonly ledger_sequence: number
  /** 1: it was cancelled since, so that it comes to nothing. */
  readonly is_cancelled: number
}

/** The charge that an event added; undefined for any other event. */
export function addedByEvent(
  clickhouse: ClickHouseClient,
  identity: Identity,
): Promise<AddedRow | undefined> {
  return readAdded(clickhouse, 'event_source = {source: String} AND event_id = {id: String}', { ...identity })
}

export function addedById(clickhouse: ClickHouseClient, charge: string): Promise<AddedRow | undefined> {
  return readAdded(clickhouse, 'charge_id = {charge: String}', { charge })
}

async function readAdded(
  clickhouse: ClickHouseClient,
  where: string,
  params: Readonly<Record<string, unknown>>,
): Promise<AddedRow | undefined> {
  const columns = `charge_id, customer_id, subscription_id, price, kind, quantity, amount, currency, effective_from AS period_from,
    effective_from AS period_until, event_source, event_id, event_time, correlation_id, partition, ledger_sequence`
  const query = `SELECT ${columns} FROM added_charges WHERE change = 'added' AND ${where} LIMIT 1`
  const [row] = await ask<Omit<AddedRow, 'is_cancelled'>>(clickhouse, { query, params })
  if (row === undefined) return undefined
  const cancelled = await ask<{ readonly charge_id: string }>(clickhouse, {
    query: `SELECT charge_id FROM added_charges WHERE change = 'cancelled' AND charge_id = {charge: String} LIMIT 1`,
    params: { charge: row.charge_id },
  })
  return { ...row, is_cancelled: cancelled.length }
}

export function explainedAdded(
  row: AddedRow,
  lines: readonly ChargeLine[],
  receivedAt: string,
): ExplainedCharge {
  const { charge_id, subscription_id, price, currency, partition, ledger_sequence } = row
  const isCounted = row.is_cancelled === 0
  const amount = sumOf([row.amount])
  return {
    ...{ charge_id, subscription_id, price, currency, partition, ledger_sequence },
    ...{ subscription_version: 0, plan: '', plan_version: 0, meter: '', value: '' },
    period_from: row.period_from,
    period_until: row.period_until,
    entity_id: lines.at(-1)?.entity_id ?? '',
    quantity: sumOf([row.quantity]),
    amount,
    rated_at: receivedAt,
    charge_amount: isCounted ? amount : '0',
    charge_events: isCounted ? 1 : 0,
    corrections: [],
    status: lines.some(line => line.billing_run_id !== '') ? 'billed' : 'open',
    lines,
    arithmetic: null,
  }
}
