// The connector to Chargebee: one usage per line of a billing batch, with our key as its id.
// Invariants:
// 1. Chargebee keeps one usage for each id, so a repeated write is refused as a duplicate and never counted twice. No idempotency key
//    is sent: its answer would hide that a refusal was mended.
// 2. A usage is looked up by its id alone, whatever subscription the mapping gives now.

import Chargebee, { type Usage } from 'chargebee'
import type {
  CheckOutcome,
  Connector,
  ConnectorRecord,
  DocumentRange,
  FindOutcome,
  PutOutcome,
  ReceiverDocument,
} from '../connector.js'
import type { ConnectorParts } from '../connector-kind.js'
import { pageMs } from '../http/limiter.js'
import { withoutEnd } from '../http/list-end.js'
import { stopped, unavailable, unknownYet } from '../http/outcome.js'
import { redactor } from '../http/redact.js'
import { NotReachedError, saysNothing, sdkFetch } from '../http/sdk-fetch.js'
import type { ChargebeeSettings } from './config.js'
import { outcomeOfError } from './outcome.js'
import { notePrefix, usageOf } from './records.js'

const requestMs = 80_000
const usagesOfPage = 100
const daySeconds = 86_400

type Called<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'failed'; readonly outcome: PutOutcome }

export class ChargebeeUsages implements Connector {
  readonly pageSize = 4
  readonly attemptMs: number
  readonly settlesWithinMs = 2 * 60_000
  readonly #settings: ChargebeeSettings
  readonly #parts: ConnectorParts

  constructor(settings: ChargebeeSettings, parts: ConnectorParts) {
    this.#settings = settings
    this.#parts = parts
    this.attemptMs = pageMs(requestMs, this.pageSize, parts.rate)
  }

  async check(signal: AbortSignal): Promise<CheckOutcome> {
    const broken = await this.#parts.mapping.problem()
    if (broken !== undefined) return broken
    const called = await this.#call(signal, site => site.usage.list({ limit: 1 }))
    return called.kind === 'ok' ? { kind: 'ready' } : unavailable(called.outcome)
  }

  put(records: readonly ConnectorRecord[], signal: AbortSignal): Promise<readonly PutOutcome[]> {
    return Promise.all(records.map(record => this.#putOne(record, signal)))
  }

  async find({ key }: ConnectorRecord, signal: AbortSignal): Promise<FindOutcome> {
    const called = await this.#call(signal, site => site.usage.list({ id: { is: key }, limit: 1 }))
    if (called.kind === 'failed') return unknownYet(called.outcome)
    const { list } = called.value as Partial<Usage.ListResponse>
    if (!Array.isArray(list)) return unknownYet(saysNothing(called.value))
    const [found] = list
    return found === undefined ? { kind: 'absent' } : { kind: 'there', externalId: key, state: 'posted' } // invariant 2
  }

  async *documents({ from, until }: DocumentRange, signal: AbortSignal): AsyncGenerator<ReceiverDocument> {
    // A local day is in UTC a day earlier or later at most.
    const [after, before] = [secondsOf(from) - daySeconds, secondsOf(until) + 2 * daySeconds]
    const ours = new RegExp(`^${notePrefix(this.#parts.connection)} (\\d{4}-\\d\\d-\\d\\d) `)
    let offset: string | undefined
    for (let pages = 1; ; pages += 1) {
      const page: Called<Usage.ListResponse> = await this.#call(signal, site =>
        site.usage.list({
          limit: usagesOfPage,
          usage_date: { between: [after, before] },
          ...(offset === undefined ? {} : { offset }),
        }),
      )
      if (page.kind === 'failed') throw new Error('detail' in page.outcome ? page.outcome.detail : '')
      if (!Array.isArray(page.value.list)) throw new Error('Chargebee answers without a list')
      for (const { usage } of page.value.list) {
        const date = ours.exec(usage.note ?? '')?.[1]
        if (date === undefined || date < from || date > until || usage.id === undefined) continue
        const { id: key, quantity } = usage
        const isUsed = this.#settings.quantity === 'usage' && quantity !== undefined
        yield { key, externalId: key, state: 'posted', date, ...(isUsed ? { quantity } : {}) }
      }
      offset = page.value.next_offset || undefined
      if (offset === undefined) return
      const endless = withoutEnd(pages)
      if (endless !== undefined) throw new Error(endless.detail)
    }
  }

  async #putOne(record: ConnectorRecord, signal: AbortSignal): Promise<PutOutcome> {
    const { mapping, connection } = this.#parts
    const made = usageOf(record, await mapping.of(record), this.#settings, connection)
    if (made.kind !== 'ok') return made
    const called = await this.#call(
      signal,
      site => site.usage.create(made.subscription, made.usage),
      record.key,
    )
    if (called.kind === 'failed') return called.outcome
    const { usage } = called.value as Partial<Usage.CreateResponse>
    return usage?.id === record.key ? { kind: 'accepted', externalId: record.key } : saysNothing(called.value)
  }

  /** A client for each call, so that a key that was replaced counts at once. It sends through our own request and tries nothing again. */
  async #call<T>(
    signal: AbortSignal,
    work: (site: Chargebee) => Promise<T>,
    recordKey?: string,
  ): Promise<Called<T>> {
    const { site, url = `https://${site}.chargebee.com`, auth } = this.#settings
    const { limiter, nowMs, secret } = this.#parts
    const key = secret(auth.api_key)
    if (key.kind !== 'ok') return { kind: 'failed', outcome: key }
    const redact = redactor([key.secret, `${key.secret}:`])
    const ours = sdkFetch({ baseUrl: url, limiter, requestMs, nowMs, redact, signal })
    const makeApiRequest = async (request: Request): Promise<Response> => {
      const response = await ours(request)
      const isJson = response.headers.get('content-type')?.includes('json') ?? false
      // A page for people: nobody of Chargebee's interface is at this address.
      if (!response.ok && !isJson) throw new NotReachedError(nobodyThere(response.status))
      return response
    }
    const client = new Chargebee({
      site,
      apiKey: key.secret,
      httpClient: { makeApiRequest },
      sdkTelemetryEnabled: false,
    })
    try {
      return { kind: 'ok', value: await work(client) }
    } catch (error) {
      return { kind: 'failed', outcome: outcomeOfError(error, redact, recordKey) }
    }
  }
}

function nobodyThere(status: number) {
  return stopped('receiver_not_found', `HTTP ${status} without an answer of Chargebee's interface`)
}

function secondsOf(date: string): number {
  return Date.parse(date) / 1_000
}
