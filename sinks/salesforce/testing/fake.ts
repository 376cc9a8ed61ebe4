// A fake Salesforce org: accounts with the fields that it knows and their types, cases with a unique external id, comments; tokens,
// queries, sObject Collections, upsert by external id, and composite requests that are carried out as a whole or not at all. The
// texts of its errors are ours, in Salesforce's form. Accounts are there once they are asked for, as long as their id is sound.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Connector } from '../../connector.js'
import type { BookedDocument } from '../../testing/booked.js'
import { Documents } from '../../testing/documents.js'
import type { StartedFake } from '../../testing/fake-of-kind.js'
import { type FakeAnswer, type FakeOptions, FakeServer } from '../../testing/fake-server.js'
import type { Fault, Refusal } from '../../testing/fault.js'
import { allAllowed, openConnector } from '../../testing/open-connector.js'
import { salesforceKind } from '../kind.js'

type Fields = Readonly<Record<string, unknown>>

interface AccountWrite {
  readonly account: string
  readonly fields: Fields
}

interface CaseBody {
  readonly exception: string
  readonly fields: Fields
  readonly status: string
}

interface CommentBody {
  readonly parent: string
  readonly text: string
  readonly status: string
}

export const secrets: Readonly<Record<string, string>> = { SALESFORCE_SECRET: 'salesforce-secret-1' }
/** `cus_7` is the account 001000000000007. */
export const mapping = `customers:
${Array.from({ length: 50 }, (_, n) => `  cus_${n}: "${accountId(n)}"`).join('\n')}
`

export const fields: Readonly<Record<string, string>> = {
  Weir_Standing__c: 'standing_id',
  Weir_As_Of__c: 'as_of',
  Weir_Outstanding__c: 'EUR.outstanding',
  Weir_Overdue__c: 'EUR.overdue',
  Weir_Dunning__c: 'dunning',
  Weir_Exceptions__c: 'open_exceptions',
}

const types: Readonly<Record<string, 'string' | 'number'>> = {
  ...{ Name: 'string', Weir_Customer__c: 'string', Weir_Note__c: 'string' },
  ...{ Weir_Standing__c: 'string', Weir_As_Of__c: 'string', Weir_Dunning__c: 'string' },
  ...{ Weir_Outstanding__c: 'number', Weir_Overdue__c: 'number', Weir_Exceptions__c: 'number' },
}
const caseFields = new Set(['Subject', 'Description', 'Status', 'AccountId', 'Origin', 'Priority'])
const keyField = 'Weir_Standing__c'
const externalId = 'Weir_Exception__c'
const base = '/services/data/v62.0'

export function accountId(n: number): string {
  return `001${String(n).padStart(12, '0')}`
}

export interface SalesforceFakeOptions extends FakeOptions {
  readonly records?: 'customer_standings' | 'support_cases'
  readonly fields?: Readonly<Record<string, string>>
}

export class SalesforceFake extends FakeServer {
  readonly accounts: Documents<AccountWrite>
  readonly cases: Documents<CaseBody>
  readonly comments: Documents<CommentBody>
  /** Ids of accounts and cases that somebody deleted. */
  readonly deleted = new Set<string>()
  /** Values that accounts have from elsewhere, by id. */
  readonly standing = new Map<string, Fields>()
  readonly #options: SalesforceFakeOptions
  readonly #tokens = new Set<string>()

  constructor(options: SalesforceFakeOptions = {}) {
    super({ lateMs: 60_000, ...options })
    this.#options = options
    this.accounts = new Documents(this.nowMs)
    this.cases = new Documents(this.nowMs)
    this.comments = new Documents(this.nowMs)
  }

  settings(): Readonly<Record<string, unknown>> {
    const { records = 'customer_standings', fields: own = fields } = this.#options
    const auth = { client_id: 'weir', client_secret: { variable: 'SALESFORCE_SECRET' } }
    return {
      ...{ url: this.url, auth, records },
      ...(records === 'customer_standings' ? { fields: own } : { case: { fields: { Origin: 'Weir' } } }),
    }
  }

