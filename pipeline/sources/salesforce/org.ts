// The org by REST: queries with paging, the id of the org, and tokens. One attempt a call, a limit of requests, a 401 renews the
// token once (sinks/http).
// Invariant: what fails is a `SourceTrouble` with a code; no text has a token.

import { isRecord, parseJson } from '../../../schemas/json/json-text.js'
import type { SecretRead, SecretSource } from '../../../sinks/connector-kind.js'
import { Api, type ApiAnswer, type ApiRequest } from '../../../sinks/http/api.js'
import { bearer } from '../../../sinks/http/authorizer.js'
import { limiterOf } from '../../../sinks/http/limiter.js'
import { clientCredentials } from '../../../sinks/oauth/client-credentials.js'
import { jwtBearer } from '../../../sinks/oauth/jwt-bearer.js'
import type { TokenCache } from '../../../sinks/oauth/token-cache.js'
import type { CrmRecord } from '../quotes/deal.js'
import { type ReachParts, SourceTrouble } from '../source-kind.js'

interface OrgSettings {
  readonly instance_url: string
  readonly login:
    | {
        readonly client_id: string
        readonly user: string
        readonly private_key: SecretSource
        readonly url: string
      }
    | { readonly client_id: string; readonly client_secret: SecretSource }
  readonly org_id?: string
  readonly api_version: string
  readonly requests_per_second: number
}

const requestMs = 60_000
/** Pages of one query: an org that names one after another without end is not understood. */
const pagesMost = 5_000
/** Ids of records. Nothing else that an org or an arrival names as one is written into a query. */
const recordId = /^[A-Za-z0-9]{15,18}$/
/** Salesforce does not say how long a session lives; it is renewed when it is refused, too. */
const assumedLifeMs = 1_800_000
const tokenPath = '/services/oauth2/token'

export class Org {
  readonly tokens: TokenCache
  readonly instanceUrl: string
  readonly #api: Api
  readonly #base: string
  readonly #nowMs: () => number
  #orgId: string | undefined

  constructor({ settings, secret, nowMs }: Pick<ReachParts, 'settings' | 'secret' | 'nowMs'>) {
    const own = settings as unknown as OrgSettings
    this.instanceUrl = own.instance_url.replace(/\/$/, '')
    this.tokens = tokensOf(own, this.instanceUrl, secret, nowMs)
    this.#orgId = own.org_id
    this.#base = `/services/data/${own.api_version}`
    this.#nowMs = nowMs
    this.#api = new Api({
      baseUrl: this.instanceUrl,
      authorizer: bearer(this.tokens),
      limiter: limiterOf({ per_second: own.requests_per_second, concurrent: 8 }),
      requestMs,
      nowMs,
    })
  }

  async token(signal: AbortSignal): Promise<string> {
    const given = await this.tokens.token(signal)
    if (given.kind === 'ok') return given.token
    throw new SourceTrouble(given.code, given.detail)
  }

  async orgId(signal: AbortSignal): Promise<string> {
    this.#orgId ??= String(
      (await this.query('SELECT Id FROM Organization LIMIT 1', signal)).records[0]?.['Id'],
    )
    return this.#orgId
  }

  /** All pages, those that were deleted and are still in the bin among them. `atMs`: when the org had the first page. */
  async query(
    soql: string,
    signal: AbortSignal,
  ): Promise<{ readonly records: readonly CrmRecord[]; readonly atMs: number; readonly total: number }> {
    const records: CrmRecord[] = []
    let request: ApiRequest = { method: 'GET', path: `${this.#base}/queryAll`, query: { q: soql } }
    let atMs = 0
    for (let pages = 1; ; pages += 1) {
      const answer = await this.call(request, signal)
      const page = jsonOf(answer)
      if (atMs === 0) atMs = this.#timeOf(answer)
      records.push(...(Array.isArray(page['records']) ? page['records'].filter(isRecord).map(plain) : []))
      const next = page['nextRecordsUrl']
      if (page['done'] !== false || typeof next !== 'string')
        return { records, atMs, total: Number(page['totalSize'] ?? records.length) }
      if (pages === pagesMost || next === request.path)
        throw new SourceTrouble('answer_not_understood', 'A query of Salesforce has pages without end.')
      request = { method: 'GET', path: next }
    }
  }

  /** A good answer; `path` below the version unless it begins with /services. */
  async call(request: ApiRequest, signal: AbortSignal): Promise<ApiAnswer> {
    const path = request.path.startsWith('/services') ? request.path : `${this.#base}${request.path}`
    const answer = await this.#api.send({ ...request, path }, signal)
    if (answer.kind === 'failed') {
      const { outcome } = answer
      const wait = outcome.kind === 'throttled' ? outcome.retryAfterMs : undefined
      const code = 'code' in outcome ? outcome.code : 'no_answer'
      throw new SourceTrouble(code, 'detail' in outcome ? outcome.detail.slice(0, 500) : code, wait)
    }
    if (answer.status >= 200 && answer.status < 300) return answer
    const { code, message } = errorOf(answer)
    if (code === 'REQUEST_LIMIT_EXCEEDED') throw new SourceTrouble('rate_limited', message, 60_000)
    if (answer.status === 404) throw new NotThere(message)
    throw new SourceTrouble('source_refused', `Salesforce answers ${answer.status} ${code}: ${message}`)
  }

  /** By the clock of the org, where it says. */
  #timeOf({ headers }: ApiAnswer): number {
    const ms = Date.parse(headers.get('date') ?? '')
    return Number.isNaN(ms) ? this.#nowMs() : ms
  }
}

