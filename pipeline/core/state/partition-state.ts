// The state of one partition: tracked maps of plain data, the dedupe table, and the indexes made from them.
// Invariants: a snapshot, or an older one and the deltas after it, restores a state that behaves the same; indexes and
// caches are never stored. Both forms carry a format number; another format is refused, never guessed.

import { deserialize, serialize } from 'node:v8'
import type { Catalog } from '../../../schemas/catalog/catalog.js'
import { type DispositionCounts, zeroDispositions } from '../../../schemas/event/dispositions.js'
import { hashIdentity, hashWords } from '../../../schemas/event/event-hash.js'
import type { Handover } from '../ports/core-io.js'
import { AddedChargeIndex } from './added-charge-index.js'
import { AmendmentIndex } from './amendment-index.js'
import { BilledCharges } from './billed-charges.js'
import { type ChargeDelta, ChargeMap } from './charge-map.js'
import { claimKey } from './claim-key.js'
import { type DedupeSegment, DedupeTable } from './dedupe-table.js'
import { LevelMap } from './level-map.js'
import { PackedMap } from './packed-map.js'
import type {
  AddedCharge,
  AmendedEvent,
  CancelledCharge,
  CustomerRecord,
  Retraction,
  SealedRun,
  SubscriptionRecord,
  UsageCharge,
  WaitingEvent,
} from './records.js'
import { piecesOf, withHead } from './state-pieces.js'
import { type MapDelta, TrackedMap } from './tracked-map.js'
import { UsageRoutes } from './usage-routes.js'

/** 9: added charges and their cancellations. */
export const stateFormat = 9
/** 8 has no added charges. 7 has a snapshot in one piece, whose subscriptions and customers are not packed. 6 names each billed charge as an object. Older ones do not know the message that brought what waits. */
const readableFormats: readonly number[] = [6, 7, 8, stateFormat]
const since9: ReadonlySet<string> = new Set(['addedCharges', 'cancelledCharges'])
const dayMs = 86_400_000
const identity = new Uint32Array(hashWords)

/** One day more than the horizon, because arrivals are kept by the day. */
export function daysKept(dedupeHorizonMs: number): number {
  return dedupeHorizonMs / dayMs + 1
}

interface StateMaps {
  /** One entry: all that was published, merged. */
  readonly catalog: TrackedMap<Catalog>
  /** Special: those with a change that is not applied. */
  readonly subscriptions: PackedMap<SubscriptionRecord>
  /** Special: those with an open history request. */
  readonly customers: PackedMap<CustomerRecord>
  /** By claim: the customer that the event was sent for, and its identity. */
  readonly waiting: TrackedMap<WaitingEvent>
  readonly charges: ChargeMap
  readonly levels: LevelMap
  /** What stands billed, all runs together. */
  readonly sealed: BilledCharges
  /** Billing runs that were sealed, in full or in part, by id. */
  readonly runs: TrackedMap<SealedRun>
  /** Entities that some change of a subscription or customer named, by id. */
  readonly entities: TrackedMap<true>
  /** Usage events that were taken back, by claim. */
  readonly retractions: TrackedMap<Retraction>
  /** Usage events that were amended, by claim. */
  readonly amended: TrackedMap<AmendedEvent>
  /** Fees and credits that no plan names, by claim. Special: those that wait. */
  readonly addedCharges: PackedMap<AddedCharge>
  /** Special: those that wait for their charge. */
  readonly cancelledCharges: PackedMap<CancelledCharge>
  /** Events for other partitions that are not yet known to be published, by their key. */
  readonly handovers: TrackedMap<Handover>
}

interface StoredMap {
  takeDelta(): MapDelta<unknown>
  dump(): IterableIterator<MapDelta<unknown>>
  apply(delta: MapDelta<unknown>): void
}

interface StateBytes {
  readonly format: number
  /** All maps, but in later pieces of a snapshot. */
  readonly maps: Record<string, MapDelta<unknown>>
  readonly dedupe: Uint8Array
  readonly counters: DispositionCounts
}

