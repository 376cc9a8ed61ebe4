// Properties of companies: read and written in batches of up to 100. HubSpot keeps every value as a text.
// Invariant: where HubSpot refuses a batch as a whole because of one company, each is sent alone, so that the others are written.

import { z } from 'zod'
import type { CheckOutcome, PutOutcome } from '../connector.js'
import type { ConnectorParts } from '../connector-kind.js'
import { Api, type ApiAnswer, type ApiRequest, jsonOf, strangeAnswer } from '../http/api.js'
import { headerKey } from '../http/authorizer.js'
import { pageMs } from '../http/limiter.js'
import { unavailable } from '../http/outcome.js'
import type {
  ObjectChange,
  ObjectPlace,
  ObjectsRead,
  ObjectThere,
  StandingSystem,
} from '../write-back/standing-connector.js'
import type { HubspotSettings } from './config.js'
import { errorSchema, outcomeOfError, outcomeOfRefusal } from './outcome.js'

const requestMs = 30_000
const path = '/crm/v3/objects/companies'

const batchSchema = z.object({
  results: z.array(z.object({ id: z.string(), properties: z.record(z.string(), z.unknown()) })),
  errors: z.array(errorSchema).default([]),
})

type Answered = { readonly kind: 'good'; readonly answer: ApiAnswer } | PutOutcome

export class Companies implements StandingSystem {
  readonly object = 'companies'
  readonly ownIdField = 'id'
  readonly pageSize = 50
  readonly attemptMs: number
  readonly #api: Api

  constructor({ auth, url }: HubspotSettings, { limiter, nowMs, rate, secret }: ConnectorParts) {
    // At worst each of a page goes alone.
    this.attemptMs = pageMs(requestMs, this.pageSize + 2, rate)
    const authorizer = headerKey('authorization', () => secret(auth.access_token), 'Bearer ')
    this.#api = new Api({ baseUrl: url, authorizer, limiter, requestMs, nowMs })
  }

  async check(signal: AbortSignal): Promise<CheckOutcome> {
    const sent = await this.#send({ method: 'GET', path, query: { limit: '1' } }, signal)
    return sent.kind === 'good' ? { kind: 'ready' } : unavailable(sent)
  }

  async read(
    places: readonly ObjectPlace[],
    fields: readonly string[],
    signal: AbortSignal,
  ): Promise<ObjectsRead> {
    const objects = new Map<string, ObjectThere[]>()
    // A page may have records that were placed before the setting changed.
    for (const field of new Set(places.map(one => one.field))) {
      const isOwnId = field === this.ownIdField
      const values = [...new Set(places.filter(one => one.field === field).map(one => one.value))]
      const json = {
        inputs: values.map(id => ({ id })),
        properties: isOwnId ? fields : [...fields, field],
        ...(isOwnId ? {} : { idProperty: field }),
      }
      const request = { method: 'POST', path: `${path}/batch/read`, body: { json } } as const
      const sent = await this.#send(request, signal)
      if (sent.kind !== 'good') return sent
      // 207: what is not there is among its errors.
      const read = batchSchema.safeParse(jsonOf(sent.answer))
      if (!read.success) return strangeAnswer(sent.answer)
      for (const { id, properties } of read.data.results) {
        const value = isOwnId ? id : String(properties[field])
        objects.set(value, [...(objects.get(value) ?? []), { id, values: properties }])
      }
    }
    return { kind: 'read', objects }
  }

  async write(changes: readonly ObjectChange[], signal: AbortSignal): Promise<readonly PutOutcome[]> {
    const inputs = changes.map(({ id, fields }) => ({
      id,
      properties: Object.fromEntries(Object.entries(fields).map(([name, fact]) => [name, fact?.text ?? ''])),
    }))
    const request = { method: 'POST', path: `${path}/batch/update`, body: { json: { inputs } } } as const
    const sent = await this.#send(request, signal)
    if (sent.kind === 'refused' && changes.length > 1) {
      const alone: PutOutcome[] = [] // the invariant
      for (const change of changes) alone.push(...(await this.write([change], signal)))
      return alone
    }
    if (sent.kind !== 'good') return changes.map(() => sent)
    const written = batchSchema.safeParse(jsonOf(sent.answer))
    if (!written.success) return changes.map(() => strangeAnswer(sent.answer))
    const { results, errors } = written.data
    return changes.map(({ id }) => {
      if (results.some(one => one.id === id)) return { kind: 'accepted', externalId: id }
      const error = errors.find(one => Object.values(one.context ?? {}).some(ids => ids.includes(id)))
      return error === undefined ? strangeAnswer(sent.answer) : outcomeOfError(error, sent.answer.redact)
    })
  }

  async #send(request: ApiRequest, signal: AbortSignal): Promise<Answered> {
    const answer = await this.#api.send(request, signal)
    if (answer.kind === 'failed') return answer.outcome
    return answer.status < 300 ? { kind: 'good', answer } : outcomeOfRefusal(answer)
  }
}