  connector(given: Parameters<typeof openConnector>[2] | object = {}): Promise<Connector> {
    const { nowMs } = this
    return openConnector(salesforceKind, this.settings(), { secrets, mapping, nowMs, rate: {}, ...given })
  }

  async effects(): Promise<readonly string[]> {
    return [
      ...this.accounts.keys(),
      ...this.cases.keys().map(exception => `${exception}-1`),
      ...this.comments.keys(),
    ]
  }

  booked(): readonly BookedDocument[] {
    const cases = this.cases.keys().map(exception => ({ key: `${exception}-1`, lines: [] }))
    const accounts = this.accounts.all().map(({ key, document: { account, fields: written } }) => ({
      key,
      lines: [{ currency: 'EUR', account, amount: String(written['Weir_Outstanding__c'] ?? 0) }],
    }))
    return [...accounts, ...cases]
  }

  /** The account as it stands now. */
  account(id: string): Fields {
    const writes = this.accounts.visible().filter(one => one.document.account === id)
    return Object.assign(
      { Id: id, ...this.standing.get(id) },
      ...writes.map(one => one.document.fields),
    ) as Fields
  }

  protected override expireToken({ headers }: FastifyRequest): void {
    this.#tokens.delete(String(headers.authorization).replace('Bearer ', ''))
  }

