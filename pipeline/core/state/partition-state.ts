// The state of one partition: tracked maps of plain data, the dedupe table, and the indexes made from them.
// Invariants: a snapshot, or an older one and the deltas after it, restores a state that behaves the same; indexes and
// caches are never stored. Both forms carry a format number; another format is refused, never guessed.

import { deserialize, serialize } from 'node:v8'
import type { Catalog } from '../../../schemas/catalog/catalog.js'
import { type DispositionCounts, zeroDispositions } from '../../../schemas/event/dispositions.js'
import { type ChargeDelta, ChargeMap } from './charge-map.js'
import { type DedupeSegment, DedupeTable } from './dedupe-table.js'
import { LevelMap } from './level-map.js'
import type {
  CustomerRecord,
  Retraction,
  SealedCharge,
  SealedRun,
  SubscriptionRecord,
  UsageCharge,
  WaitingEvent,
} from './records.js'
import { type MapDelta, TrackedMap } from './tracked-map.js'
import { UsageRoutes } from './usage-routes.js'

/** 6: what waits knows the message that brought it; older formats do not. */
const format = 6
const dayMs = 86_400_000

/** One day more than the horizon, because arrivals are kept by the day. */
export function daysKept(dedupeHorizonMs: number): number {
  return dedupeHorizonMs / dayMs + 1
}

interface StateMaps {
  /** One entry: all that was published, merged. */
  readonly catalog: TrackedMap<Catalog>
  readonly subscriptions: TrackedMap<SubscriptionRecord>
  readonly customers: TrackedMap<CustomerRecord>
  /** By the event's composite key. */
  readonly waiting: TrackedMap<WaitingEvent>
  readonly charges: ChargeMap
  readonly levels: LevelMap
  readonly sealed: TrackedMap<SealedCharge>
  /** Billing runs that were sealed, by id. */
  readonly runs: TrackedMap<SealedRun>
  /** Entities that some change of a subscription or customer named, by id. */
  readonly entities: TrackedMap<true>
  /** Usage events that were taken back, by composite key. */
  readonly retractions: TrackedMap<Retraction>
}

interface StoredMap {
  takeDelta(): MapDelta<unknown>
  dump(): MapDelta<unknown>
  apply(delta: MapDelta<unknown>): void
}

interface StateBytes {
  readonly format: number
  readonly maps: Record<string, MapDelta<unknown>>
  readonly dedupe: Uint8Array
  readonly counters: DispositionCounts
}

export class PartitionState {
  readonly maps: StateMaps = {
    catalog: new TrackedMap(),
    subscriptions: new TrackedMap(),
    customers: new TrackedMap(),
    waiting: new TrackedMap(),
    charges: new ChargeMap(),
    levels: new LevelMap(),
    sealed: new TrackedMap(),
    runs: new TrackedMap(),
    entities: new TrackedMap(),
    retractions: new TrackedMap(),
  }
  readonly dedupe: DedupeTable
  /** Cumulative. */
  counters: DispositionCounts = zeroDispositions()

  // Indexes, rebuilt on restore.
  waitingBytes = 0
  /** No event that waits arrived before this. */
  oldestWaitingMs = Number.POSITIVE_INFINITY
  /** No parked lifecycle change arrived before this. */
  oldestParkedChangeMs = Number.POSITIVE_INFINITY
  /** Customers with an open history request. */
  readonly held = new Set<string>()
  readonly waitingOf = new Map<string, Set<string>>()
  readonly sealedOf = new Map<string, Set<string>>()
  /** Keys of the retractions whose event was not seen yet. */
  readonly waitingRetractions = new Set<string>()
  /** Customers who took usage back: nothing of theirs is routed. */
  readonly retractedOf = new Set<string>()
  readonly routes = new UsageRoutes()

  constructor(dedupeHorizonMs: number, dedupe?: DedupeTable) {
    this.dedupe = dedupe ?? new DedupeTable(daysKept(dedupeHorizonMs))
  }

  static restore(
    dedupeHorizonMs: number,
    snapshot: Uint8Array | undefined,
    deltas: readonly Uint8Array[],
    dedupe?: DedupeTable,
  ): PartitionState {
    const state = new PartitionState(dedupeHorizonMs, dedupe)
    for (const bytes of snapshot === undefined ? deltas : [snapshot, ...deltas]) state.#apply(bytes)
    for (const waiting of state.maps.waiting.values()) state.#indexWaiting(waiting)
    for (const { customerId, hold } of state.maps.customers.values()) {
      if (hold !== undefined) state.held.add(customerId)
    }
    state.recomputeOldestParkedChange()
    for (const { chargeId, customerId } of state.maps.sealed.values()) {
      indexUnder(state.sealedOf, customerId, chargeId)
    }
    for (const [key, retraction] of state.maps.retractions.entries()) state.#indexRetraction(key, retraction)
    return state
  }

  get changed(): boolean {
    return this.dedupe.changed || Object.values(this.maps).some(map => map.changed)
  }

  takeDelta(): Uint8Array {
    return this.#toBytes(map => map.takeDelta(), this.dedupe.takeDelta())
  }

  snapshot(): Uint8Array {
    return this.#toBytes(map => map.dump(), this.dedupe.dump())
  }

