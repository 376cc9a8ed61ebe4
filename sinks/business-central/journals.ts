// The requests of the connector to general journals of one company: opening one, writing lines, posting, removing, looking
// lines and ledger entries up.
//
// A failed step has the outcome that it means for the record. Reads page by `@odata.nextLink`.

import { z } from 'zod'
import { ExactNumber } from '../../schemas/money/exact-number.js'
import { type Api, type ApiAnswer, type ApiRequest, jsonOf, strangeAnswer } from '../http/api.js'
import { rowsOf } from '../http/odata.js'
import type { NotReached } from '../http/outcome.js'
import { outcomeOfError, outcomeOfRefusal, type Refused, refused } from './outcome.js'
import type { JournalLineBody } from './records.js'

export type Failed = { readonly kind: 'failed'; readonly outcome: Refused | NotReached }
export type Step<T> = { readonly kind: 'ok'; readonly value: T } | Failed

/** Of one `$batch`. */
export const mostLines = 100

const number = z.union([z.number(), z.instanceof(ExactNumber)])
const journal = z.object({ id: z.string(), code: z.string(), displayName: z.string().default('') })
export const ledgerEntry = z.object({
  entryNumber: z.number(),
  postingDate: z.string(),
  documentNumber: z.string(),
  description: z.string(),
  accountNumber: z.string().default(''),
  debitAmount: number,
  creditAmount: number.default(0),
})
export const journalLine = z.object({
  documentNumber: z.string(),
  postingDate: z.string(),
  description: z.string(),
  accountNumber: z.string().default(''),
  amount: number,
})
const company = z.object({ currencyCode: z.string() })
const batchAnswer = z.object({
  responses: z.array(
    z.object({
      status: z.number(),
      body: z.object({ error: z.object({ code: z.string(), message: z.string() }).optional() }).optional(),
    }),
  ),
})

export class Journals {
  readonly #api: Api
  readonly #company: string

  /** `api` has the base URL that ends with `/api/v2.0`. */
  constructor(api: Api, company: string) {
    this.#api = api
    this.#company = `companies(${company})`
  }

  /** The currency in which the company keeps its books. */
  async currency(signal: AbortSignal): Promise<Step<string>> {
    const query = { $select: 'currencyCode' }
    const read = await this.#rows('companyInformation', query, company, signal)
    if (read.kind === 'failed') return read
    const [first] = read.value
    if (first !== undefined && first.currencyCode !== '') return { kind: 'ok', value: first.currencyCode }
    const detail = 'companyInformation has no currencyCode'
    return { kind: 'failed', outcome: { kind: 'stopped', code: 'company_without_currency', detail } }
  }

  /** An empty journal under this code. One that an earlier attempt of the same entry left is removed first. */
  async openEmpty(code: string, displayName: string, signal: AbortSignal): Promise<Step<string>> {
    const create: ApiRequest = {
      method: 'POST',
      path: this.#path('journals'),
      body: { json: { code, displayName } },
    }
    const created = await this.#ask(create, signal)
    if (created.kind === 'ok') return idOf(created.value)
    if (created.outcome.kind !== 'refused' || created.outcome.code !== 'duplicate_document') return created
    const left = await this.find(code, signal)
    if (left.kind === 'failed') return left
    if (left.value !== undefined) {
      if (left.value.displayName !== displayName)
        return {
          kind: 'failed',
          outcome: refused(
            'duplicate_document',
            `the journal ${code} is not ours: ${left.value.displayName}`,
          ),
        }
      const removed = await this.remove(left.value.id, signal)
      if (removed.kind === 'failed') return removed
    }
    const again = await this.#ask(create, signal)
    return again.kind === 'ok' ? idOf(again.value) : again
  }

