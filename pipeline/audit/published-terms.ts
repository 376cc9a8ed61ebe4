// What is published on CATALOG: all catalogs merged, as every partition has them, and the newest exchange rate of each pair.
// It tells what a further catalog or rate would change.
// Invariant: the stream is read once, in its order, and again only behind what was read.

import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import { Match } from '@nats-io/transport-node'
import type { Catalog } from '../../schemas/catalog/catalog.js'
import { catalogHash } from '../../schemas/catalog/catalog-hash.js'
import { mergeCatalogs } from '../../schemas/catalog/catalog-parser.js'
import { ndjsonType } from '../../schemas/event/media-types.js'
import type { ValidEvent } from '../../schemas/event/usage-event.js'
import { type LifecycleEvent, parseLifecycleEvent } from '../../schemas/lifecycle/lifecycle-event.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import { formatInstant } from '../../schemas/time.js'
import { readStretch } from '../broker/read-stream.js'
import { natsSubjects } from '../broker/topology.js'
import { decodeMessages } from '../core/decode/decode.js'
import { decompress } from '../core/decode/decompress.js'
import type { AuditAct } from '../gateway/audit-trail.js'

export type PublishedAct = Pick<AuditAct, 'act' | 'object' | 'before' | 'after'> & {
  readonly changesSomething: boolean
}

type FxRate = Extract<LifecycleEvent, { kind: 'fx_rate' }>['rate']

export class PublishedTerms {
  readonly #js: JetStreamClient
  readonly #jsm: JetStreamManager
  #catalog: Catalog = { meters: [], plans: [] }
  readonly #rates = new Map<string, FxRate>()
  /** By source and id: a partition takes each event once. */
  readonly #seen = new Set<string>()
  #readTo = 0

  constructor(js: JetStreamClient, jsm: JetStreamManager) {
    this.#js = js
    this.#jsm = jsm
  }

  /** What publishing these events would be, one after another. */
  async actsOf(ndjson: Uint8Array): Promise<readonly PublishedAct[]> {
    await this.#catchUp()
    const ahead = this.#copy()
    const message = { seq: 0, arrivedAtMs: Date.now(), bytes: ndjson, contentType: ndjsonType }
    return decodeMessages([message]).flatMap(one =>
      one.kind === 'event' ? (ahead.#take(one.event) ?? []) : [],
    )
  }

  #copy(): PublishedTerms {
    const copy = new PublishedTerms(this.#js, this.#jsm)
    copy.#catalog = this.#catalog
    for (const [pair, rate] of this.#rates) copy.#rates.set(pair, rate)
    for (const name of this.#seen) copy.#seen.add(name)
    return copy
  }

  async #catchUp(): Promise<void> {
    const { state } = await this.#jsm.streams.info('CATALOG')
    if (state.last_seq <= this.#readTo) return
    const from = this.#readTo + 1
    const stretch = { stream: 'CATALOG', filterSubject: natsSubjects.catalog, from }
    for await (const { seq, data, headers } of readStretch(this.#js, stretch, new AbortController().signal)) {
      const contentType = headers?.get('content-type', Match.IgnoreCase)
      const contentEncoding = headers?.get('content-encoding', Match.IgnoreCase)
      const message = decompress({
        seq,
        arrivedAtMs: 0,
        bytes: data,
        ...(contentType ? { contentType } : {}),
        ...(contentEncoding ? { contentEncoding } : {}),
      })
      for (const one of decodeMessages([message])) if (one.kind === 'event') this.#take(one.event)
      this.#readTo = seq
    }
  }

  /** Undefined for an event that a partition would not take. */
  #take(event: ValidEvent): PublishedAct | undefined {
    const parsed = parseLifecycleEvent(event)
    if (parsed.kind === 'rejected') return undefined
    const name = JSON.stringify([event.source, event.id])
    const isNew = !this.#seen.has(name)
    this.#seen.add(name)
    if (parsed.value.kind === 'catalog_published')
      return this.#takeCatalog(event, parsed.value.catalog, isNew)
    return parsed.value.kind === 'fx_rate' ? this.#takeRate(parsed.value.rate, isNew) : undefined
  }

  #takeCatalog({ source, id }: ValidEvent, catalog: Catalog, isNew: boolean): PublishedAct {
    const known = this.#catalog
    const merged = isNew ? mergeCatalogs(known, catalog) : undefined
    if (merged?.kind === 'ok') this.#catalog = merged.catalog
    const [before, after] = [catalogHash(known), catalogHash(this.#catalog)]
    const refused = merged?.kind === 'conflict' ? { refused: merged.rejection.detail } : {}
    const newPlans = this.#catalog.plans.slice(known.plans.length).map(one => `${one.plan} ${one.version}`)
    const newMeters = this.#catalog.meters.slice(known.meters.length).map(one => one.meter)
    const newSchemas = (this.#catalog.schemas ?? [])
      .slice(known.schemas?.length ?? 0)
      .map(one => `${one.eventType} ${one.version}`)
    const newCoupons = (this.#catalog.coupons ?? []).slice(known.coupons?.length ?? 0).map(one => one.code)
    const coupons = newCoupons.length === 0 ? {} : { new_coupons: newCoupons }
    const schemas = newSchemas.length === 0 ? {} : { new_schemas: newSchemas }
    return {
      act: 'catalog.published',
      object: { kind: 'catalog', id: `${source} ${id}` },
      before: { catalog_hash: before },
      after: {
        ...{ catalog_hash: after, new_meters: newMeters, new_plans: newPlans },
        ...{ ...coupons, ...schemas, ...refused },
      },
      changesSomething: before !== after || newSchemas.length > 0,
    }
  }

  #takeRate(rate: FxRate, isNew: boolean): PublishedAct {
    const pair = `${rate.base}/${rate.quote}`
    const before = this.#rates.get(pair)
    if (isNew && (before === undefined || rate.effectiveFromNs >= before.effectiveFromNs))
      this.#rates.set(pair, rate)
    return {
      act: 'fx_rate.published',
      object: { kind: 'fx_rate', id: pair },
      before: before === undefined ? null : rateWire(before),
      after: rateWire(rate),
      changesSomething: isNew,
    }
  }
}

function rateWire({ rate, effectiveFromNs }: FxRate) {
  return { rate: formatScaled(rate), effective_from: formatInstant(effectiveFromNs) }
}