  /** For a store that keeps the segments of the table: the rest, and the newest segment. */
  takeSnapshot(): { readonly state: Uint8Array; readonly dedupe: DedupeSegment } {
    const dedupe = this.dedupe.takeSegment()
    return { state: this.#toBytes(map => map.dump(), new Uint8Array()), dedupe }
  }

  customer(customerId: string): CustomerRecord {
    const known = this.maps.customers.get(customerId)
    if (known !== undefined) return known
    const record: CustomerRecord = {
      customerId,
      subscriptionIds: [],
      hold: undefined,
      movements: [],
    }
    this.maps.customers.set(customerId, record)
    return record
  }

  get catalog(): Catalog {
    return this.maps.catalog.get('published') ?? { meters: [], plans: [] }
  }

  set catalog(catalog: Catalog) {
    this.maps.catalog.set('published', catalog)
  }

  putWaiting(waiting: WaitingEvent): void {
    this.removeWaiting(waiting.event.key)
    this.maps.waiting.set(waiting.event.key, waiting)
    this.#indexWaiting(waiting)
  }

  removeWaiting(key: string): void {
    const waiting = this.maps.waiting.get(key)
    if (waiting === undefined) return
    this.maps.waiting.delete(key)
    this.waitingBytes -= waiting.bytes
    unindexUnder(this.waitingOf, waiting.event.customerId, key)
  }

  recomputeOldestWaiting(): void {
    this.oldestWaitingMs = Number.POSITIVE_INFINITY
    for (const { event } of this.maps.waiting.values()) {
      this.oldestWaitingMs = Math.min(this.oldestWaitingMs, event.ingestedAtMs)
    }
  }

  parkedChange(arrivedAtMs: number): void {
    this.oldestParkedChangeMs = Math.min(this.oldestParkedChangeMs, arrivedAtMs)
  }

  recomputeOldestParkedChange(): void {
    this.oldestParkedChangeMs = Number.POSITIVE_INFINITY
    for (const { changes } of this.maps.subscriptions.values()) {
      for (const { state, envelope } of changes)
        if (state.kind === 'parked') this.parkedChange(envelope.arrivedAtMs)
    }
  }

  hold(customerId: string): void {
    this.held.add(customerId)
    this.routes.forget(customerId)
  }

  #indexRetraction(key: string, { customerId, waiting }: Retraction): void {
    this.retractedOf.add(customerId)
    if (waiting.length > 0) this.waitingRetractions.add(key)
    else this.waitingRetractions.delete(key)
  }

  putRetraction(key: string, retraction: Retraction): void {
    this.maps.retractions.set(key, retraction)
    this.#indexRetraction(key, retraction)
    this.routes.forget(retraction.customerId)
  }

  noteEntity(entityId: string | undefined): void {
    if (entityId !== undefined && !this.maps.entities.has(entityId)) this.maps.entities.set(entityId, true)
  }

  putCharge(charge: UsageCharge): void {
    // No route names a charge that was not there.
    if (this.maps.charges.has(charge.chargeId)) this.routes.forget(charge.customerId)
    this.maps.charges.set(charge)
  }

  removeCharge(charge: UsageCharge): void {
    this.routes.forget(charge.customerId)
    this.maps.charges.delete(charge.chargeId)
  }

  putSealed(sealed: SealedCharge): void {
    this.maps.sealed.set(sealed.chargeId, sealed)
    indexUnder(this.sealedOf, sealed.customerId, sealed.chargeId)
  }

  #indexWaiting(waiting: WaitingEvent): void {
    this.waitingBytes += waiting.bytes
    this.oldestWaitingMs = Math.min(this.oldestWaitingMs, waiting.event.ingestedAtMs)
    indexUnder(this.waitingOf, waiting.event.customerId, waiting.event.key)
  }

  #toBytes(take: (map: StoredMap) => MapDelta<unknown>, dedupe: Uint8Array): Uint8Array {
    const maps: Record<string, MapDelta<unknown>> = {}
    for (const [name, map] of Object.entries(this.maps)) maps[name] = take(map)
    const bytes: StateBytes = { format, maps, dedupe, counters: this.counters }
    return serialize(bytes)
  }

  #apply(bytes: Uint8Array): void {
    const stored = storedState(bytes)
    for (const [name, map] of Object.entries(this.maps)) {
      const delta = stored.maps[name]
      if (delta === undefined) throw new Error(`The state lacks its map ${name}.`)
      ;(map as StoredMap).apply(delta)
    }
    this.dedupe.apply(stored.dedupe)
    this.counters = stored.counters
  }
}

/** The usage charges of a stored state; nothing else of it is kept in memory. */
export function usageChargesOf(
  snapshot: Uint8Array | undefined,
  deltas: readonly Uint8Array[],
): Iterable<UsageCharge> {
  const charges = new ChargeMap()
  for (const bytes of snapshot === undefined ? deltas : [snapshot, ...deltas]) {
    charges.apply(storedState(bytes).maps['charges'] as ChargeDelta)
  }
  return charges.stopAllRunning()
}

function storedState(bytes: Uint8Array): StateBytes {
  const stored = deserialize(bytes) as StateBytes
  if (stored.format === format) return stored
  throw new Error(
    `State of format ${stored.format} cannot be read; this version reads ${format}. ` +
      'Run the version that wrote it, or begin on a fresh state.',
  )
}

function indexUnder(index: Map<string, Set<string>>, owner: string, key: string): void {
  const keys = index.get(owner)
  if (keys === undefined) index.set(owner, new Set([key]))
  else keys.add(key)
}

function unindexUnder(index: Map<string, Set<string>>, owner: string, key: string): void {
  const keys = index.get(owner)
  if (keys === undefined) return
  keys.delete(key)
  if (keys.size === 0) index.delete(owner)
}
