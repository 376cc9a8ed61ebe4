// A Salesforce org for tests: REST (tokens, queries with paging, jobs of the Bulk API 2.0) and the Pub/Sub API (event-bus.ts) over
// one set of records. Its clock goes on by a second with each change.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { CrmRecord } from '../../quotes/deal.js'
import { topicOf } from '../usual-fields.js'
import { EventBus } from './event-bus.js'
import { parseSoql } from './soql.js'

const orgId = '00D000000000001EAA'

export class TestOrg {
  readonly bus: EventBus
  readonly #records = new Map<string, Map<string, CrmRecord>>()
  readonly #fields = new Map<string, string[]>()
  readonly #jobs = new Map<string, readonly CrmRecord[]>()
  readonly #server: Server
  #token = 1
  #clockMs = Date.now()
  url = ''
  /** Records of a page of a query. */
  pageOf = 2
  tokensGiven = 0
  /** Requests by path without what follows the `?`. */
  readonly asked: string[] = []
  commits = 0

  constructor() {
    const isGoodToken = (token: string) => token === this.#current
    this.bus = new EventBus({ isGoodToken, instanceUrl: () => this.url, orgId })
    this.#server = createServer((request, response) => {
      void this.#answer(request, response)
    })
  }

  static async start(): Promise<TestOrg> {
    const org = new TestOrg()
    await new Promise<void>(resolve => org.#server.listen(0, '127.0.0.1', resolve))
    org.url = `http://127.0.0.1:${(org.#server.address() as AddressInfo).port}`
    await org.bus.start()
    return org
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>(resolve => this.#server.close(() => resolve()))
    await this.bus.stop()
  }

  /** The session ends: the token is refused from now on. */
  expire(): void {
    this.#token += 1
  }

  /** Sets fields of a record, and tells of it unless `told` says how. */
  put(
    object: string,
    record: CrmRecord & { readonly Id: string },
    told: 'change' | 'gap' | 'overflow' | 'nothing' = 'change',
    header: CrmRecord = {},
  ): void {
    this.#clockMs += 1_000
    const records = this.#of(object)
    const before = records.get(record.Id)
    records.set(record.Id, { ...before, ...record, SystemModstamp: new Date(this.#clockMs).toISOString() })
    if (told === 'nothing') return
    const verb = before === undefined ? 'CREATE' : 'UPDATE'
    if (told === 'gap') this.#tell(object, [record.Id], `GAP_${verb}`, {}, header)
    else if (told === 'overflow')
      this.#tell(object, [`${record.Id.slice(0, 3)}000000000000AAA`], 'GAP_OVERFLOW', {}, header)
    else this.#tell(object, [record.Id], verb, record, header)
  }

  remove(object: string, id: string): void {
    this.#clockMs += 1_000
    const stamp = new Date(this.#clockMs).toISOString()
    this.#of(object).set(id, { ...this.#of(object).get(id), IsDeleted: true, SystemModstamp: stamp })
    this.#tell(object, [id], 'DELETE', {}, {})
  }

  get #current(): string {
    return `${orgId}!token-${this.#token}`
  }

  #of(object: string): Map<string, CrmRecord> {
    const known = this.#records.get(object) ?? new Map<string, CrmRecord>()
    this.#records.set(object, known)
    return known
  }

  /** A field that was never seen before makes a new schema. */
  #tell(object: string, ids: readonly string[], type: string, changed: CrmRecord, header: CrmRecord): void {
    const fields = this.#fields.get(object) ?? ['Name']
    for (const name of Object.keys(changed)) if (name !== 'Id' && !fields.includes(name)) fields.push(name)
    this.#fields.set(object, fields)
    const names = fields.filter(name => name in changed)
    const bits = names.reduce((all, name) => all | (1n << BigInt(fields.indexOf(name) + 1)), 0n)
    this.commits += 1
    const ChangeEventHeader = {
      ...{
        entityName: object,
        recordIds: ids,
        changeType: type,
        changeOrigin: 'com/salesforce/api/soap/62.0',
      },
      ...{ transactionKey: `tx-${this.commits}`, sequenceNumber: 1, commitTimestamp: this.#clockMs },
      ...{ commitNumber: this.commits, commitUser: '005000000000001AAA', nulledFields: [], diffFields: [] },
      changedFields: names.length === 0 ? [] : [`0x${bits.toString(16)}`],
      ...header,
    }
    const values = fields.map(name => [name, changed[name] == null ? null : String(changed[name])])
    this.bus.publish(topicOf(object), schemaOf(object, fields), {
      ChangeEventHeader,
      ...Object.fromEntries(values),
    })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url)
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    const send = (code: number, value: unknown, headers: Record<string, string> = {}) => {
      const isText = typeof value === 'string'
      const type = isText ? 'text/csv' : 'application/json'
      response.writeHead(code, {
        date: new Date(this.#clockMs).toUTCString(),
        'content-type': type,
        ...headers,
      })
      response.end(isText ? value : JSON.stringify(value))
    }
    this.asked.push(url.pathname)
    if (url.pathname === '/services/oauth2/token') return send(...this.#login(new URLSearchParams(body)))
    if (request.headers.authorization !== `Bearer ${this.#current}`)
      return send(401, [{ errorCode: 'INVALID_SESSION_ID', message: 'Session expired or invalid' }])
    const path = url.pathname.replace(/^\/services\/data\/v\d+\.0/, '')
    try {
      if (path.startsWith('/queryAll')) return send(200, this.#query(url))
      if (path.startsWith('/jobs/query')) return this.#job(path, url, body, send)
      return send(404, [{ errorCode: 'NOT_FOUND', message: 'The requested resource does not exist' }])
    } catch (error) {
      return send(400, [{ errorCode: 'MALFORMED_QUERY', message: (error as Error).message }])
    }
  }

  #login(form: URLSearchParams): [number, unknown] {
    const isJwt = form.get('grant_type') === 'urn:ietf:params:oauth:grant-type:jwt-bearer'
    const isGood = isJwt
      ? (form.get('assertion') ?? '').split('.').length === 3
      : form.get('client_secret') === 'good'
    if (!isGood) return [400, { error: 'invalid_grant', error_description: 'authentication failure' }]
    this.tokensGiven += 1
    const id = `${this.url}/id/${orgId}/005000000000001AAA`
    return [200, { access_token: this.#current, instance_url: this.url, id, token_type: 'Bearer' }]
  }

  #query(url: URL): unknown {
    const next = /\/queryAll\/([A-Za-z0-9_-]+)-(\d+)$/.exec(url.pathname)
    const text =
      next === null ? (url.searchParams.get('q') ?? '') : Buffer.from(next[1] ?? '', 'base64url').toString()
    const from = Number(next?.[2] ?? 0)
    const soql = parseSoql(text)
    const all = this.#select(text)
    if (soql.isCount) return { totalSize: all.length, done: true, records: [] }
    const records = all.slice(from, from + this.pageOf)
    const done = from + this.pageOf >= all.length
    const rest = `/services/data/v62.0/queryAll/${Buffer.from(text).toString('base64url')}-${from + this.pageOf}`
    const withType = records.map(one => ({ attributes: { type: soql.object, url: '/x' }, ...one }))
    return { totalSize: all.length, done, records: withType, ...(done ? {} : { nextRecordsUrl: rest }) }
  }

  #select(text: string): readonly CrmRecord[] {
    const soql = parseSoql(text)
    if (soql.object === 'Organization') return [{ Id: orgId }]
    const found = [...this.#of(soql.object).values()].filter(one => soql.matches(one))
    const key = (one: CrmRecord) => soql.order.map(field => String(one[field])).join(' ')
    return found
      .toSorted((a, b) => (key(a) < key(b) ? -1 : 1))
      .slice(0, soql.limit)
      .map(one => (soql.fields[0] === 'FIELDS(ALL)' ? one : pick(one, soql.fields)))
  }

  #job(
    path: string,
    url: URL,
    body: string,
    send: (code: number, value: unknown, headers?: Record<string, string>) => void,
  ): void {
    if (path === '/jobs/query') {
      const id = `750${String(this.#jobs.size + 1).padStart(15, '0')}`
      this.#jobs.set(id, this.#select((JSON.parse(body) as { query: string }).query))
      send(200, { id, state: 'UploadComplete' })
      return
    }
    const [, , , id = '', part] = path.split('/')
    const rows = this.#jobs.get(id)
    if (rows === undefined) send(404, [{ errorCode: 'NOT_FOUND', message: 'no such job' }])
    else if (part !== 'results') send(200, { id, state: 'JobComplete' })
    else {
      const from = Number(url.searchParams.get('locator') ?? 0)
      const most = Number(url.searchParams.get('maxRecords') ?? 1_000)
      const next = from + most >= rows.length ? 'null' : String(from + most)
      const lines = rows.slice(from, from + most).map(one => `"${one['Id']}","${one['SystemModstamp']}"`)
      send(200, ['"Id","SystemModstamp"', ...lines, ''].join('\n'), { 'sforce-locator': next })
    }
  }
}

function pick(record: CrmRecord, fields: readonly string[]): CrmRecord {
  return Object.fromEntries(fields.map(field => [field, record[field] ?? null]))
}

function schemaOf(object: string, fields: readonly string[]): object {
  const text = (name: string) => ({ name, type: 'string' })
  const texts = (name: string) => ({ name, type: { type: 'array', items: 'string' } })
  return {
    type: 'record',
    name: `${object}ChangeEvent`,
    namespace: 'com.sforce.eventbus',
    fields: [
      {
        name: 'ChangeEventHeader',
        type: {
          type: 'record',
          name: 'ChangeEventHeader',
          fields: [
            ...[text('entityName'), texts('recordIds'), text('changeType'), text('changeOrigin')],
            ...[text('transactionKey'), { name: 'sequenceNumber', type: 'int' }],
            ...[
              { name: 'commitTimestamp', type: 'long' },
              { name: 'commitNumber', type: 'long' },
            ],
            ...[text('commitUser'), texts('nulledFields'), texts('diffFields'), texts('changedFields')],
          ],
        },
      },
      ...fields.map(name => ({ name, type: ['null', 'string'], default: null })),
    ],
  }
}
