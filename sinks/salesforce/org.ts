// The org by REST: tokens, queries, and requests below the version of the API.
// Invariant: a value in a query is quoted, whatever it holds.

import { z } from 'zod'
import type { CheckOutcome, PutOutcome } from '../connector.js'
import type { ConnectorParts } from '../connector-kind.js'
import { Api, type ApiAnswer, type ApiRequest, jsonOf, strangeAnswer } from '../http/api.js'
import { bearer } from '../http/authorizer.js'
import { withoutEnd } from '../http/list-end.js'
import { unavailable } from '../http/outcome.js'
import { clientCredentials } from '../oauth/client-credentials.js'
import { jwtBearer } from '../oauth/jwt-bearer.js'
import type { TokenCache } from '../oauth/token-cache.js'
import type { SalesforceSettings } from './config.js'
import { outcomeOfQuery, outcomeOfRefusal } from './outcome.js'

export const requestMs = 60_000
/** Salesforce does not say how long a session lives; it is renewed when it is refused, too. */
const assumedLifeMs = 1_800_000
const tokenPath = '/services/oauth2/token'

const pageSchema = z.object({
  done: z.boolean(),
  nextRecordsUrl: z.string().optional(),
  records: z.array(z.record(z.string(), z.unknown())),
})

export type OrgRecord = Readonly<Record<string, unknown>>
export type Answered = { readonly kind: 'good'; readonly answer: ApiAnswer } | PutOutcome

export class Org {
  readonly #api: Api
  readonly #base: string

  constructor(settings: SalesforceSettings, parts: ConnectorParts) {
    this.#base = `/services/data/${settings.api_version}`
    this.#api = new Api({
      baseUrl: settings.url.replace(/\/$/, ''),
      authorizer: bearer(tokensOf(settings, parts)),
      limiter: parts.limiter,
      requestMs,
      nowMs: parts.nowMs,
    })
  }

  async check(signal: AbortSignal): Promise<CheckOutcome> {
    const sent = await this.send({ method: 'GET', path: '/limits' }, signal)
    return sent.kind === 'good' ? { kind: 'ready' } : unavailable(sent)
  }

  /** `path` below the version. */
  async send(request: ApiRequest, signal: AbortSignal): Promise<Answered> {
    const answer = await this.#api.send({ ...request, path: `${this.#base}${request.path}` }, signal)
    if (answer.kind === 'failed') return answer.outcome
    return answer.status < 300 ? { kind: 'good', answer } : outcomeOfRefusal(answer)
  }

  /** All pages. */
  async query(
    soql: string,
    signal: AbortSignal,
  ): Promise<{ readonly kind: 'records'; readonly records: readonly OrgRecord[] } | PutOutcome> {
    const records: OrgRecord[] = []
    let request: ApiRequest = { method: 'GET', path: `${this.#base}/query`, query: { q: soql } }
    for (let pages = 1; ; pages += 1) {
      const answer = await this.#api.send(request, signal)
      if (answer.kind === 'failed') return answer.outcome
      if (answer.status >= 300) return outcomeOfQuery(answer)
      const page = pageSchema.safeParse(jsonOf(answer))
      if (!page.success) return strangeAnswer(answer)
      records.push(...page.data.records)
      const { done, nextRecordsUrl: next } = page.data
      if (done || next === undefined) return { kind: 'records', records }
      const endless = withoutEnd(pages)
      if (endless !== undefined) return endless
      request = { method: 'GET', path: next }
    }
  }
}

/** A text literal of SOQL. */
export function quoted(value: string): string {
  return `'${value.replaceAll(/[\\']/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\r', '\\r')}'`
}

function tokensOf(
  { auth, url: instanceUrl }: SalesforceSettings,
  { secret, nowMs }: ConnectorParts,
): TokenCache {
  const { client_id: clientId } = auth
  if ('client_secret' in auth) {
    const proof = { kind: 'secret', secret: () => secret(auth.client_secret), in: 'post' } as const
    const tokenUrl = `${instanceUrl.replace(/\/$/, '')}${tokenPath}`
    return clientCredentials({ tokenUrl, clientId, proof, assumedLifeMs, nowMs })
  }
  const audience = auth.url.replace(/\/$/, '')
  const key = () => secret(auth.private_key)
  return jwtBearer({
    ...{
      tokenUrl: `${audience}${tokenPath}`,
      clientId,
      user: auth.user,
      audience,
      key,
      assumedLifeMs,
      nowMs,
    },
  })
}
