// A usage event after normalising, with the values that its matching meters read. In this form it is parked,
// rated, written to `rated_usage` and read from history, so that it can be rated again without its original
// bytes.

import type { Scaled } from '../money/decimal.js'
import type { EventInput } from './event-input.js'

export interface MeterReading {
  readonly meter: string
  /** The meter's value; 1 for `count` and `unique_count`; -1 where a persistent one removes the value. */
  readonly quantity: Scaled
  /** The value as text: the distinct value for `unique_count`, else the decimal. */
  readonly text: string
  readonly dimensions: ReadonlyMap<string, string>
}

/** Instants are epoch nanoseconds, except that of arrival. Texts that the sender left out are empty. */
export interface MeteredEvent {
  readonly source: string
  readonly id: string
  readonly type: string
  readonly timeNs: bigint
  readonly ingestedAtMs: number
  readonly customerId: string
  readonly pinnedSubscriptionId: string
  readonly correlationId: string
  readonly traceparent: string
  readonly input: EventInput
  readonly readings: readonly MeterReading[]
}
