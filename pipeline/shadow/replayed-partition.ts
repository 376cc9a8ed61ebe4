// A partition rated once more from the beginning, beside a copy of the live state: by other terms, or by this build. It
// runs in the thread of a shadow. No clock, no I/O.
// Invariants:
// 1. All changes of subscriptions come before any usage, so that nothing is rated twice and no history of usage is kept;
//    but of customers with an amendment that leaves something to its event, which is rated anew when the event comes.
// 2. A charge is compared when its service period begins in the stretch; it is compared whole, as both sides owe it.
// 3. The copy of the live state is read alone. What live owes is computed from it, unless another build told it.

import { CatalogIndex } from '../../rating/timeline/catalog-index.js'
import type { Catalog } from '../../schemas/catalog/catalog.js'
import { type DispositionCounts, zeroDispositions } from '../../schemas/event/dispositions.js'
import type { DeadLetterRow, RatedUsageRow } from '../../schemas/tables.js'
import { type CoreConfig, type CoreInput, PartitionCore } from '../core/core.js'
import type { HistoryAnswer, HistoryRequest } from '../core/ports/core-io.js'
import { unlimitedCoreLimits } from '../core/ports/core-limits.js'
import { MemoryHistory } from '../core/re-rate/memory-history.js'
import type { KeyedEvent } from '../core/state/metered-event.js'
import { PartitionState } from '../core/state/partition-state.js'
import { ChargeDifferences } from './charge-differences.js'
import { OwedAsTold, OwedByState, type OwedSide } from './owed-side.js'
import { ReadingLines } from './readings.js'
import type { DifferencePage, ReplayOptions } from './replay-protocol.js'

const none: Omit<CoreInput, 'nowMs' | 'commit'> = {
  catalog: [],
  lifecycle: [],
  metering: [],
  orders: [],
  history: [],
}
/** Memory for events that find no subscription, or history that is not to be had. */
const parkedBytes = 512 << 20

export class ReplayedPartition {
  readonly #options: ReplayOptions
  readonly #config: CoreConfig
  readonly #live: PartitionState
  readonly #state: PartitionState
  readonly #refused = new Map<string, number>()
  readonly #after: OwedSide
  #before: OwedSide
  readonly #differences = new ChargeDifferences()
  readonly #written = new MemoryHistory()
  /** Whose rows are kept in `#written`; undefined, while changes come: of all, such as amendments that came whole. */
  #remembered: ReadonlySet<string> | undefined
  #lines: ReadingLines | undefined
  #core: PartitionCore
  #commit = 0
  #customers: Iterator<string> | undefined

  /** `live` is a copy that nothing is fed any more. */
  constructor(config: CoreConfig, live: PartitionState, options: ReplayOptions) {
    this.#options = options
    this.#live = live
    // What history holds was timely once; what comes as bytes is judged as the pipeline judges it.
    const limits = options.changes === 'copied' ? { ...unlimitedCoreLimits, parkedBytes } : config.limits
    this.#config = { ...config, limits }
    this.#state = new PartitionState(limits.dedupeHorizonMs)
    this.#before = new OwedByState(live, options)
    this.#after = new OwedByState(this.#state, options)
    if (options.changes === 'copied') this.#copySubscriptions(options.catalog)
    this.#core = this.#coreOnState()
  }

