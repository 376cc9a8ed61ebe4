// The catalog as it was published, read from the stream CATALOG: which meter reads a value, and what prices say. It is
// read on from where it was left, so asking again costs one question to the broker.
// Invariant: catalogs are merged as the partitions merge them; one that contradicts what is known is left out there too.

import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import { CatalogIndex } from '../../rating/timeline/catalog-index.js'
import type { Catalog } from '../../schemas/catalog/catalog.js'
import { mergeCatalogs } from '../../schemas/catalog/catalog-parser.js'
import { parseLifecycleEvent } from '../../schemas/lifecycle/lifecycle-event.js'
import { pointerTo } from '../../schemas/rejection.js'
import { readStretch } from '../broker/read-stream.js'
import { natsSubjects } from '../broker/topology.js'
import type { MeterNames } from './exceptions-sql.js'
import { decodeStored } from './stored-events.js'

const stream = 'CATALOG'

export class KnownCatalog {
  readonly #js: JetStreamClient
  readonly #jsm: JetStreamManager
  #catalog: Catalog = { meters: [], plans: [] }
  #index = new CatalogIndex(this.#catalog)
  #upTo = 0
  #reading: Promise<void> | undefined

  constructor(js: JetStreamClient, jsm: JetStreamManager) {
    this.#js = js
    this.#jsm = jsm
  }

  /** As it is published now. */
  async index(): Promise<CatalogIndex> {
    this.#reading ??= this.#readOn().finally(() => {
      this.#reading = undefined
    })
    await this.#reading
    return this.#index
  }

  async #readOn(): Promise<void> {
    const last = (await this.#jsm.streams.info(stream)).state.last_seq
    if (last <= this.#upTo) return
    const before = this.#catalog
    const stretch = { stream, filterSubject: natsSubjects.catalog, from: this.#upTo + 1, to: last }
    for await (const message of readStretch(this.#js, stretch, AbortSignal.timeout(readWithinMs)))
      this.#take(decodeStored({ seq: message.seq, header: message.headers!, data: message.data }))
    this.#upTo = last
    if (this.#catalog !== before) this.#index = new CatalogIndex(this.#catalog)
  }

  #take(decoded: ReturnType<typeof decodeStored>): void {
    for (const one of decoded) {
      const parsed = one.kind === 'event' ? parseLifecycleEvent(one.event) : undefined
      if (parsed?.kind !== 'ok' || parsed.value.kind !== 'catalog_published') continue
      const merged = mergeCatalogs(this.#catalog, parsed.value.catalog)
      if (merged.kind === 'ok') this.#catalog = merged.catalog
    }
  }
}

const readWithinMs = 30_000

/** Which meter reads a value, and which is alone with its event type. */
export function meterNamesOf(index: CatalogIndex): MeterNames {
  const ofField = new Map<string, MeterNames['ofField'][number] | undefined>()
  const ofType: { type: string; meter: string }[] = []
  for (const type of index.eventTypes()) {
    const meters = index.metersOfType(type)
    const [only] = meters
    if (meters.length === 1 && only !== undefined) ofType.push({ type, meter: only.meter })
    for (const { meter, value } of meters) {
      if (value === undefined) continue
      const pointer = value.reduce<string>(pointerTo, '/data')
      const key = `${type}\n${pointer}`
      ofField.set(key, ofField.has(key) ? undefined : { type, pointer, meter })
    }
  }
  return { ofField: [...ofField.values()].filter(one => one !== undefined), ofType }
}
