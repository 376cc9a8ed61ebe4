// What a sending would change at the receiver, for records that are held so that somebody can look at that first: in read-only
// mode, and outside of the allow-list. Only for connectors that can tell.
// Invariants:
// 1. Nothing is written; a preview changes no state, and no record is sent because of it.
// 2. What a receiver could not tell is asked again after a while, a few records at a time.

import type { Delivery } from '../../schemas/billing/delivery.js'
import type { Connector, Preview } from '../../sinks/connector.js'
import { Deadline } from '../../sinks/deadline.js'
import type { Clock } from './connection-options.js'
import type { DeliveryBook, OpenDelivery } from './delivery-book.js'
import type { HoldCode } from './flow-gate.js'

const atOnce = 8
const againMs = 60_000
/** Characters: a delivery lies in a message of the log. */
const longest = 2_000
const held: ReadonlySet<Delivery['state']> = new Set(['held'])
const looked: ReadonlySet<string> = new Set<HoldCode>(['read_only', 'not_on_allow_list'])

export class Previews {
  readonly #connector: Connector
  readonly #clock: Pick<Clock, 'nowMs'>
  #notBeforeMs = 0

  constructor(connector: Connector, clock: Pick<Clock, 'nowMs'>) {
    this.#connector = connector
    this.#clock = clock
  }

  /** When there may be something to tell; undefined: nothing waits for it. */
  nextMs(book: DeliveryBook): number | undefined {
    return this.#lacking(book, 1).length === 0 ? undefined : this.#notBeforeMs
  }

  /** Those of which something is known now, for the log. */
  async of(book: DeliveryBook, stopping: AbortSignal): Promise<readonly Delivery[]> {
    if (this.#clock.nowMs() < this.#notBeforeMs) return []
    const told: Delivery[] = []
    const asked = this.#lacking(book, atOnce)
    const previews = await Promise.all(asked.map(open => this.#previewOf(open, stopping)))
    for (const [index, { delivery }] of asked.entries()) {
      const would = wordsOf(previews[index]!)
      if (would === undefined)
        this.#notBeforeMs = this.#clock.nowMs() + againMs // invariant 2
      else told.push({ ...delivery, held: { ...delivery.held!, would: would.slice(0, longest) } })
    }
    return told
  }

  async #previewOf({ record }: OpenDelivery, stopping: AbortSignal): Promise<Preview> {
    const deadline = new Deadline(this.#connector.attemptMs, stopping)
    try {
      return await this.#connector.preview!(record, deadline.signal)
    } catch (error) {
      return { kind: 'unclear', code: 'connector_bug', detail: String(error) }
    } finally {
      deadline.end()
    }
  }

  #lacking(book: DeliveryBook, most: number): readonly OpenDelivery[] {
    if (this.#connector.preview === undefined || book.heldCount === 0) return []
    return book.due(held, Number.POSITIVE_INFINITY, most, ({ delivery }) => isLacking(delivery))
  }
}

function isLacking({ held: hold }: Delivery): boolean {
  return hold !== undefined && looked.has(hold.code) && hold.would === undefined
}

/** Undefined: the receiver could not tell. */
function wordsOf(preview: Preview): string | undefined {
  switch (preview.kind) {
    case 'would':
      return preview.detail
    case 'refused':
    case 'not_for_receiver':
      return `would not be sent: ${preview.code}: ${preview.detail}`
    default:
      return undefined
  }
}