export class PartitionState {
  readonly maps: StateMaps = {
    catalog: new TrackedMap(),
    subscriptions: new PackedMap(({ changes }) => changes.some(({ state }) => state.kind !== 'applied')),
    customers: new PackedMap(({ hold }) => hold !== undefined),
    waiting: new TrackedMap(),
    charges: new ChargeMap(),
    levels: new LevelMap(),
    sealed: new BilledCharges(),
    runs: new TrackedMap(),
    entities: new TrackedMap(),
    retractions: new TrackedMap(),
    amended: new TrackedMap(),
    addedCharges: new PackedMap(({ envelope }) => envelope !== undefined),
    cancelledCharges: new PackedMap(({ waiting }) => waiting.length > 0),
    handovers: new TrackedMap(),
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
  /** Keys of the retractions whose event was not seen yet. */
  readonly waitingRetractions = new Set<string>()
  /** First words of the identities that were taken back or amended: such events are placed one by one. */
  readonly changedIdentities = new Set<number>()
  readonly amendments = new AmendmentIndex()
  readonly added = new AddedChargeIndex()
  readonly routes = new UsageRoutes()
  #inOrder: readonly string[] = []

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
    for (const customerId of state.maps.customers.special()) state.held.add(customerId)
    state.recomputeOldestParkedChange()
    for (const [key, retraction] of state.maps.retractions.entries()) state.#indexRetraction(key, retraction)
    for (const [key, amended] of state.maps.amended.entries()) state.#indexAmended(key, amended)
    for (const [key, added] of state.maps.addedCharges.entries()) state.added.put(key, added)
    for (const [key, cancelled] of state.maps.cancelledCharges.entries())
      state.added.putCancelled(key, cancelled)
    return state
  }

  get changed(): boolean {
    return this.dedupe.changed || Object.values(this.maps).some(map => map.changed)
  }

  takeDelta(): Uint8Array {
    const maps: Record<string, MapDelta<unknown>> = {}
    for (const [name, map] of Object.entries(this.maps)) maps[name] = map.takeDelta()
    return this.#toBytes(maps, this.dedupe.takeDelta())
  }