export function isRecordId(text: string): boolean {
  return recordId.test(text)
}

/** The id of a record that a query is to go on behind. */
export function idToGoOn(record: CrmRecord): string {
  const id = record['Id']
  if (typeof id === 'string' && isRecordId(id)) return id
  throw new SourceTrouble(
    'answer_not_understood',
    'Salesforce answers with a record without an id of its kind.',
  )
}

export class NotThere extends Error {
  override readonly name = 'NotThere'
}

function tokensOf(
  { login }: OrgSettings,
  instanceUrl: string,
  secret: ReachParts['secret'],
  nowMs: () => number,
): TokenCache {
  const read = (source: SecretSource) => (): SecretRead => {
    try {
      return { kind: 'ok', secret: secret(source) }
    } catch (error) {
      const { code, message } = error as SourceTrouble
      return { kind: 'stopped', code: code ?? 'credentials_missing', detail: message }
    }
  }
  const clientId = login.client_id
  if ('user' in login) {
    const tokenUrl = `${login.url.replace(/\/$/, '')}${tokenPath}`
    const { user, url: audience } = login
    return jwtBearer({
      tokenUrl,
      clientId,
      user,
      audience,
      key: read(login.private_key),
      assumedLifeMs,
      nowMs,
    })
  }
  const proof = { kind: 'secret', secret: read(login.client_secret), in: 'post' } as const
  return clientCredentials({ tokenUrl: `${instanceUrl}${tokenPath}`, clientId, proof, assumedLifeMs, nowMs })
}

function jsonOf({ body }: ApiAnswer): CrmRecord {
  const json = parseJson(body)
  if (json.kind === 'ok' && isRecord(json.value)) return json.value
  throw new SourceTrouble(
    'answer_not_understood',
    'Salesforce answers with something that is no JSON object.',
  )
}

function errorOf({ body, redact, status }: ApiAnswer): { readonly code: string; readonly message: string } {
  const json = parseJson(body)
  const first = json.kind === 'ok' && Array.isArray(json.value) ? json.value[0] : undefined
  const of = (name: string) => (isRecord(first) && typeof first[name] === 'string' ? first[name] : '')
  return { code: of('errorCode') || String(status), message: redact(of('message')).slice(0, 300) }
}

/** Without `attributes`, in which the address of a record stands. */
function plain({ attributes: _, ...record }: Record<string, unknown>): CrmRecord {
  return Object.fromEntries(
    Object.entries(record).map(([name, value]) => [name, isRecord(value) ? plain(value) : value]),
  )
}