  protected routes(app: FastifyInstance): void {
    app.addHook('preHandler', async ({ url, headers }, reply) => {
      if (url.startsWith('/_fake/') || url === '/services/oauth2/token') return undefined
      if (this.#tokens.has(String(headers.authorization).replace('Bearer ', ''))) return undefined
      return this.answer(reply, this.wording('token_expired'))
    })
    app.post('/services/oauth2/token', ({ body }, reply) => this.#token(String(body), reply))
    app.get(`${base}/limits`, (_, reply) => this.answer(reply, { status: 200, body: {} }))
    app.get(`${base}/query`, ({ query }, reply) =>
      this.answer(reply, this.#query((query as { q: string }).q)),
    )
    app.patch(`${base}/composite/sobjects`, (request, reply) => this.#collection(request, reply))
    app.patch<{ Params: { field: string; value: string } }>(
      `${base}/sobjects/Case/:field/:value`,
      (request, reply) => this.#upsert(request, request.params, reply),
    )
    app.post(`${base}/composite`, (request, reply) => this.#composite(request, reply))
  }

  protected wording(fault: Fault, words?: string): FakeAnswer {
    switch (fault) {
      case '429_without':
      case '429_with_retry_after':
        return errorOf(403, 'REQUEST_LIMIT_EXCEEDED', 'The org has made all its requests of the day.')
      case 'outage':
        return errorOf(503, 'SERVER_UNAVAILABLE', 'The org is being moved.')
      case 'credentials_refused':
      case 'token_expired':
        return errorOf(401, 'INVALID_SESSION_ID', 'The session has ended.')
      case 'duplicate_key':
        return errorOf(400, 'DUPLICATE_VALUE', `There is another with this value of ${externalId}.`)
      case 'closed_period':
        return errorOf(400, 'FIELD_CUSTOM_VALIDATION_EXCEPTION', words ?? 'A rule of the org says no.')
      default:
        return { status: 500, body: [{ errorCode: 'UNKNOWN_EXCEPTION', message: 'Something went wrong.' }] }
    }
  }

  #token(form: string, reply: FastifyReply): FastifyReply {
    const asked = new URLSearchParams(form)
    if (asked.get('client_secret') !== secrets['SALESFORCE_SECRET'])
      return this.answer(reply, { status: 400, body: { error: 'invalid_client' } })
    const token = `00D!${Math.random().toString(36).slice(2)}`
    this.#tokens.add(token)
    const body = { access_token: token, token_type: 'Bearer', instance_url: this.url }
    return this.answer(reply, { status: 200, body })
  }

  #query(soql: string): FakeAnswer {
    const read = /^SELECT (.+) FROM (\w+) WHERE (\w+) (?:IN \((.*)\)|= ('.*'))$/.exec(soql)
    if (read === null) return errorOf(400, 'MALFORMED_QUERY', `unexpected token in ${soql}`)
    const [, columns = '', object = '', field = '', many = '', single = ''] = read
    const values = [...(many || single).matchAll(/'((?:[^'\\]|\\.)*)'/g)].map(([, text = '']) =>
      text.replaceAll(/\\(.)/g, '$1'),
    )
    const names = [...columns.split(', '), field]
    const unknown = names.find(name => object === 'Account' && name !== 'Id' && !Object.hasOwn(types, name))
    if (unknown !== undefined)
      return errorOf(400, 'INVALID_FIELD', `No such column '${unknown}' on entity '${object}'.`)
    const records = this.#rows(object, field, values).filter(row => !this.deleted.has(String(row['Id'])))
    return { status: 200, body: { totalSize: records.length, done: true, records } }
  }

  #rows(object: string, field: string, values: readonly string[]): readonly Fields[] {
    if (object === 'Account' && field === 'Id')
      return values.filter(isId).map(id => ({ ...this.account(id.slice(0, 15)), Id: id }))
    if (object === 'Account')
      return [...this.standing.keys()]
        .map(id => this.account(id))
        .filter(row => values.includes(String(row[field])))
    if (object === 'Case')
      return this.cases
        .visible()
        .filter(one => values.includes(one.key))
        .map(one => ({ Id: caseId(one.id), CaseNumber: one.id, Status: this.#statusOf(one.id) }))
    return this.comments
      .visible()
      .filter(one => values.includes(one.document.parent))
      .map(one => ({ Id: `00a${one.id}`, CommentBody: one.document.text }))
  }

  #statusOf(id: string): string {
    const last = this.comments.visible().findLast(one => one.document.parent === caseId(id))
    return last?.document.status ?? this.cases.all().find(one => one.id === id)!.document.status
  }

  #collection(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { records } = JSON.parse(String(request.body)) as { readonly records: readonly Fields[] }
    const results = (atMs: number, refusing?: Refusal): FakeAnswer => ({
      status: 200,
      body: records.map((record, n) => {
        const words = refusing !== undefined && n === 0 ? 'it is refused' : this.refusalOf(keyOf(record))
        return this.#write(record, atMs, words)
      }),
    })
    const judge = (): FakeAnswer | undefined => {
      if (records.length > 200) return errorOf(400, 'EXCEEDED_ID_LIMIT', 'More than 200 records.')
      for (const { attributes: _, id, ...written } of records) {
        if (!isId(String(id))) return errorOf(400, 'MALFORMED_ID', `bad id ${String(id)}`)
        for (const [name, value] of Object.entries(written)) {
          if (!Object.hasOwn(types, name))
            return errorOf(400, 'INVALID_FIELD', `No such column '${name}' on sobject of type Account`)
          if (value !== null && typeof value !== types[name])
            return errorOf(400, 'JSON_PARSER_ERROR', `Cannot read ${typeof value} for ${name}`)
        }
      }
      return undefined
    }
    return this.take(request, reply, {
      keys: records.map(keyOf),
      judge,
      commit: atMs => results(atMs),
      refuseFirst: fault => results(this.nowMs(), fault),
    })
  }

  #write({ attributes: _, id, ...written }: Fields, atMs: number, words: string | undefined): unknown {
    const no = (statusCode: string, message: string) => ({
      id: null,
      success: false,
      errors: [{ statusCode, message, fields: [] }],
    })
    if (words !== undefined) return no('FIELD_CUSTOM_VALIDATION_EXCEPTION', words)
    if (this.deleted.has(String(id))) return no('ENTITY_IS_DELETED', 'entity is deleted')
    this.accounts.add(keyOf(written), { account: String(id).slice(0, 15), fields: written }, atMs)
    return { id, success: true, errors: [] }
  }

