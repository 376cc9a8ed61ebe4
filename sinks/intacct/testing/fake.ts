// A fake Sage Intacct: keeps general ledger batches, validates each request against the shape of the XML gateway (libxml2), checks
// both passwords, takes a control id once, knows closed periods, inactive accounts, unbalanced entries, currencies and missing
// locations, and answers readByQuery and readMore. Its errors stand inside answers of 200; their texts are ours, in Intacct's form.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { XmlDocument, XmlElement } from 'libxml2-wasm'
import type { Connector } from '../../connector.js'
import { xmlText } from '../../http/xml.js'
import { type BookedDocument, type BookedLine, negative } from '../../testing/booked.js'
import { Documents, type StoredDocument } from '../../testing/documents.js'
import type { StartedFake } from '../../testing/fake-of-kind.js'
import { type FakeAnswer, type FakeOptions, FakeServer } from '../../testing/fake-server.js'
import type { Fault } from '../../testing/fault.js'
import { openConnector } from '../../testing/open-connector.js'
import { readingXml, textAt, xmlShape } from '../../testing/xml-shape.js'
import { intacctKind } from '../kind.js'

interface Batch {
  readonly reference: string
  readonly title: string
  /** `YYYY-MM-DD`. */
  readonly date: string
  readonly state: string
  readonly lines: readonly BookedLine[]
}

export interface IntacctFakeOptions extends FakeOptions {
  readonly settings?: Readonly<Record<string, unknown>>
  /** How many batches it gives at once. */
  readonly pageLength?: number
}

const problemOf = xmlShape('intacct', 'xmlgw-glbatch.xsd')

export const secrets: Readonly<Record<string, string>> = {
  INTACCT_SENDER: 'sender&password-1',
  INTACCT_USER: 'user-password-1',
}

export const mapping = `accounts: { "1200": "12000", "4000": "40000", "2400": "24000" }
journal: { default: GJ, eu: GJ-EU }
currency: { USD: USD, EUR: EUR }
location: { default: "100", eu: "300" }
customers: { acme: "C-1042" }
`

export class IntacctFake extends FakeServer {
  readonly batches: Documents<Batch>
  /** Numbers of accounts. */
  readonly inactiveAccounts = new Set<string>()
  closedUntil = ''
  /** Answers of 200 end before their end. */
  isCutOff = false
  readonly #options: IntacctFakeOptions
  readonly #controlIds = new Set<string>()

  constructor(options: IntacctFakeOptions = {}) {
    super({ lateMs: 300_000, ...options })
    this.#options = options
    this.batches = new Documents(this.nowMs)
  }

  settings(): Readonly<Record<string, unknown>> {
    return {
      url: `${this.url}/ia/xml/xmlgw.phtml`,
      company: 'acme-co',
      auth: {
        sender_id: 'weir',
        sender_password: { variable: 'INTACCT_SENDER' },
        user_id: 'xml_user',
        user_password: { variable: 'INTACCT_USER' },
      },
      ...this.#options.settings,
    }
  }

  connector(given: { readonly mapping?: string } = {}): Promise<Connector> {
    const { nowMs } = this
    return openConnector(intacctKind, this.settings(), { secrets, mapping: given.mapping ?? mapping, nowMs })
  }

  async effects(): Promise<readonly string[]> {
    return this.batches.keys().map(reference => reference.replace(/^weir_/, ''))
  }

  booked(): readonly BookedDocument[] {
    return this.batches
      .all()
      .map(({ key, document: { lines } }) => ({ key: key.replace(/^weir_/, ''), lines }))
  }

  protected routes(app: FastifyInstance): void {
    app.post('/ia/xml/xmlgw.phtml', (request, reply) => this.#take(request, reply))
  }

  protected wording(fault: Fault, words?: string): FakeAnswer {
    switch (fault) {
      case '429_without':
        return requestFailed(429, 'GW-0010', 'The rate limit of this client is reached.')
      case '429_with_retry_after':
        return {
          ...requestFailed(429, 'GW-0010', 'The rate limit of this client is reached.'),
          headers: { 'retry-after': '60' },
        }
      case 'outage':
        return { status: 503, body: '<html><body>down for maintenance<br></body></html>' }
      case 'credentials_refused':
        return signInFailed()
      case 'closed_period':
        return functionFailed('BL01001973', words ?? "The date is within a period that's closed.")
      case 'inactive_account':
        return functionFailed('BL01001973', 'The account 12000 is inactive.')
      case 'unbalanced':
        return functionFailed('BL01001973', 'The debits and credits of this entry do not balance.')
      case 'missing_dimension':
        return functionFailed('BL03000018', 'The Location dimension is missing on line 1.')
      case 'currency_not_enabled':
        return functionFailed('BL01001973', 'The currency CHF is not set up in this company.')
      case 'duplicate_key':
        return functionFailed('BL34000061', 'A journal entry with this reference number already exists.')
      case 'ok_with_error_inside':
        return functionFailed('BL01001973', 'Could not create glbatch record!')
      default:
        return { status: 500, body: 'Internal Server Error' }
    }
  }

  #take(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const handled = readingXml(String(request.body), document => this.#answerTo(document, request, reply))
    return (
      handled ?? Promise.resolve(this.answer(reply, requestFailed(400, 'XL03000003', 'XML parse error.')))
    )
  }

