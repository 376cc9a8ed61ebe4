// How the oracle takes in events before rating them: it keeps the first event of each identity in the order
// of arrival, read with the wire parsers of schemas/. Contract section 2. What an event publishes is known to
// all events handed over with it. A meter reads only usage that comes after its publication; everything else
// follows from the set of events.

import type { Catalog } from '../../../schemas/catalog/catalog.js'
import { mergeCatalogs } from '../../../schemas/catalog/catalog-parser.js'
import { validateEvent } from '../../../schemas/event/cloud-event.js'
import { isLifecycleType } from '../../../schemas/event/event-stream.js'
import type { ValidEvent } from '../../../schemas/event/usage-event.js'
import { compositeKey } from '../../../schemas/identifiers.js'
import type { ChargeAdded, ChargeCancelled } from '../../../schemas/lifecycle/charge-event.js'
import type { SubscriptionChange } from '../../../schemas/lifecycle/lifecycle-event.js'
import { parseLifecycleEvent } from '../../../schemas/lifecycle/lifecycle-event.js'
import type { UsageAmendment, UsageRetraction } from '../../../schemas/lifecycle/usage-changes.js'
import { parseInstant } from '../../../schemas/time.js'
import { canonical } from './canonical.js'
import { type Reading, readingsOf } from './readings.js'

export interface DeadLetter {
  readonly source: string
  readonly id: string
  readonly code: string
}

/** A usage event that some meter wants; its readings, or the code with which it is refused. */
export interface UsageEvent {
  readonly event: ValidEvent
  readonly readings: readonly Reading[] | string
  /** The number of the group of events that it was handed over with. */
  readonly batch: number
}

export interface ReceivedAmendment {
  readonly event: ValidEvent
  readonly amendment: UsageAmendment
  readonly batch: number
}

export interface ReceivedChange {
  readonly change: SubscriptionChange
  /** The number of the group of events that it was handed over with. */
  readonly batch: number
}

/** A fee or a credit that no plan names. */
export interface ReceivedCharge {
  readonly event: ValidEvent
  readonly charge: ChargeAdded
}

/** What `weir.customer.upserted` says of the customer's currency. */
export interface ToldCurrency {
  readonly customerId: string
  readonly currency: string
  readonly timeNs: bigint
  readonly key: string
}

export interface Intake {
  /** The catalog after each group of events. */
  readonly catalogs: readonly Catalog[]
  /** The first event of each version, in the order of arrival. */
  readonly changes: readonly ReceivedChange[]
  readonly usage: readonly UsageEvent[]
  readonly retractions: readonly UsageRetraction[]
  readonly amendments: readonly ReceivedAmendment[]
  readonly addedCharges: readonly ReceivedCharge[]
  readonly cancelledCharges: readonly ChargeCancelled[]
  readonly currencies: readonly ToldCurrency[]
  readonly deadLetters: readonly DeadLetter[]
  /** For every event that was seen. */
  readonly identities: ReadonlySet<string>
  readonly applied: number
  readonly duplicate: number
  readonly conflicting: number
  readonly unmetered: number
}

/** `batches`: each is a group of events that were handed over at once. */
export function takeIn(
  catalog: Catalog,
  batches: readonly (readonly unknown[])[],
  arrivalMs: number,
): Intake {
  const intake = new Taking(catalog)
  const content = new Map<string, string>()
  for (const batch of batches) {
    const taken = batch.map(raw => intake.identify(raw, arrivalMs, content)).filter(one => one !== undefined)
    for (const event of taken.filter(isPublished)) intake.publish(event)
    intake.catalogs.push(intake.catalog)
    for (const event of taken.filter(one => !isPublished(one))) {
      if (isLifecycleType(event.type)) intake.applyOurs(event)
      else intake.read(event)
    }
  }
  return intake
}

class Taking implements Intake {
  catalog: Catalog
  readonly catalogs: Catalog[] = []
  readonly changes: ReceivedChange[] = []
  readonly usage: UsageEvent[] = []
  readonly retractions: UsageRetraction[] = []
  readonly amendments: ReceivedAmendment[] = []
  readonly addedCharges: ReceivedCharge[] = []
  readonly cancelledCharges: ChargeCancelled[] = []
  readonly currencies: ToldCurrency[] = []
  readonly deadLetters: DeadLetter[] = []
  readonly identities = new Set<string>()
  applied = 0
  duplicate = 0
  conflicting = 0
  unmetered = 0

  constructor(catalog: Catalog) {
    this.catalog = catalog
  }

