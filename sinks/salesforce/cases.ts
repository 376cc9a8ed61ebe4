// Cases about exceptions: found and made by the external id field that holds the exception, so that Salesforce itself keeps one
// alone; the comment and the status of what has come of it in one request that is carried out as a whole.

import { z } from 'zod'
import type { PutOutcome } from '../connector.js'
import type { ConnectorParts } from '../connector-kind.js'
import { jsonOf, strangeAnswer } from '../http/api.js'
import { pageMs } from '../http/limiter.js'
import type { CaseFound, CaseSystem, CaseThere, CaseToTell } from '../write-back/case-connector.js'
import { type SalesforceSettings, writtenFields } from './config.js'
import { type Org, quoted, requestMs } from './org.js'
import { errorsSchema, outcomeOfErrors } from './outcome.js'

const madeSchema = z.object({ id: z.string() })
const compositeSchema = z.object({
  compositeResponse: z.array(z.object({ httpStatusCode: z.int(), body: z.unknown() })),
})
/** Characters of `Case.Subject`, and of a comment. */
const longestSubject = 255
const longestComment = 4_000
const longestDescription = 32_000

export class Cases implements CaseSystem {
  readonly object = 'Case'
  readonly pageSize = 4
  readonly settlesWithinMs = 2 * 60_000
  readonly attemptMs: number
  readonly written: readonly string[]
  readonly #org: Org
  readonly #settings: SalesforceSettings
  readonly #parts: ConnectorParts

  constructor(org: Org, settings: SalesforceSettings, parts: ConnectorParts) {
    this.attemptMs = pageMs(requestMs, 3 * this.pageSize, parts.rate)
    this.written = writtenFields(settings)
    this.#org = org
    this.#settings = settings
    this.#parts = parts
  }

  check(signal: AbortSignal) {
    return this.#org.check(signal)
  }

  async find(exceptionId: string, signal: AbortSignal): Promise<CaseFound> {
    const { external_id: field } = this.#settings.case
    const soql = `SELECT Id, CaseNumber, Status FROM Case WHERE ${field} = ${quoted(exceptionId)}`
    const found = await this.#org.query(soql, signal)
    if (found.kind !== 'records') return found
    const [one, ...others] = found.records
    if (others.length > 0)
      return {
        kind: 'refused',
        code: 'object_ambiguous',
        detail: `${others.length + 1} cases have ${exceptionId}`,
      }
    if (one === undefined) return { kind: 'absent' }
    const [id, name, status] = [one['Id'], one['CaseNumber'], one['Status']].map(String)
    return { kind: 'there', found: { id: id!, name: name!, status: status! } }
  }

  async create({ told, record }: CaseToTell, signal: AbortSignal): Promise<PutOutcome> {
    const { external_id: field, opened, of_account: ofAccount, fields } = this.#settings.case
    const account = ofAccount ? await this.#accountOf(record) : undefined
    const body = {
      ...fields,
      Subject: told.subject.slice(0, longestSubject),
      Description: told.description.slice(0, longestDescription),
      Status: opened,
      ...(account === undefined ? {} : { AccountId: account }),
    }
    const path = `/sobjects/Case/${field}/${encodeURIComponent(told.exception_id)}`
    const sent = await this.#org.send({ method: 'PATCH', path, body: { json: body } }, signal)
    if (sent.kind !== 'good') return sent
    const made = madeSchema.safeParse(jsonOf(sent.answer))
    return made.success ? { kind: 'accepted', externalId: made.data.id } : strangeAnswer(sent.answer)
  }

  async isTold({ id }: CaseThere, { key }: CaseToTell, signal: AbortSignal): Promise<boolean | PutOutcome> {
    // The text of a comment cannot be asked for in a query.
    const soql = `SELECT Id, CommentBody FROM CaseComment WHERE ParentId = ${quoted(id)}`
    const found = await this.#org.query(soql, signal)
    if (found.kind !== 'records') return found
    return found.records.some(one => String(one['CommentBody']).includes(markOf(key)))
  }

  async tell({ id }: CaseThere, { told, key }: CaseToTell, signal: AbortSignal): Promise<PutOutcome> {
    const { opened, settled } = this.#settings.case
    const base = `/services/data/${this.#settings.api_version}/sobjects`
    const mark = markOf(key)
    const body = {
      allOrNone: true,
      compositeRequest: [
        {
          method: 'PATCH',
          url: `${base}/Case/${id}`,
          referenceId: 'status',
          body: { Status: told.state === 'open' ? opened : settled },
        },
        {
          method: 'POST',
          url: `${base}/CaseComment`,
          referenceId: 'comment',
          body: {
            ParentId: id,
            CommentBody: `${told.comment.slice(0, longestComment - mark.length - 1)} ${mark}`,
          },
        },
      ],
    }
    const sent = await this.#org.send({ method: 'POST', path: '/composite', body: { json: body } }, signal)
    if (sent.kind !== 'good') return sent
    const parsed = compositeSchema.safeParse(jsonOf(sent.answer))
    if (!parsed.success) return strangeAnswer(sent.answer)
    const failed = parsed.data.compositeResponse.filter(one => one.httpStatusCode >= 300)
    if (failed.length === 0) return { kind: 'accepted', externalId: id }
    // The others of the request say that they were undone because of the one that failed.
    const errors = failed.flatMap(one => errorsSchema.safeParse(one.body).data ?? [])
    const own = errors.filter(one => one.errorCode !== 'PROCESSING_HALTED')
    const judged = errorsSchema.safeParse(own.length === 0 ? errors : own)
    return judged.success ? outcomeOfErrors(judged.data, sent.answer.redact) : strangeAnswer(sent.answer)
  }

  /** Undefined where it is not known: the case is made all the same. */
  async #accountOf(record: CaseToTell['record']): Promise<string | undefined> {
    const mapped = await this.#parts.mapping.of(record)
    const account = mapped.customer()
    return mapped.refusal() === undefined && account !== '' ? account : undefined
  }
}

function markOf(key: string): string {
  return `[${key}]`
}