  async #answerTo(document: XmlDocument, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const at = (path: string): string => textAt(document, path)
    const problem = problemOf(document)
    if (problem !== undefined) return this.answer(reply, requestFailed(400, 'XL03000003', problem))
    if (at('//control/senderid') !== 'weir' || at('//control/password') !== secrets['INTACCT_SENDER'])
      return this.answer(reply, requestFailed(200, 'XL03000006', 'Incorrect XML partner id or password.'))
    const isUser = at('//login/userid') === 'xml_user' && at('//login/companyid') === 'acme-co'
    if (!isUser || at('//login/password') !== secrets['INTACCT_USER'])
      return this.answer(reply, signInFailed())
    if (document.get('//getAPISession') !== null)
      return this.answer(reply, succeeded('getAPISession', { api: { sessionid: 's-1', endpoint: this.url } }))
    const query = at('//readByQuery/query')
    if (at('//readByQuery/object') === 'GLENTRY') return this.answer(reply, this.#lines(query))
    if (query !== '') return this.answer(reply, this.#page(matching(this.batches.visible(), query), 0))
    const [more = '', offset = '0'] = at('//readMore/resultId').split(' after ')
    if (more !== '')
      return this.answer(reply, this.#page(matching(this.batches.visible(), more), Number(offset)))
    return this.#create(document, request, reply)
  }

  #create(document: XmlDocument, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const at = (path: string): string => textAt(document, path)
    const reference = at('//GLBATCH/REFERENCENO')
    const [month, day, year] = at('//GLBATCH/BATCH_DATE').split('/')
    const batch: Batch = {
      reference,
      title: at('//GLBATCH/BATCH_TITLE'),
      date: `${year}-${month}-${day}`,
      state: at('//GLBATCH/STATE'),
      lines: linesOf(document),
    }
    const controlId = at('//control/controlid')
    const isUnique = at('//control/uniqueid') === 'true'
    const judged = this.#judge(document, batch)
    return this.take(request, reply, {
      keys: [reference.replace(/^weir_/, '')],
      judge: () =>
        isUnique && this.#controlIds.has(controlId)
          ? requestFailed(
              200,
              'XL03000009',
              `The control id ${controlId} was already used by another request.`,
            )
          : judged,
      commit: atMs => {
        this.#controlIds.add(controlId)
        const { id } = this.batches.add(reference, batch, atMs)
        const good = succeeded('create', { glbatch: { RECORDNO: id } })
        return this.isCutOff ? { ...good, body: String(good.body).slice(0, 150) } : good
      },
    })
  }

  #judge(document: XmlDocument, batch: Batch): FakeAnswer | undefined {
    if (batch.date <= this.closedUntil) return this.wording('closed_period')
    const valuesOf = (name: string): string[] => document.find(`//GLENTRY/${name}`).map(one => one.content)
    if (valuesOf('ACCOUNTNO').some(account => this.inactiveAccounts.has(account)))
      return this.wording('inactive_account')
    if (valuesOf('LOCATION').length < valuesOf('ACCOUNTNO').length) return this.wording('missing_dimension')
    if (valuesOf('CURRENCY').some(currency => !['USD', 'EUR'].includes(currency)))
      return this.wording('currency_not_enabled')
    const signs = valuesOf('TR_TYPE').map(BigInt)
    const sum = valuesOf('TRX_AMOUNT').reduce(
      (total, amount, n) => total + signs[n]! * inThousandths(amount),
      0n,
    )
    return sum === 0n ? undefined : this.wording('unbalanced')
  }