  async find(
    code: string,
    signal: AbortSignal,
  ): Promise<Step<{ readonly id: string; readonly displayName: string } | undefined>> {
    const read = await this.#rows('journals', { $filter: `code eq '${code}'` }, journal, signal)
    return read.kind === 'failed' ? read : { kind: 'ok', value: read.value[0] }
  }

  /** All lines or none: `Isolation: snapshot` undoes all when one fails. */
  async write(
    journal: string,
    lines: readonly JournalLineBody[],
    signal: AbortSignal,
  ): Promise<Step<undefined>> {
    const url = this.#path(`journals(${journal})/journalLines`)
    const requests = lines.map((body, index) => ({
      method: 'POST',
      id: String(index + 1),
      url,
      headers: { 'Content-Type': 'application/json' },
      body,
    }))
    const answer = await this.#ask(
      { method: 'POST', path: '$batch', headers: { isolation: 'snapshot' }, body: { json: { requests } } },
      signal,
    )
    if (answer.kind === 'failed') return answer
    const parsed = batchAnswer.safeParse(jsonOf(answer.value))
    const responses = parsed.data?.responses ?? []
    const bad = responses.find(({ status }) => status >= 300)
    if (bad !== undefined) {
      const error = bad.body?.error ?? { code: '', message: `a line was answered ${bad.status}` }
      return { kind: 'failed', outcome: outcomeOfError(bad.status, error, answer.value.redact) }
    }
    if (responses.length !== lines.length) return strange(answer.value)
    return { kind: 'ok', value: undefined }
  }

  /** Posts all lines of the journal. */
  post(journal: string, signal: AbortSignal): Promise<Step<ApiAnswer>> {
    return this.#ask({ method: 'POST', path: this.#path(`journals(${journal})/Microsoft.NAV.post`) }, signal)
  }

  /** With the lines in it. */
  remove(journal: string, signal: AbortSignal): Promise<Step<ApiAnswer>> {
    const path = this.#path(`journals(${journal})`)
    return this.#ask({ method: 'DELETE', path, headers: { 'if-match': '*' } }, signal)
  }

  lines(
    journal: string,
    filter: string,
    signal: AbortSignal,
  ): Promise<Step<readonly z.output<typeof journalLine>[]>> {
    const query = { $filter: filter, $select: Object.keys(journalLine.shape).join(',') }
    return this.#rows(`journals(${journal})/journalLines`, query, journalLine, signal)
  }

  entries(filter: string, signal: AbortSignal): Promise<Step<readonly z.output<typeof ledgerEntry>[]>> {
    // A page has up to 20,000 entries, which with all their fields are more than we read of an answer.
    const query = { $filter: filter, $select: Object.keys(ledgerEntry.shape).join(',') }
    return this.#rows('generalLedgerEntries', query, ledgerEntry, signal)
  }

  async #rows<T>(
    path: string,
    query: Readonly<Record<string, string>>,
    row: z.ZodType<T>,
    signal: AbortSignal,
  ): Promise<Step<readonly T[]>> {
    const read = await rowsOf(this.#api, { path: this.#path(path), query, row, outcomeOfRefusal }, signal)
    return read.kind === 'ok' ? { kind: 'ok', value: read.rows } : read
  }

  async #ask(request: ApiRequest, signal: AbortSignal): Promise<Step<ApiAnswer>> {
    const answer = await this.#api.send(request, signal)
    if (answer.kind === 'failed') return answer
    return answer.status < 300
      ? { kind: 'ok', value: answer }
      : { kind: 'failed', outcome: outcomeOfRefusal(answer) }
  }

  #path(below: string): string {
    return `${this.#company}/${below}`
  }
}

function idOf(answer: ApiAnswer): Step<string> {
  const parsed = z.object({ id: z.string() }).safeParse(jsonOf(answer))
  return parsed.success ? { kind: 'ok', value: parsed.data.id } : strange(answer)
}

function strange(answer: ApiAnswer): Failed {
  return { kind: 'failed', outcome: strangeAnswer(answer) as NotReached }
}
