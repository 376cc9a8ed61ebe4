// The Sage Intacct connector: one general ledger batch per record, under our key as its reference number.
// Invariants:
// 1. A batch is created under a control id that is its reference and that Intacct takes once (`uniqueid`).
// 2. After an unclear answer it is looked up by reference number and by title, and `absent` proves nothing for 15 minutes,
//    because Intacct cuts a client off by then but may finish what it asked for.
// 3. A batch that is a draft or waits for approval is `written` and not in effect.

import { z } from 'zod'
import type {
  CheckOutcome,
  Connector,
  ConnectorRecord,
  DocumentRange,
  FindOutcome,
  Placed,
  PutOutcome,
  ReceiverDocument,
  SentRecord,
} from '../connector.js'
import type { ConnectorParts } from '../connector-kind.js'
import { strangeAnswer } from '../http/api.js'
import { pageMs } from '../http/limiter.js'
import { withoutEnd } from '../http/list-end.js'
import { unavailable, unknownYet } from '../http/outcome.js'
import type { XmlTree } from '../http/xml.js'
import { prefixPlace, settingsOf } from '../kept-prefix.js'
import { mappedAccounts } from '../receiver-lines.js'
import type { IntacctSettings } from './config.js'
import { linesOfBatches } from './entries.js'
import { Gateway, type GatewayResult } from './gateway.js'
import { batchOf, referenceOf, usDate } from './records.js'

const requestMs = 120_000
/** The most that readByQuery gives at once. */
const pageLength = 1_000

const batchSchema = z.object({
  RECORDNO: z.string().min(1),
  REFERENCENO: z.string().default(''),
  BATCH_TITLE: z.string().default(''),
  BATCH_DATE: z.string().default(''),
  STATE: z.string().default(''),
})
const listSchema = z.object({
  glbatch: z.array(batchSchema).default([]),
  '@numremaining': z.string().default('0'),
  '@resultId': z.string().default(''),
})
const createdSchema = z.object({ glbatch: z.array(z.object({ RECORDNO: z.string().min(1) })).min(1) })

type Batch = z.output<typeof batchSchema>
type List = z.output<typeof listSchema>

export class IntacctConnector implements Connector {
  /** Requests under way at the same time; the limiter lets fewer go. */
  readonly pageSize = 4
  readonly attemptMs: number
  readonly settlesWithinMs = 15 * 60_000
  readonly #settings: IntacctSettings
  readonly #parts: ConnectorParts
  readonly #gateway: Gateway

  constructor(settings: IntacctSettings, parts: ConnectorParts) {
    this.#settings = settings
    this.#parts = parts
    this.attemptMs = pageMs(requestMs, this.pageSize, parts.rate)
    this.#gateway = new Gateway(settings, parts, requestMs)
  }

  /** Opens a session, which needs all credentials, and leaves it. */
  async check(signal: AbortSignal): Promise<CheckOutcome> {
    const broken = await this.#parts.mapping.problem()
    if (broken !== undefined) return broken
    const result = await this.#ask({ getAPISession: {} }, signal)
    return result.kind === 'ok' ? { kind: 'ready' } : unavailable(result.outcome)
  }