  snapshot(): Uint8Array {
    return Uint8Array.from(Buffer.concat(this.#pieces(this.dedupe.dump())))
  }

  /** For a store that keeps the segments of the table: the rest, and the newest segment. */
  takeSnapshot(): { readonly state: readonly Uint8Array[]; readonly dedupe: DedupeSegment } {
    const dedupe = this.dedupe.takeSegment()
    return { state: this.#pieces(new Uint8Array()), dedupe }
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

  /** Ids of all customers, in the order in which a billing run seals them. None is ever taken out. */
  customersInOrder(): readonly string[] {
    const { customers } = this.maps
    if (this.#inOrder.length !== customers.size) this.#inOrder = [...customers.keys()].sort()
    return this.#inOrder
  }

  get catalog(): Catalog {
    return this.maps.catalog.get('published') ?? { meters: [], plans: [] }
  }

  set catalog(catalog: Catalog) {
    this.maps.catalog.set('published', catalog)
  }

  putWaiting(waiting: WaitingEvent): void {
    const key = claimKey(waiting.sentFor, waiting.event.key)
    this.removeWaiting(key)
    this.maps.waiting.set(key, waiting)
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
    const { subscriptions } = this.maps
    for (const id of subscriptions.special()) {
      for (const { state, envelope } of subscriptions.get(id)?.changes ?? [])
        if (state.kind === 'parked') this.parkedChange(envelope.arrivedAtMs)
    }
  }

  hold(customerId: string): void {
    this.held.add(customerId)
    this.routes.forget(customerId)
  }

  #indexRetraction(key: string, { eventSource, eventId, waiting }: Retraction): void {
    this.#noteChanged(eventSource, eventId)
    if (waiting.length > 0) this.waitingRetractions.add(key)
    else this.waitingRetractions.delete(key)
  }

  putRetraction(key: string, retraction: Retraction): void {
    this.maps.retractions.set(key, retraction)
    this.#indexRetraction(key, retraction)
  }

  #noteChanged(source: string, id: string): void {
    hashIdentity(source, id, identity)
    this.changedIdentities.add(identity[0]!)
  }

  putAmended(amended: AmendedEvent): void {
    const key = claimKey(amended.customerId, amended.eventKey)
    this.maps.amended.set(key, amended)
    this.#indexAmended(key, amended)
  }

  removeAmended(key: string): void {
    const amended = this.maps.amended.get(key)
    if (amended === undefined) return
    this.maps.amended.delete(key)
    this.amendments.remove(key, amended)
  }

  #indexAmended(key: string, amended: AmendedEvent): void {
    this.#noteChanged(amended.eventSource, amended.eventId)
    this.amendments.put(key, amended)
  }

  putAddedCharge(key: string, added: AddedCharge): void {
    this.maps.addedCharges.set(key, added)
    this.added.put(key, added)
  }

  removeAddedCharge(key: string): void {
    const added = this.maps.addedCharges.get(key)
    if (added === undefined) return
    this.maps.addedCharges.delete(key)
    this.added.remove(key, added)
  }

  putCancelledCharge(key: string, cancelled: CancelledCharge): void {
    this.maps.cancelledCharges.set(key, cancelled)
    this.added.putCancelled(key, cancelled)
  }

  removeCancelledCharge(key: string): void {
    this.maps.cancelledCharges.delete(key)
    this.added.awaited.delete(key)
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

  #indexWaiting(waiting: WaitingEvent): void {
    this.waitingBytes += waiting.bytes
    this.oldestWaitingMs = Math.min(this.oldestWaitingMs, waiting.event.ingestedAtMs)
    const key = claimKey(waiting.sentFor, waiting.event.key)
    indexUnder(this.waitingOf, waiting.event.customerId, key)
  }

  /** The first one has the beginning of every map, and each of the others a further part of one. */
  #pieces(dedupe: Uint8Array): Uint8Array[] {
    const parts = Object.entries(this.maps).map(([name, map]) => [name, (map as StoredMap).dump()] as const)
    const first = Object.fromEntries(parts.map(([name, ofMap]) => [name, ofMap.next().value]))
    const pieces = [withHead(this.#toBytes(first, dedupe))]
    for (const [name, ofMap] of parts)
      for (const part of ofMap) pieces.push(withHead(this.#toBytes({ [name]: part }, new Uint8Array())))
    return pieces
  }

  #toBytes(maps: StateBytes['maps'], dedupe: Uint8Array): Uint8Array {
    const bytes: StateBytes = { format: stateFormat, maps, dedupe, counters: this.counters }
    return serialize(bytes)
  }

  #apply(bytes: Uint8Array): void {
    let isFirst = true
    for (const piece of piecesOf(bytes)) {
      const stored = storedState(piece)
      for (const [name, map] of Object.entries(this.maps)) {
        const delta = stored.maps[name]
        if (delta !== undefined) (map as StoredMap).apply(delta)
        else if (isFirst && !(stored.format < 9 && since9.has(name)))
          throw new Error(`The state lacks its map ${name}.`)
      }
      this.dedupe.apply(stored.dedupe)
      this.counters = stored.counters
      isFirst = false
    }
  }
}

/** The usage charges of a stored state; nothing else of it is kept in memory. */
export function usageChargesOf(
  snapshot: Uint8Array | undefined,
  deltas: readonly Uint8Array[],
): Iterable<UsageCharge> {
  const charges = new ChargeMap()
  for (const bytes of snapshot === undefined ? deltas : [snapshot, ...deltas]) {
    for (const piece of piecesOf(bytes)) {
      const delta = storedState(piece).maps['charges'] as ChargeDelta | undefined
      if (delta !== undefined) charges.apply(delta)
    }
  }
  return charges.stopAllRunning()
}

function storedState(bytes: Uint8Array): StateBytes {
  const stored = deserialize(bytes) as StateBytes
  if (readableFormats.includes(stored.format)) return stored
  throw new Error(
    `State of format ${stored.format} cannot be read; this version reads ${readableFormats.join(' and ')}. ` +
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
