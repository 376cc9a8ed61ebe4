// The answer to "what became of this event": its shape. `explain-event.ts` makes it.

import type { ArrivalOf } from './arrival-of.js'
import type { ChargeLine } from './charge-rows.js'
import type { Resolution } from './event-rows.js'
import type { Received } from './received.js'
import type { ArithmeticWire, FieldOrigin } from './terms.js'
import type { Attempt, HistoryEntry } from './verdict.js'
import type { VersionChoice } from './versions.js'

export const stationNames = [
  'received',
  'stored',
  'decoded',
  'deduplicated',
  'attached',
  'rated',
  'charged',
  'billed',
  'posted',
  'delivered',
] as const

export interface Station {
  readonly station: (typeof stationNames)[number]
  readonly state: 'passed' | 'waiting' | 'refused' | 'skipped' | 'taken_back' | 'not_reached'
  readonly at?: string
  readonly partition?: number
  readonly ledger_sequence?: number
  readonly reason: string
  readonly links: Readonly<Record<string, string>>
}

/** One correction, and the event that made it necessary. */
export interface ChargeCorrection {
  readonly at: string
  readonly ledger_sequence: number
  readonly amount: string
  readonly cause_source: string
  readonly cause_id: string
}

/** What the event is on one meter and price, all its rows there together. */
export interface ExplainedCharge {
  readonly charge_id: string
  readonly subscription_id: string
  readonly subscription_version: number
  readonly plan: string
  readonly plan_version: number
  readonly price: string
  readonly meter: string
  readonly value: string
  readonly period_from: string
  readonly period_until: string
  readonly entity_id: string
  readonly currency: string
  /** Net of the event's rows. */
  readonly quantity: string
  readonly amount: string
  readonly rated_at: string
  readonly partition: number
  readonly ledger_sequence: number
  /** Of all events. */
  readonly charge_amount: string
  readonly charge_events: number
  /** Of the charge as a whole, since other terms hold: rating again leaves the rows of its events as they are. */
  readonly corrections: readonly ChargeCorrection[]
  readonly status: 'open' | 'billed'
  readonly lines: readonly ChargeLine[]
  readonly arithmetic: ArithmeticWire | null
}

/** An event that names this one as its target. */
export interface TargetedBy {
  readonly source: string
  readonly id: string
  readonly type: string
  readonly disposition: string
  readonly code: string
  readonly at: string
}

export interface EventExplanation {
  readonly source: string
  readonly id: string
  readonly type: string
  readonly customer_id: string
  readonly time: string
  readonly correlation_id: string
  readonly disposition: string
  readonly code: string
  readonly detail: string
  readonly is_retracted: boolean
  /** Messages of LEDGER that ClickHouse has not taken yet: what is told may be older by so many. */
  readonly clickhouse_behind: number
  /** More rows name the event than are told. */
  readonly is_cut: boolean
  readonly stations: readonly Station[]
  readonly received: Received | null
  /** What a system of record sent, of which it was made. */
  readonly arrival: ArrivalOf | null
  readonly attempts: readonly Attempt[]
  readonly targeted_by: readonly TargetedBy[]
  /** Corrections of charges that name this event as their cause. */
  readonly caused: { readonly rows: number } | null
  readonly versions: readonly VersionChoice[]
  /** By subscription: which change set each field of the terms in force. */
  readonly fields: Readonly<Record<string, readonly FieldOrigin[]>>
  readonly charges: readonly ExplainedCharge[]
  readonly history: readonly HistoryEntry[]
  /** Answers to its exceptions, the oldest first. */
  readonly resolutions: readonly Resolution[]
}