  /** All of them at once: their pages are as those of the batches. */
  #lines(query: string): FakeAnswer {
    const numbers = new Set([...query.matchAll(/'(\d+)'/g)].map(([, number = '']) => number))
    const glentry = this.batches
      .visible()
      .filter(({ id }) => numbers.has(id))
      .flatMap(({ id, document }) =>
        document.lines.map(({ account, currency, amount }) => ({
          BATCHNO: id,
          ACCOUNTNO: account,
          TR_TYPE: amount.startsWith('-') ? '-1' : '1',
          TRX_AMOUNT: amount.replace('-', ''),
          CURRENCY: currency,
        })),
      )
    return succeeded('readByQuery', {
      '@listtype': 'glentry',
      '@numremaining': '0',
      '@resultId': '',
      glentry,
    })
  }

  #page(
    all: { readonly query: string; readonly found: readonly StoredDocument<Batch>[] },
    offset: number,
  ): FakeAnswer {
    const { pageLength = 1_000 } = this.#options
    const page = all.found.slice(offset, offset + pageLength)
    const after = offset + page.length
    const glbatch = page.map(({ id, document: { reference, title, date, state } }) => {
      const [year, month, day] = date.split('-')
      return {
        RECORDNO: id,
        REFERENCENO: reference,
        BATCH_TITLE: title,
        BATCH_DATE: `${month}/${day}/${year}`,
        STATE: state,
      }
    })
    return succeeded('readByQuery', {
      '@listtype': 'glbatch',
      '@count': String(page.length),
      '@totalcount': String(all.found.length),
      '@numremaining': String(all.found.length - after),
      '@resultId': `${all.query} after ${after}`,
      glbatch,
    })
  }
}

/** Conditions of the two forms that the connector asks: a reference, or dates and a prefix. */
function matching(batches: readonly StoredDocument<Batch>[], query: string) {
  const reference = /REFERENCENO = '([^']*)'/.exec(query)?.[1]
  const [from = '', until = ''] = [...query.matchAll(/BATCH_DATE [<>]= '(\d\d)\/(\d\d)\/(\d{4})'/g)].map(
    ([, month, day, year]) => `${year}-${month}-${day}`,
  )
  const prefix = /like '([^']*)%'/.exec(query)?.[1] ?? ''
  const found = batches.filter(({ document }) =>
    reference === undefined
      ? document.date >= from && document.date <= until && document.title.startsWith(prefix)
      : document.reference === reference || document.title === reference,
  )
  return { query, found }
}

function linesOf(document: XmlDocument): readonly BookedLine[] {
  return document.find('//GLENTRY').map(one => {
    const at = (name: string): string => textAt(one as XmlElement, name)
    const amount = at('TRX_AMOUNT')
    return {
      currency: at('CURRENCY'),
      account: at('ACCOUNTNO'),
      amount: at('TR_TYPE') === '1' ? amount : negative(amount),
    }
  })
}

function inThousandths(amount: string): bigint {
  const [whole = '', part = ''] = amount.split('.')
  return BigInt(whole + part.padEnd(3, '0'))
}

type Tree = Parameters<typeof xmlText>[0]

function control(status: 'success' | 'failure'): Tree {
  return { status, senderid: 'weir', dtdversion: '3.0' }
}

function errorsOf(errorno: string, description2: string): Tree {
  return { error: { errorno, description: '', description2, correction: '' } }
}

function answerOf(status: number, response: Tree): FakeAnswer {
  return { status, headers: { 'content-type': 'text/xml' }, body: xmlText({ response }) }
}

function requestFailed(status: number, errorno: string, words: string): FakeAnswer {
  return answerOf(status, { control: control('failure'), errormessage: errorsOf(errorno, words) })
}

function signInFailed(): FakeAnswer {
  const operation = {
    authentication: { status: 'failure' },
    errormessage: errorsOf('XL03000006', 'Sign-in information is incorrect'),
  }
  return answerOf(200, { control: control('success'), operation })
}

function functionFailed(errorno: string, words: string): FakeAnswer {
  const result = { status: 'failure', function: 'create', errormessage: errorsOf(errorno, words) }
  return answerOf(200, {
    control: control('success'),
    operation: { authentication: { status: 'success' }, result },
  })
}

function succeeded(name: string, data: Tree): FakeAnswer {
  const result = { status: 'success', function: name, data }
  return answerOf(200, {
    control: control('success'),
    operation: { authentication: { status: 'success' }, result },
  })
}

export async function startFake(port: number): Promise<StartedFake> {
  const fake = await new IntacctFake({ hangMs: 90_000, lateMs: 5_000 }).start(port)
  return { fake, connection: fake.settings(), secrets, mapping }
}
