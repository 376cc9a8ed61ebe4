// Reads from HubSpot: a deal with its stage, line items and company, a company with those above it; and lists by
// `hs_lastmodifieddate`, for catching up and comparing.
// Invariants: half an answer is no answer; a list goes on behind what it has seen (search-list.ts).

import { isRecord } from '../../../schemas/json/json-text.js'
import { limiterOf, type Rate } from '../../../sinks/http/limiter.js'
import type { CrmRecord } from '../quotes/deal.js'
import { ReadOrder } from '../read-order.js'
import { apiKeyOf, SourceApi } from '../source-api.js'
import {
  type ArrivalDraft,
  type CatchUpStage,
  type Fetched,
  type FetchWhat,
  type ReachParts,
  type SourceReach,
  SourceTrouble,
} from '../source-kind.js'
import { documentDraft, type HubspotDocument, idOf } from './documents.js'
import { type HubspotObject, usualFields } from './map-hubspot.js'
import { type SearchPosition, type SearchRange, searchPart } from './search-list.js'

/** Private apps have 100 requests in 10 seconds. */
const usualRate: Rate = { per_second: 9, concurrent: 4 }
const mostLevels = 20
const pipelinesLiveMs = 300_000
const batchMost = 100

const plural: Readonly<Record<HubspotObject, string>> = {
  deal: 'deals',
  company: 'companies',
  line_item: 'line_items',
}

export function hubspotReach(parts: ReachParts): SourceReach {
  const hubspot = new Hubspot(parts)
  const order = new ReadOrder()
  const drafts = (object: HubspotObject, ids: readonly string[], signal: AbortSignal) =>
    order.read(async () => {
      const documents: HubspotDocument[] = []
      for (const id of ids) {
        const document = await hubspot.document(object, id, signal)
        if (document !== undefined) documents.push(document)
      }
      return documents.map(document => {
        const record = document.read === 'deal' ? document.deal : document.company
        return {
          key: `${document.read} ${idOf(record)}`,
          atMs: document.at_ms,
          draft: documentDraft(document),
        }
      })
    }, signal)
  const list = async (stage: CatchUpStage, range: SearchRange, position: unknown, signal: AbortSignal) => {
    const object = stage === 'subscriptions' ? ('deal' as const) : ('company' as const)
    if (stage === 'money') return { object, arrivals: [] as readonly ArrivalDraft[], position: undefined }
    const search = (json: object) => hubspot.search(object, json, signal)
    const part = await searchPart(search, range, position as SearchPosition | undefined)
    return { object, arrivals: await drafts(object, part.ids, signal), position: part.position }
  }
  return {
    async fetch({ object, id }: FetchWhat, signal): Promise<Fetched> {
      const [arrival] = await drafts(object as HubspotObject, [id], signal)
      return arrival === undefined
        ? { kind: 'gone', detail: `HubSpot has no ${object} ${id}, or no deal of it.` }
        : { kind: 'found', arrival }
    },
    async catchUp({ stage, fromMs, untilMs, position }, signal) {
      const { arrivals, position: next } = await list(stage, { fromMs, untilMs }, position, signal)
      return { arrivals, position: next }
    },
    async objects({ stage, sinceMs = 0, position }, signal) {
      const part = await list(stage, { fromMs: sinceMs, untilMs: undefined }, position, signal)
      const object = part.object === 'deal' ? ('subscription' as const) : ('customer' as const)
      const of = ({ id }: ArrivalDraft) => id.replace(/^\w+\/|@.*$/g, '')
      return {
        objects: part.arrivals.map(arrival => ({ object, id: of(arrival), arrival })),
        position: part.position,
      }
    },
  }
}

class Hubspot {
  readonly #api: SourceApi
  readonly #properties: Readonly<Record<HubspotObject, readonly string[]>>
  readonly #nowMs: () => number
  #stages: { readonly byId: ReadonlyMap<string, CrmRecord>; readonly untilMs: number } | undefined

