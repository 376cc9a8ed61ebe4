// A fake HubSpot: companies with the properties that it knows, read and written in batches; what is wrong with one value refuses
// the batch, and a company that is not there is told beside the others (207). The texts of its errors are ours, in HubSpot's form.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Connector } from '../../connector.js'
import type { BookedDocument } from '../../testing/booked.js'
import { Documents } from '../../testing/documents.js'
import type { StartedFake } from '../../testing/fake-of-kind.js'
import { type FakeAnswer, FakeServer } from '../../testing/fake-server.js'
import type { Fault } from '../../testing/fault.js'
import { allAllowed, openConnector } from '../../testing/open-connector.js'
import { hubspotKind } from '../kind.js'

type Properties = Readonly<Record<string, string>>

interface CompanyWrite {
  readonly company: string
  readonly properties: Properties
}

interface Input {
  readonly id: string
  readonly properties: Properties
}

export const secrets: Readonly<Record<string, string>> = { HUBSPOT_TOKEN: 'pat-eu1-hubspot-1' }
export const mapping = `customers:
${Array.from({ length: 50 }, (_, n) => `  cus_${n}: "${companyId(n)}"`).join('\n')}
`
export const fields: Readonly<Record<string, string>> = {
  weir_standing: 'standing_id',
  weir_as_of: 'as_of',
  weir_outstanding: 'EUR.outstanding',
  weir_dunning: 'dunning',
}
const types: Readonly<Record<string, 'text' | 'number' | 'instant'>> = {
  ...{ name: 'text', weir_customer: 'text', weir_standing: 'text', weir_dunning: 'text' },
  ...{ weir_as_of: 'instant', weir_outstanding: 'number', weir_overdue: 'number' },
}

export function companyId(n: number): string {
  return String(9_000_000 + n)
}

export class HubspotFake extends FakeServer {
  readonly companies = new Documents<CompanyWrite>(() => this.nowMs())
  /** Values that companies have from elsewhere, by id. */
  readonly standing = new Map<string, Properties>()
  readonly archived = new Set<string>()
  fields = fields

  settings(): Readonly<Record<string, unknown>> {
    return { url: this.url, auth: { access_token: { variable: 'HUBSPOT_TOKEN' } }, fields: this.fields }
  }

  connector(given: object = {}): Promise<Connector> {
    const { nowMs } = this
    return openConnector(hubspotKind, this.settings(), { secrets, mapping, nowMs, rate: {}, ...given })
  }

  async effects(): Promise<readonly string[]> {
    return this.companies.keys()
  }

  booked(): readonly BookedDocument[] {
    return this.companies.all().map(({ key, document: { company, properties } }) => ({
      key,
      lines: [{ currency: 'EUR', account: company, amount: properties['weir_outstanding'] ?? '0' }],
    }))
  }

  /** The company as it stands now. */
  company(id: string): Properties {
    const writes = this.companies.visible().filter(one => one.document.company === id)
    return Object.assign(
      { ...this.standing.get(id) },
      ...writes.map(one => one.document.properties),
    ) as Properties
  }