  /** Our key is found by the prefix that it was sent with, whatever the setting says by now. */
  place(): Promise<Placed> {
    return prefixPlace(this.#settings)
  }

  put(records: readonly SentRecord[], signal: AbortSignal): Promise<readonly PutOutcome[]> {
    return Promise.all(records.map(record => this.#putOne(record, signal)))
  }

  async find(record: SentRecord, signal: AbortSignal): Promise<FindOutcome> {
    const reference = referenceOf(record, settingsOf(this.#settings, record).prefix)
    const query = `REFERENCENO = '${reference}' OR BATCH_TITLE = '${reference}'`
    const result = await this.#ask(readByQuery(query, 10), signal)
    const list = listOf(result)
    if ('kind' in list) return unknownYet(list)
    const found = list.glbatch.find(one => stateOf(one) === 'posted') ?? list.glbatch[0]
    if (found === undefined) return { kind: 'absent' }
    return { kind: 'there', externalId: found.RECORDNO, state: stateOf(found) } // invariant 3
  }

  /** Throws when Intacct does not answer with a page: half a list would name as missing what is there. */
  async *documents(
    { from, until }: DocumentRange,
    signal: AbortSignal,
  ): AsyncGenerator<ReceiverDocument, void, undefined> {
    const { prefix } = this.#settings
    const query = [
      `BATCH_DATE >= '${usDate(from)}' AND BATCH_DATE <= '${usDate(until)}'`,
      ...(prefix === '' ? [] : [`BATCH_TITLE like '${prefix}%'`]),
    ].join(' AND ')
    let pages = 0
    for (let next: XmlTree | undefined = readByQuery(query, pageLength); next !== undefined; pages += 1) {
      const list = listOf(await this.#ask(next, signal))
      if ('kind' in list) throw new Error('detail' in list ? list.detail : list.kind)
      const ours = list.glbatch.filter(one => nameOf(one).startsWith(prefix))
      const told = await linesOfBatches(
        call => this.#ask(call, signal),
        ours.map(one => one.RECORDNO),
      )
      for (const one of ours) {
        const { RECORDNO: externalId, BATCH_DATE: date } = one
        const key = nameOf(one).slice(prefix.length)
        yield { key, externalId, state: stateOf(one), date: isoDate(date), ...told.get(externalId) }
      }
      const endless = withoutEnd(pages + 1)
      if (endless !== undefined) throw new Error(endless.detail)
      next = list['@numremaining'] === '0' ? undefined : { readMore: { resultId: list['@resultId'] } }
    }
  }

  accountsOf(record: ConnectorRecord): Promise<readonly string[] | undefined> {
    return mappedAccounts(record, this.#parts.mapping)
  }

  async #putOne(record: SentRecord, signal: AbortSignal): Promise<PutOutcome> {
    const settings = settingsOf(this.#settings, record)
    const made = batchOf(record, await this.#parts.mapping.of(record), settings)
    if (made.kind !== 'ok') return made
    const { prefix, state, unique_id: isUnique } = settings
    const controlId = referenceOf(record, prefix)
    const call = { create: { GLBATCH: made.batch } }
    const result = await this.#gateway.call({ controlId, isUnique, call }, signal)
    if (result.kind === 'failed') return result.outcome
    const created = createdSchema.safeParse(result.data)
    const externalId = created.success ? created.data.glbatch[0]!.RECORDNO : `REFERENCENO ${controlId}`
    return { kind: state === 'posted' ? 'accepted' : 'written', externalId }
  }

  /** What changes nothing may be asked more than once. */
  #ask(call: XmlTree, signal: AbortSignal): Promise<GatewayResult> {
    return this.#gateway.call({ controlId: 'weir', isUnique: false, call }, signal)
  }
}

function readByQuery(query: string, pageSize: number): XmlTree {
  const fields = 'RECORDNO,REFERENCENO,BATCH_TITLE,BATCH_DATE,STATE'
  return { readByQuery: { object: 'GLBATCH', fields, query, pagesize: String(pageSize) } }
}

function listOf(result: GatewayResult): List | PutOutcome {
  if (result.kind === 'failed') return result.outcome
  const list = listSchema.safeParse(result.data)
  return list.success ? list.data : strangeAnswer(result.answer)
}

function nameOf({ REFERENCENO, BATCH_TITLE }: Batch): string {
  return REFERENCENO || BATCH_TITLE
}

function stateOf({ STATE: state }: Batch): 'posted' | 'written' {
  return state === '' || /^posted$/i.test(state) ? 'posted' : 'written'
}

/** `10/31/2026` as `2026-10-31`; what has that form already stays. */
function isoDate(date: string): string {
  const [, month, day, year] = /^(\d\d)\/(\d\d)\/(\d{4})/.exec(date) ?? []
  return year === undefined ? date.slice(0, 10) : `${year}-${month}-${day}`
}
