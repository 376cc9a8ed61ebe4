// What a partition remembers, as plain data: every record survives v8.serialize and is owned by one TrackedMap.

import type { Accumulator } from '../../../rating/charges/accumulator.js'
import type { Charge } from '../../../schemas/billing/charge.js'
import type { MrrMovement } from '../../../schemas/billing/mrr-movement.js'
import type { EventInput } from '../../../schemas/event/event-input.js'
import type { SubscriptionChange } from '../../../schemas/lifecycle/lifecycle-event.js'
import type { Scaled } from '../../../schemas/money/decimal.js'
import type { Rejection } from '../../../schemas/rejection.js'
import type { KeyedEvent } from './metered-event.js'

/** The attributes of an event that its rows need. */
export interface Attributes {
  readonly source: string
  readonly id: string
  readonly type: string
  readonly customerId: string
  readonly timeNs: bigint
  readonly arrivedAtMs: number
  readonly correlationId: string
  readonly traceparent: string
  readonly input: EventInput
}

/** What a dead letter needs of its event. */
export interface Envelope extends Attributes {
  /** JSON of the event as it was sent. */
  readonly payload: string
}

export type ChangeState =
  | { readonly kind: 'applied' }
  | { readonly kind: 'parked'; readonly rejection: Rejection }
  | { readonly kind: 'refused'; readonly rejection: Rejection }

/** One lifecycle event that is kept: the first of its customer and sequence. */
export interface ChangeRecord {
  /** `planVersion` is filled in once the plan is known. */
  change: SubscriptionChange
  readonly envelope: Envelope
  state: ChangeState
}

export interface SubscriptionRecord {
  readonly subscriptionId: string
  /** Of the first `created`; '' until there is one. Changes of other customers are refused. */
  customerId: string
  /** In order of arrival. Replaced, not grown in place: V8 leaves space for sixteen more in an array that grows. */
  changes: readonly ChangeRecord[]
}

/** An open question to history, and why it was asked. While there is one, the customer's usage is held. */
export interface Hold {
  requestId: string
  fromNs: bigint
  /** The last event that made it necessary: what the residual corrections name. */
  cause: { readonly source: string; readonly id: string; readonly correlationId: string }
}

export interface CustomerRecord {
  readonly customerId: string
  subscriptionIds: readonly string[]
  hold: Hold | undefined
  /** The net movements of the timelines as last emitted. */
  movements: readonly MrrMovement[]
}

/**
 * A usage event that is not rated: parked (no subscription yet), held (history is awaited), or refused at attach (it is
 * a dead letter already, and is freed by a later lifecycle event that makes it ratable).
 */
export interface WaitingEvent {
  readonly event: KeyedEvent
  readonly payload: string
  readonly bytes: number
  state:
    | { readonly kind: 'parked' }
    | { readonly kind: 'held' }
    | { readonly kind: 'refused'; readonly rejection: Rejection }
}

/** One usage charge with its accumulator. */
export interface UsageCharge {
  readonly chargeId: string
  /** The charge's number in the state's deltas; given by `putCharge`, -1 before. */
  serial: number
  readonly customerId: string
  readonly subscriptionId: string
  readonly price: string
  readonly meter: string
  readonly plan: string
  readonly planVersion: number
  readonly entityId: string
  readonly currency: string
  readonly subscriptionVersion: number
  readonly fromNs: bigint
  readonly untilNs: bigint
  accumulator: Accumulator
  /** The sum of the amounts of all rows emitted for it. */
  emitted: Scaled
}

/** A charge that some run billed. */
export interface SealedCharge {
  readonly chargeId: string
  readonly customerId: string
  /** As it stands billed, all runs together; undefined: all of it was credited. */
  readonly billed: Charge | undefined
}

/** A billing run that was carried out. */
export interface SealedRun {
  readonly cutoffNs: bigint
  /** Undefined: of all entities. */
  readonly entityId: string | undefined
  readonly preview: boolean
}

/** A usage event that its customer took back. */
export interface Retraction {
  readonly customerId: string
  readonly eventSource: string
  readonly eventId: string
  readonly arrivedAtMs: number
  /** Envelopes of the retractions that wait for the event, which was not seen yet; they are counted as parked. */
  readonly waiting: readonly Envelope[]
}