  constructor(parts: ReachParts) {
    const { settings, nowMs } = parts
    this.#api = new SourceApi({
      system: 'HubSpot',
      baseUrl: String(settings['api_url']),
      limiter: limiterOf((settings['rate'] as Rate | undefined) ?? usualRate),
      nowMs,
      authorization: () => `Bearer ${apiKeyOf(parts, 'HubSpot is to be read: the source needs api_key.')}`,
    })
    const more = settings['properties'] as Readonly<Record<HubspotObject, readonly string[]>>
    const usual = (place: 'quote' | 'line' | 'account') =>
      Object.values(usualFields[place]).map(path => path.replace('properties.', ''))
    this.#properties = {
      deal: [...usual('quote'), 'dealstage', 'pipeline', 'dealname', ...more.deal],
      company: [...usual('account'), ...more.company],
      line_item: [...usual('line'), 'name', ...more.line_item],
    }
    this.#nowMs = nowMs
  }

  async document(
    object: HubspotObject,
    id: string,
    signal: AbortSignal,
  ): Promise<HubspotDocument | undefined> {
    switch (object) {
      case 'company': {
        const found = await this.#object('company', id, [], signal)
        if (found === undefined) return undefined
        const above = await this.#above(found.record, signal)
        return { read: 'company', at_ms: found.atMs, company: found.record, above }
      }
      case 'deal':
        return this.#deal(id, signal)
      case 'line_item': {
        const found = await this.#object('line_item', id, ['deals'], signal)
        const [deal] = associated(found?.record, 'deals')
        return deal === undefined ? undefined : this.#deal(deal, signal)
      }
      default:
        object satisfies never
        return undefined
    }
  }

  async #deal(id: string, signal: AbortSignal): Promise<HubspotDocument | undefined> {
    const found = await this.#object('deal', id, ['companies', 'line items'], signal)
    if (found === undefined) return undefined
    const { record: deal, atMs } = found
    const [companyId] = associated(deal, 'companies')
    const company = companyId === undefined ? undefined : await this.#object('company', companyId, [], signal)
    const line_items = await this.#lineItems(associated(deal, 'line items'), signal)
    const stageId = isRecord(deal['properties']) ? String(deal['properties']['dealstage'] ?? '') : ''
    const stage = (await this.#stageOf(stageId, signal)) ?? null
    const above = company === undefined ? [] : await this.#above(company.record, signal)
    return { read: 'deal', at_ms: atMs, deal, stage, line_items, company: company?.record ?? null, above }
  }

  async #object(
    object: HubspotObject,
    id: string,
    associations: readonly string[],
    signal: AbortSignal,
  ): Promise<{ readonly record: CrmRecord; readonly atMs: number } | undefined> {
    const query = {
      properties: this.#properties[object].join(','),
      ...(associations.length === 0 ? {} : { associations: associations.join(',') }),
    }
    const page = await this.#api.get(
      `/crm/v3/objects/${plural[object]}/${encodeURIComponent(id)}`,
      query,
      signal,
    )
    return page === undefined ? undefined : { record: page.body, atMs: page.atMs }
  }

  async #lineItems(ids: readonly string[], signal: AbortSignal): Promise<readonly CrmRecord[]> {
    const found: CrmRecord[] = []
    for (let from = 0; from < ids.length; from += batchMost) {
      const inputs = ids.slice(from, from + batchMost).map(id => ({ id }))
      const json = { properties: this.#properties.line_item, inputs }
      const page = await this.#api.post('/crm/v3/objects/line_items/batch/read', json, signal)
      found.push(...resultsIn(page?.body))
    }
    // One that was deleted meanwhile is not associated any more when the deal is read again.
    if (found.length < ids.length)
      throw new SourceTrouble(
        'answer_not_understood',
        `HubSpot gives ${found.length} of ${ids.length} line items.`,
      )
    return found.toSorted((a, b) => (idOf(a) < idOf(b) ? -1 : 1))
  }

  /** The companies above one, the nearest first; where it is a part of itself, up to the one that stands twice. */
  async #above(company: CrmRecord, signal: AbortSignal): Promise<readonly CrmRecord[]> {
    const above: CrmRecord[] = []
    const seen = new Set([idOf(company)])
    for (let next = parentOf(company); next !== '' && above.length < mostLevels; ) {
      const found = await this.#object('company', next, [], signal)
      if (found === undefined) break
      above.push({ id: idOf(found.record), properties: { hs_parent_company_id: parentOf(found.record) } })
      if (seen.has(next)) break
      seen.add(next)
      next = parentOf(found.record)
    }
    return above
  }

  async #stageOf(id: string, signal: AbortSignal): Promise<CrmRecord | undefined> {
    const known = this.#stages
    if (known !== undefined && this.#nowMs() < known.untilMs && known.byId.has(id)) return known.byId.get(id)
    const page = await this.#api.get('/crm/v3/pipelines/deals', {}, signal)
    const stages = resultsIn(page?.body).flatMap(one => (Array.isArray(one['stages']) ? one['stages'] : []))
    const byId = new Map(stages.filter(isRecord).map(one => [String(one['id']), pickStage(one)]))
    this.#stages = { byId, untilMs: this.#nowMs() + pipelinesLiveMs }
    return byId.get(id)
  }

  /** A page of a search. */
  async search(object: 'deal' | 'company', json: object, signal: AbortSignal): Promise<readonly CrmRecord[]> {
    const page = await this.#api.post(`/crm/v3/objects/${plural[object]}/search`, json, signal)
    return resultsIn(page?.body)
  }
}

/** Throws when there are none: a list that is not there is no empty one. */
function resultsIn(body: unknown): readonly CrmRecord[] {
  const results = isRecord(body) ? body['results'] : undefined
  if (!Array.isArray(results) || !results.every(isRecord))
    throw new SourceTrouble('answer_not_understood', 'HubSpot answers without results.')
  return results
}

function associated(record: CrmRecord | undefined, what: string): readonly string[] {
  const all = isRecord(record?.['associations']) ? record['associations'] : {}
  const of = isRecord(all[what]) ? all[what] : {}
  return [...new Set((of['results'] === undefined ? [] : resultsIn(of)).map(idOf).filter(id => id !== ''))]
}

function parentOf(company: CrmRecord): string {
  const properties = isRecord(company['properties']) ? company['properties'] : {}
  const id = properties['hs_parent_company_id']
  return typeof id === 'string' && /^\d{1,30}$/.test(id) ? id : ''
}

/** What of a stage counts. */
function pickStage({ id, label, metadata }: CrmRecord): CrmRecord {
  return { id, label, metadata }
}