  /** What live owes, as the live build told it: lines of owed-side.ts. */
  takeOwed(lines: Uint8Array): void {
    if (!(this.#before instanceof OwedAsTold)) this.#before = new OwedAsTold()
    ;(this.#before as OwedAsTold).take(lines)
  }

  /** Catalogs and changes as they came, in the order of their arrival. */
  applyChanges(input: Pick<CoreInput, 'nowMs' | 'catalog' | 'lifecycle'>): void {
    this.#process(input)
  }

  /** To be called after the last change. From now on the terms that are tried hold. */
  beginUsage(): void {
    const { changes, catalog } = this.#options
    if (changes === 'read' && catalog !== undefined) this.#state.catalog = catalog
    this.#remembered = this.#amendedInPart()
    this.#core = this.#coreOnState() // whose resolved prices are new
    this.#lines = new ReadingLines(new CatalogIndex(this.#state.catalog))
  }

  /** Usage as it came. */
  feedUsage(input: Pick<CoreInput, 'nowMs' | 'metering'>): void {
    this.#process(input)
  }

  /** Usage as history holds it: lines of readings.ts. */
  placeReadings(lines: Uint8Array, nowMs: number): void {
    this.#place(this.#readings().take(lines), nowMs)
  }

  /** To be called after the last line. */
  endReadings(nowMs: number): void {
    this.#place(this.#readings().end(), nowMs)
  }

  /** Usage that the live state holds and has not rated: it is in no history. */
  placeWaiting(nowMs: number): void {
    const { fromNs, customerId } = this.#options
    const isWanted = ({ event }: { readonly event: KeyedEvent }) =>
      event.timeNs >= fromNs && (customerId === undefined || event.customerId === customerId)
    const waiting = [...this.#live.maps.waiting.values()].filter(isWanted)
    this.#place(
      waiting.map(({ event }) => event).filter(({ readings }) => readings.length > 0),
      nowMs,
    )
  }

  /** The next page of differences, customer by customer. */
  differences(linesEach: number): DifferencePage {
    this.#customers ??= this.#customerIds()
    for (;;) {
      const { value: customerId, done } = this.#customers.next()
      if (done === true) {
        const prices = this.#differences.takePrices()
        return {
          lines: prices,
          totals: { events: this.#counters(), refused: Object.fromEntries(this.#refused) },
        }
      }
      this.#differences.compare(this.#before.owed(customerId), this.#after.owed(customerId))
      if (this.#differences.lines >= linesEach) return { lines: this.#differences.takeLines() }
    }
  }

  #coreOnState(): PartitionCore {
    const deadLetter = ({ code, eventCount }: DeadLetterRow) =>
      this.#refused.set(code, (this.#refused.get(code) ?? 0) + eventCount)
    const [written, remembered] = [this.#written, this.#remembered]
    const rated = (row: RatedUsageRow): void => {
      if (remembered === undefined || remembered.has(row.customerId)) written.add(row)
    }
    const tap = remembered?.size === 0 ? {} : { rated }
    return new PartitionCore(this.#config, { only: true, deadLetter, ...tap }, this.#state)
  }

  /** The customers whose usage is rated anew when the event of an amendment comes (invariant 1). */
  #amendedInPart(): ReadonlySet<string> {
    const inPart = [...this.#state.maps.amended.values()].filter(({ latest }) => latest?.isWhole === false)
    return new Set(
      inPart.flatMap(({ customerId, placement }) =>
        placement?.kind === 'placed' ? [customerId, placement.customerId] : [customerId],
      ),
    )
  }

  #readings(): ReadingLines {
    if (this.#lines === undefined) throw new Error('usage comes after the changes')
    return this.#lines
  }

  #place(events: readonly KeyedEvent[], nowMs: number): void {
    if (events.length === 0) return
    this.#commit += 1
    this.#core.placeRead(events, { nowMs, commit: this.#commit })
  }

  #process(input: Partial<CoreInput> & Pick<CoreInput, 'nowMs'>): void {
    this.#commit += 1
    this.#core.process({ ...none, ...input, commit: this.#commit })
    while (this.#core.holdsCustomers()) {
      const history = this.#core.openHistoryRequests().map(request => this.#historyFor(request))
      this.#commit += 1
      this.#core.process({ ...none, nowMs: input.nowMs, commit: this.#commit, history })
    }
  }

  #historyFor(request: HistoryRequest): HistoryAnswer {
    if (this.#remembered?.has(request.customerId) === false)
      throw new Error(`nothing of ${request.customerId} is to be rated twice when all changes are known`)
    return this.#written.answer(request)
  }

  /** Subscriptions with all their changes, as the live state holds them; no usage and nothing billed. */
  #copySubscriptions(catalog: Catalog | undefined): void {
    const { maps } = this.#state
    this.#state.catalog = catalog ?? this.#live.catalog
    for (const [id, record] of this.#live.maps.subscriptions.entries()) maps.subscriptions.set(id, record)
    for (const [id, record] of this.#live.maps.customers.entries()) {
      maps.customers.set(id, { ...record, hold: undefined })
    }
    for (const id of this.#live.maps.entities.keys()) maps.entities.set(id, true)
  }

  #customerIds(): Iterator<string> {
    const { customerId } = this.#options
    if (customerId !== undefined) return [customerId].values()
    const ids = new Set([...this.#before.customerIds(), ...this.#after.customerIds()])
    return [...ids].sort().values()
  }

  #counters(): DispositionCounts {
    return { ...zeroDispositions(), ...this.#core.counters() }
  }
}
