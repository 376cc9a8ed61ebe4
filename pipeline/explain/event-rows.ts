// The rows of ClickHouse about one event: what was rated of it, its dead letters, its other outcomes, the events that
// take it back, and the answers that people gave to its exceptions. They are found by a hash of source and id, for which the tables have an index.

import type { ClickHouseClient } from '@clickhouse/client'
import { ask } from './ask.js'

export interface Identity {
  readonly source: string
  readonly id: string
}

/** Which message brought the event, and which commit wrote the row. */
interface Origin {
  readonly input_stream: string
  readonly input_sequence: number
  readonly partition: number
  readonly ledger_sequence: number
}

interface Attributes extends Origin {
  readonly event_source: string
  readonly event_id: string
  readonly event_type: string
  readonly customer_id: string
  readonly event_time: string
  readonly ingested_at: string
  readonly event_count: number
  readonly correlation_id: string
}

export interface RatedUsage extends Attributes {
  readonly rated_at: string
  readonly pinned_subscription_id: string
  readonly subscription_id: string
  readonly subscription_version: number
  readonly plan: string
  readonly plan_version: number
  readonly price: string
  readonly meter: string
  readonly charge_id: string
  readonly period_from: string
  readonly period_until: string
  readonly value: string
  readonly quantity: string
  readonly amount: string
  readonly currency: string
  readonly entity_id: string
  readonly kind: string
  readonly dimensions: Readonly<Record<string, string>>
}

export interface DeadLetter extends Attributes {
  readonly code: string
  readonly detail: string
  readonly recorded_at: string
  readonly content_hash: string
  readonly other_content_hash: string
  readonly payload: string
}

export interface EventOutcome extends Attributes {
  readonly recorded_at: string
  readonly disposition: string
  readonly code: string
  readonly detail: string
  readonly payload: string
  readonly target_source: string
  readonly target_id: string
}

/** An answer to an exception of the event. */
export interface Resolution {
  readonly exception_id: string
  readonly exception_kind: string
  readonly resolution: string
  readonly code: string
  readonly job_id: string
  readonly reason: string
  readonly key_id: string
  readonly key_name: string
  readonly resolved_at: string
}

export interface EventRows {
  readonly rated: readonly RatedUsage[]
  readonly deadLetters: readonly DeadLetter[]
  readonly outcomes: readonly EventOutcome[]
  /** Outcomes of the events that name this one as their target. */
  readonly about: readonly EventOutcome[]
  /** In the order in which they were given. */
  readonly resolutions: readonly Resolution[]
  /** There are more rows than are told. */
  readonly isCut: boolean
}

/** Of each kind; a change of a subscription may have caused very many corrections. */
export const maxRows = 500

/** As the indexes of the tables have it. */
const isEvent =
  'cityHash64(event_source, event_id) = cityHash64({source: String}, {id: String})' +
  ' AND event_source = {source: String} AND event_id = {id: String}'
const isTarget =
  'cityHash64(target_source, target_id) = cityHash64({source: String}, {id: String})' +
  ' AND target_source = {source: String} AND target_id = {id: String}'

const resolutionColumns =
  'exception_id, exception_kind, resolution, code, job_id, reason, key_id, key_name, resolved_at'

export async function readEventRows(clickhouse: ClickHouseClient, identity: Identity): Promise<EventRows> {
  const rowsOf = <Row>(table: string, where: string, columns = '*', order = 'ledger_sequence') => {
    const query = `SELECT ${columns} FROM ${table} WHERE ${where} ORDER BY ${order} LIMIT ${maxRows + 1}`
    return ask<Row>(clickhouse, { query, params: { ...identity } })
  }
  const [rated, deadLetters, outcomes, about] = await Promise.all([
    rowsOf<RatedUsage>('rated_usage', isEvent),
    rowsOf<DeadLetter>('dead_letters', isEvent),
    rowsOf<EventOutcome>('event_outcomes', isEvent),
    rowsOf<EventOutcome>('event_outcomes', isTarget),
  ])
  // Only what had a dead letter or another outcome can have been an exception that somebody resolved.
  const resolutions =
    deadLetters.length + outcomes.length === 0
      ? []
      : await rowsOf<Resolution>('exception_resolutions', isEvent, resolutionColumns, 'stream_sequence')
  const all: readonly (readonly unknown[])[] = [rated, deadLetters, outcomes, about, resolutions]
  return {
    rated: rated.slice(0, maxRows),
    deadLetters: deadLetters.slice(0, maxRows),
    outcomes: outcomes.slice(0, maxRows),
    about: about.slice(0, maxRows),
    resolutions: resolutions.slice(0, maxRows),
    isCut: all.some(rows => rows.length > maxRows),
  }
}