  #upsert(
    request: FastifyRequest,
    { field, value }: { readonly field: string; readonly value: string },
    reply: FastifyReply,
  ): Promise<unknown> {
    const body = JSON.parse(String(request.body)) as Fields
    const judge = (): FakeAnswer | undefined => {
      if (field !== externalId)
        return errorOf(404, 'NOT_FOUND', `Provided external ID field does not exist: ${field}`)
      const unknown = Object.keys(body).find(name => !caseFields.has(name))
      if (unknown !== undefined)
        return errorOf(400, 'INVALID_FIELD', `No such column '${unknown}' on sobject of type Case`)
      if (String(body['Subject']).length > 255)
        return errorOf(400, 'STRING_TOO_LONG', 'Subject: data value too large')
      return this.cases.isUnderWay(value) ? this.wording('duplicate_key') : undefined
    }
    return this.take(request, reply, {
      keys: [`${value}-1`],
      judge,
      commit: atMs => {
        const there = this.cases.find(value)
        const document = { exception: value, fields: body, status: String(body['Status']) }
        const stored = this.cases.upsert(value, document, atMs)
        const made = { id: caseId(stored.id), success: true, errors: [], created: there === undefined }
        return { status: there === undefined ? 201 : 200, body: made }
      },
    })
  }

  #composite(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { compositeRequest: parts } = JSON.parse(String(request.body)) as {
      readonly compositeRequest: readonly { readonly url: string; readonly body: Fields }[]
    }
    const [status, comment] = parts.map(one => one.body)
    const parent = String(comment?.['ParentId'])
    const text = String(comment?.['CommentBody'])
    const key = /\[(exc_[^\]]*)\]$/.exec(text)?.[1] ?? text
    const halted = { httpStatusCode: 400, body: [{ errorCode: 'PROCESSING_HALTED', message: 'rolled back' }] }
    const failed = (errorCode: string, message: string): FakeAnswer => ({
      status: 200,
      body: { compositeResponse: [{ httpStatusCode: 400, body: [{ errorCode, message }] }, halted] },
    })
    return this.take(request, reply, {
      keys: [key],
      judge: () => {
        if (this.deleted.has(parent)) return failed('ENTITY_IS_DELETED', 'entity is deleted')
        return text.length > 4_000 ? failed('STRING_TOO_LONG', 'Comment: too large') : undefined
      },
      commit: atMs => {
        this.comments.add(key, { parent, text, status: String(status?.['Status']) }, atMs)
        const good = [
          { httpStatusCode: 204, body: null },
          { httpStatusCode: 201, body: { id: '00a1' } },
        ]
        return { status: 200, body: { compositeResponse: good } }
      },
    })
  }
}

function keyOf(record: Fields): string {
  return String(record[keyField] ?? '')
}

function isId(id: string): boolean {
  return /^[a-zA-Z0-9]{15}(?:[a-zA-Z0-9]{3})?$/.test(id)
}

function caseId(id: string): string {
  return `500${id.padStart(12, '0')}`
}

function errorOf(status: number, errorCode: string, message: string): FakeAnswer {
  return { status, body: [{ errorCode, message }] }
}

/** Customers that are called as their accounts, as many as a long run sends. */
const manyAccounts = Array.from({ length: 20_000 }, (_, n) => accountId(n))

export async function startFake(port: number, variant?: string): Promise<StartedFake> {
  const records = variant === 'cases' ? 'support_cases' : 'customer_standings'
  const fake = await new SalesforceFake({ records, lateMs: 1_000 }).start(port)
  const connection = allAllowed(salesforceKind, fake.settings())
  return { fake, connection, secrets, mapping: 'customers:\n  - from: customer\n', customers: manyAccounts }
}