  /** Returns the event if it is the first with its identity; an invalid event takes no identity. */
  identify(raw: unknown, arrivalMs: number, contents: Map<string, string>): ValidEvent | undefined {
    const parsed = validateEvent(raw, arrivalMs)
    if (parsed.kind === 'rejected') {
      const { source, id } = namesOf(raw)
      this.deadLetters.push({ source, id, code: parsed.rejection.code })
      return undefined
    }
    const event = parsed.value
    const identity = canonical([event.source, event.id])
    const content = contentOf(event)
    const kept = contents.get(identity)
    if (kept === undefined) {
      contents.set(identity, content)
      this.identities.add(identity)
      return event
    }
    if (kept === content) this.duplicate += 1
    else {
      this.conflicting += 1
      this.#refuse(event, 'conflicting_duplicate')
    }
    return undefined
  }

  publish(event: ValidEvent): void {
    const parsed = parseLifecycleEvent(event)
    const published = parsed.kind === 'ok' && parsed.value.kind === 'catalog_published'
    const merged = published ? mergeCatalogs(this.catalog, parsed.value.catalog) : undefined
    if (parsed.kind === 'rejected') this.#refuse(event, parsed.rejection.code)
    else if (merged?.kind === 'conflict') this.#refuse(event, merged.rejection.code)
    else {
      this.catalog = merged?.catalog ?? this.catalog
      this.applied += 1
    }
  }

  applyOurs(event: ValidEvent): void {
    const parsed = parseLifecycleEvent(event)
    if (parsed.kind === 'rejected') this.#refuse(event, parsed.rejection.code)
    else if (parsed.value.kind === 'subscription_change') this.#keepVersion(event, parsed.value.change)
    else {
      // A retraction that waits for its event is parked, and so are an amendment (mended.ts) and added charges (added-charges.ts).
      const { value } = parsed
      if (value.kind === 'customer_upserted' && value.customer.currency !== undefined) {
        const { customerId, currency } = value.customer
        const key = compositeKey(event.source, event.id)
        this.currencies.push({ customerId, currency, timeNs: event.timeNs, key })
      }
      if (value.kind === 'usage_retracted') this.retractions.push(value.retraction)
      else if (value.kind === 'charge_added') this.addedCharges.push({ event, charge: value.charge })
      else if (value.kind === 'charge_cancelled') this.cancelledCharges.push(value.cancellation)
      else if (value.kind === 'usage_amended') {
        this.amendments.push({ event, amendment: value.amendment, batch: this.catalogs.length - 1 })
      } else this.applied += 1
    }
  }

  read(event: ValidEvent): void {
    const readings = readingsOf(
      event.data,
      this.catalog.meters.filter(one => one.eventTypes.includes(event.type)),
    )
    if (readings.length === 0) this.unmetered += 1
    else this.usage.push({ event, readings, batch: this.catalogs.length - 1 })
  }

  /**
   * The first change of a sequence is kept; the same content again is a duplicate, other content a dead
   * letter.
   */
  #keepVersion(event: ValidEvent, change: SubscriptionChange): void {
    const { subscriptionId, customerId, sequence } = change
    const same = this.changes.find(
      one =>
        one.change.subscriptionId === subscriptionId &&
        one.change.customerId === customerId &&
        one.change.sequence === sequence,
    )
    if (same === undefined) this.changes.push({ change, batch: this.catalogs.length - 1 })
    else if (same.change.contentHash === change.contentHash) this.duplicate += 1
    else this.#refuse(event, 'conflicting_version')
  }

  #refuse({ source, id }: ValidEvent, code: string): void {
    this.deadLetters.push({ source, id, code })
  }
}

function isPublished({ type }: ValidEvent): boolean {
  return type === 'weir.catalog.published' || type === 'weir.fx_rate.published'
}

/** "Content is type, subject, time (one instant is the same however it is written), the extensions above and data, compared as values", and no stamped time. */
function contentOf(event: ValidEvent): string {
  const { type, subject, timeText, timeNs, isTimeStamped, subscriptionId, correlationId, traceparent, data } =
    event
  return canonical([
    type,
    subject,
    timeText === undefined || isTimeStamped ? null : timeNs,
    subscriptionId ?? null,
    correlationId,
    traceparent,
    type.startsWith('weir.') ? withInstants(data) : data,
  ])
}

/** The instants of a change, as what they are instead of as they are written. */
function withInstants(data: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const isInstant = /^(?:effective_from|effective_until|billing_anchor|trial_until|due_at|time)$/
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) =>
      isInstant.test(name) && typeof value === 'string'
        ? [name, parseInstant(value) ?? value]
        : [name, value],
    ),
  )
}

/** What a dead letter can say of an invalid event. */
function namesOf(raw: unknown): { source: string; id: string } {
  const event = typeof raw === 'object' && raw !== null ? raw : {}
  const text = (name: string) => {
    const value: unknown = Reflect.get(event, name)
    return typeof value === 'string' ? value : ''
  }
  return { source: text('source'), id: text('id') }
}
