// What a partition remembers, as plain data: every record survives v8.serialize and is owned by one TrackedMap.

import type { Accumulator } from '../../../rating/charges/accumulator.js'
import type { Charge } from '../../../schemas/billing/charge.js'
import type { HeldBack } from '../../../schemas/billing/held-back.js'
import type { MrrMovement } from '../../../schemas/billing/mrr-movement.js'
import type { EventInput } from '../../../schemas/event/event-input.js'
import type { MeterReading } from '../../../schemas/event/metered-event.js'
import type { ChargeAdded } from '../../../schemas/lifecycle/charge-event.js'
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
  /** Who pays, and whose part the customer is; absent where nobody has said so. */
  billTo?: Relation
  parent?: Relation
  /** Whose books it is in; absent where nobody has said so. */
  entity?: ToldEntity
  /** In which plans that are in several currencies are owed; absent where nobody has said so. */
  currency?: ToldCurrency
}

/** The first that was told, by the event's time, then its id: it holds for good. */
export interface ToldCurrency {
  readonly currency: string
  readonly atNs: bigint
  readonly event: string
}

export interface ToldEntity {
  readonly entityId: string
  readonly atNs: bigint
  readonly event: string
}

/** A fee or a credit that no plan names. */
export interface AddedCharge {
  readonly charge: ChargeAdded
  readonly eventSource: string
  readonly eventId: string
  readonly correlationId: string
  readonly contentHash: string
  readonly state: ChangeState
  /** While it is parked. */
  readonly envelope: Envelope | undefined
}

/** An added charge that was cancelled, whether or not it has come itself. */
export interface CancelledCharge {
  readonly customerId: string
  readonly eventSource: string
  readonly eventId: string
  readonly reason: string
  readonly arrivedAtMs: number
  /** Of the cancellations that wait for the charge; they are counted as parked. */
  readonly waiting: readonly Envelope[]
}

/** A customer that another names, and the event that said so: the latest by its time, then by its id, holds. */
export interface Relation {
  readonly customerId: string | null
  readonly atNs: bigint
  readonly event: string
}

/**
 * A usage event that is not rated: parked (no subscription yet), held (history is awaited), refused at attach (it is
 * a dead letter already, and is freed by a later lifecycle event that makes it ratable), or unreadable (a dead letter
 * too, for its content; its readings are empty, and an amendment frees it).
 */
export interface WaitingEvent {
  readonly event: KeyedEvent
  /** The customer that it was sent for; an amendment may have moved the event to another. */
  readonly sentFor: string
  readonly payload: string
  readonly bytes: number
  state:
    | { readonly kind: 'parked' }
    | { readonly kind: 'held' }
    | { readonly kind: 'refused'; readonly rejection: Rejection }
    | { readonly kind: 'unreadable'; readonly rejection: Rejection }
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
  /** Undefined: of all customers. */
  readonly customerId?: string | undefined
  readonly preview: boolean
  /** Absent: it was sealed in full. */
  readonly rest?: RestOfRun
}

/** How far a run is that was sealed in part. */
export interface RestOfRun {
  /** The last customer that was sealed, in the order of ids. */
  readonly after: string
  /** Lines so far. */
  readonly lines: number
  /** What it held back so far. */
  readonly heldBack: readonly HeldBack[]
}

/** A usage event that its customer took back. */
export interface Retraction {
  readonly customerId: string
  readonly eventSource: string
  readonly eventId: string
  readonly arrivedAtMs: number
  /** The event came: it was usage of this customer, and counts for nothing now. */
  readonly hasTaken: boolean
  /** Envelopes of the retractions that wait for the event, which was not seen yet; they are counted as parked. */
  readonly waiting: readonly Envelope[]
}

/** What the meters read from a usage event's data: nothing for a type that no meter wants. */
export type UsageContent =
  | { readonly kind: 'read'; readonly readings: readonly MeterReading[] }
  | { readonly kind: 'refused'; readonly rejection: Rejection }

/** A usage event as it ought to have been. Absent fields stay as the event brought them. */
export interface Amendment {
  /** Its own time, id and source: the latest one holds. */
  readonly order: { readonly timeNs: bigint; readonly id: string; readonly source: string }
  readonly arrivedAtMs: number
  readonly input: EventInput
  /** It needs nothing of the original: it brings type, time and data, or withdraws the event. */
  readonly isWhole: boolean
  readonly isWithdrawn: boolean
  readonly type: string | undefined
  readonly eventTimeNs: bigint | undefined
  readonly movedTo: string | undefined
  readonly subscriptionId: string | undefined
  /** JSON text. */
  readonly data: string | undefined
  /** What `data` says; undefined until the type is known. */
  content: UsageContent | undefined
  readonly correlationId: string
  readonly traceparent: string
}

/** The first accepted event of an identity, as it was before all amendments. */
export interface OriginalEvent {
  readonly event: KeyedEvent
  /** Its JSON, or as much of it as its readings tell. */
  readonly payload: string
  /** Why its content cannot be read. */
  readonly refusal: Rejection | undefined
}

/** Where an amended event is now. `version` names the content and customer; another one must take its place. */
export type Placement =
  /** It waits or was rated. */
  | { readonly kind: 'placed'; readonly version: string; readonly customerId: string }
  /** It counts for nothing. */
  | { readonly kind: 'nothing'; readonly version: string; readonly disposition: 'rated' | 'unmetered' }
  /** It is about to be placed. `isShown`: whether a row tells that it waits. */
  | {
      readonly kind: 'set_aside'
      readonly version: ''
      readonly disposition: 'rated' | 'parked'
      readonly isShown: boolean
    }
  /** It was handed over to the customer's partition. */
  | { readonly kind: 'handed_over'; readonly version: string; readonly customerId: string }
  /** It was given up for good, and may be sent again. */
  | { readonly kind: 'given_up' }

/** An amendment that waits, counted as parked. */
export interface WaitingAmendment {
  readonly envelope: Envelope
  /** Whether a row tells that it waits. */
  readonly isShown: boolean
  readonly isWhole: boolean
}

/** A usage event of one customer that was amended, whether or not it has come itself. */
export interface AmendedEvent {
  readonly customerId: string
  readonly eventSource: string
  readonly eventId: string
  /** Composite key of source and id. */
  readonly eventKey: string
  /** When the last amendment came. */
  arrivedAtMs: number
  /** The latest by `order`. */
  latest: Amendment | undefined
  latestWhole: Amendment | undefined
  waiting: readonly WaitingAmendment[]
  /** History is awaited, which tells whether the event was rated before. */
  isSought: boolean
  original: OriginalEvent | undefined
  /** The amendment that is counted in the place of the event, as long as the event itself has not come. */
  carrier:
    | { readonly amendment: Attributes; readonly eventSource: string; readonly eventId: string }
    | undefined
  placement: Placement | undefined
  /** How often it was handed over. */
  handovers: number
}