  protected routes(app: FastifyInstance): void {
    app.addHook('preHandler', async ({ url, headers }, reply) => {
      if (url.startsWith('/_fake/') || headers.authorization === `Bearer ${secrets['HUBSPOT_TOKEN']}`)
        return undefined
      return this.answer(reply, this.wording('credentials_refused'))
    })
    const path = '/crm/v3/objects/companies'
    app.get(path, (_, reply) => this.answer(reply, { status: 200, body: { results: [] } }))
    app.post(`${path}/batch/read`, ({ body }, reply) => this.#read(String(body), reply))
    app.post(`${path}/batch/update`, (request, reply) => this.#update(request, reply))
  }

  protected wording(fault: Fault, words?: string): FakeAnswer {
    switch (fault) {
      case '429_without':
        return errorOf(429, 'RATE_LIMITS', 'You have reached your ten_secondly_rolling limit.')
      case '429_with_retry_after':
        return { ...this.wording('429_without'), headers: { 'retry-after': '60' } }
      case 'outage':
        return { status: 503, body: 'down for maintenance' }
      case 'credentials_refused':
      case 'token_expired':
        return errorOf(401, 'INVALID_AUTHENTICATION', 'The token is not valid.')
      case 'closed_period':
        return errorOf(400, 'VALIDATION_ERROR', words ?? 'Property values were not valid.')
      default:
        return errorOf(500, 'INTERNAL_ERROR', 'Something went wrong.')
    }
  }

  #read(text: string, reply: FastifyReply): FastifyReply {
    const asked = JSON.parse(text) as {
      readonly inputs: readonly { readonly id: string }[]
      readonly properties: readonly string[]
      readonly idProperty?: string
    }
    const { idProperty } = asked
    const idsOf = (id: string): readonly string[] =>
      idProperty === undefined
        ? /^9\d{6}$/.test(id)
          ? [id]
          : []
        : [...this.standing.keys()].filter(one => this.company(one)[idProperty] === id)
    const ids = asked.inputs.flatMap(({ id }) => idsOf(id)).filter(id => !this.archived.has(id))
    const missing = asked.inputs
      .filter(({ id }) => idsOf(id).every(one => this.archived.has(one)))
      .map(one => one.id)
    const results = ids.map(id => ({
      id,
      // Of a property that it does not know it says nothing.
      properties: Object.fromEntries(asked.properties.map(name => [name, this.company(id)[name] ?? null])),
    }))
    const errors = notFound(missing)
    return this.answer(reply, {
      status: errors.length === 0 ? 200 : 207,
      body: { status: 'COMPLETE', results, errors },
    })
  }

  #update(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { inputs } = JSON.parse(String(request.body)) as { readonly inputs: readonly Input[] }
    const keyOf = ({ properties }: Input): string => properties['weir_standing'] ?? ''
    return this.take(request, reply, {
      keys: inputs.map(keyOf),
      judge: () =>
        inputs.length > 100 ? errorOf(400, 'VALIDATION_ERROR', 'Too many inputs.') : judged(inputs),
      commit: atMs => {
        const there = inputs.filter(({ id }) => !this.archived.has(id))
        for (const one of there)
          this.companies.add(keyOf(one), { company: one.id, properties: one.properties }, atMs)
        const errors = notFound(inputs.filter(one => !there.includes(one)).map(one => one.id))
        const results = there.map(({ id, properties }) => ({ id, properties }))
        return { status: errors.length === 0 ? 200 : 207, body: { status: 'COMPLETE', results, errors } }
      },
    })
  }
}

function judged(inputs: readonly Input[]): FakeAnswer | undefined {
  for (const [name, value] of inputs.flatMap(one => Object.entries(one.properties))) {
    const type = types[name]
    if (type === undefined)
      return errorOf(
        400,
        'VALIDATION_ERROR',
        `Property values were not valid: Property "${name}" does not exist`,
      )
    const isSound =
      value === '' ||
      (type === 'number' && Number.isFinite(Number(value))) ||
      (type === 'instant' && !Number.isNaN(Date.parse(value))) ||
      type === 'text'
    if (!isSound)
      return errorOf(400, 'VALIDATION_ERROR', `Property values were not valid: ${value} of ${name}`)
  }
  return undefined
}

function notFound(ids: readonly string[]): readonly object[] {
  if (ids.length === 0) return []
  const message = 'Could not get some COMPANY objects, they may be deleted or not exist.'
  return [{ status: 'error', category: 'OBJECT_NOT_FOUND', message, context: { ids } }]
}

function errorOf(status: number, category: string, message: string): FakeAnswer {
  return { status, body: { status: 'error', category, message, correlationId: 'c' } }
}

/** Customers that are called as their companies, as many as a long run sends. */
const manyCompanies = Array.from({ length: 20_000 }, (_, n) => companyId(n))

export async function startFake(port: number): Promise<StartedFake> {
  const fake = await new HubspotFake({ lateMs: 1_000 }).start(port)
  const connection = allAllowed(hubspotKind, fake.settings())
  return { fake, connection, secrets, mapping: 'customers:\n  - from: customer\n', customers: manyCompanies }
}
