// Reads the records of a connection with their deliveries: what the stream holds, each with how its delivery stands in
// ClickHouse; and records that are known by their delivery alone.

import type { ClickHouseClient } from '@clickhouse/client'
import { deliveryIdOf } from '../../schemas/billing/delivery.js'
import type { Scaled } from '../../schemas/money/decimal.js'
import { readBatchLine } from '../../sinks/batch-line-record.js'
import type { Connector, ConnectorRecord } from '../../sinks/connector.js'
import { readJournal } from '../../sinks/journal-record.js'
import type { TakenUpTo } from './deliveries.js'
import type { OurRecord } from './our-record.js'
import { chunksOf } from './stream-chunks.js'
import type { StreamSource } from './stream-comparison.js'

export type RecordSource = Pick<StreamSource, 'clickhouse' | 'js' | 'jsm'>

/** The most keys in one query, so that its text stays far below ClickHouse's limit. */
const keysAtOnce = 2_000

/** Chunk by chunk, those that `isWanted` by their accounting date. */
export async function* recordsOf(
  source: RecordSource,
  { feed, ofRecords, until }: TakenUpTo,
  connector: Pick<Connector, 'accountsOf'>,
  isWanted: (date: string | undefined) => boolean,
): AsyncGenerator<readonly OurRecord[]> {
  const { state } = await source.jsm.streams.info(feed.stream)
  for await (const messages of chunksOf(source, feed, state.first_seq, state.last_seq)) {
    const found: { record: ConnectorRecord; facts: Facts; isTakenIn: boolean }[] = []
    for (const message of messages)
      for (const record of ofRecords.recordsOf(message).records) {
        const facts = await factsOf(record, connector, isWanted)
        if (isWanted(facts.date)) found.push({ record, facts, isTakenIn: message.sequence <= until })
      }
    for (let from = 0; from < found.length; from += keysAtOnce) {
      const some = found.slice(from, from + keysAtOnce)
      const ids = some.map(({ record }) => deliveryIdOf(ofRecords.connection, record))
      const stands = await deliveriesOf(source.clickhouse, ofRecords.connection, 'delivery_id', ids)
      yield some.map(({ record, facts, isTakenIn }): OurRecord => {
        const { key, kind, id } = record
        const delivery = stands.get(key)
        const deliveryId = deliveryIdOf(ofRecords.connection, record)
        const nothing = { state: isTakenIn ? 'none' : 'not_taken_in', code: '', externalId: '' }
        return { key, kind, id, deliveryId, ...facts, ...(delivery?.stand ?? nothing) }
      })
    }
  }
}

type Facts = Pick<OurRecord, 'entityId' | 'date' | 'currency' | 'amount' | 'quantity' | 'lines'>

/** `isWanted`: whether the accounts of a record of this date are asked for. */
export async function factsOf(
  record: ConnectorRecord,
  connector: Pick<Connector, 'accountsOf'>,
  isWanted: (date: string) => boolean = () => true,
): Promise<Facts> {
  if (record.kind === 'batch_line') {
    const read = readBatchLine(record)
    if (read.kind !== 'ok') return unreadable
    const { entity_id: entityId, currency, amount_rounded: amount, quantity } = read.line
    return { entityId, currency, amount, quantity, date: read.date, lines: undefined }
  }
  const read = readJournal(record)
  if (read.kind !== 'ok') return unreadable
  const { entity_id: entityId, currency, accounting_date: date, lines } = read.journal
  const amount = lines.reduce((sum, { debit }) => sum + debit, 0n)
  const accounts = isWanted(date) ? await connector.accountsOf?.(record) : undefined
  if (accounts === undefined) return { entityId, currency, date, amount, lines: undefined }
  const balances = new Map<string, Scaled>()
  for (const [index, { debit, credit }] of lines.entries()) {
    const account = accounts[index] ?? ''
    balances.set(account, (balances.get(account) ?? 0n) + debit - credit)
  }
  return { entityId, currency, date, amount, lines: [...balances] }
}

/** A record that no connector can read: its delivery is refused, and nothing of it can be compared. */
const unreadable: Facts = { entityId: '', date: undefined, currency: '', amount: undefined, lines: undefined }

export interface DeliveryStand {
  readonly deliveryId: string
  readonly kind: string
  readonly id: string
  readonly entityId: string
  readonly stand: Pick<OurRecord, 'state' | 'code' | 'externalId'>
}

/** How these deliveries stand, by our key. By `delivery_id` it is a look-up, by `key` a reading of all of the connection's. */
export async function deliveriesOf(
  clickhouse: ClickHouseClient,
  connection: string,
  by: 'delivery_id' | 'key',
  names: readonly string[],
): Promise<Map<string, DeliveryStand>> {
  const queryOf = (
    some: readonly string[],
  ) => `SELECT key, delivery_id, any(record_kind) AS kind, any(record_id) AS id, any(entity_id) AS entity,
      argMax(state, stream_sequence) AS last_state, argMax(code, stream_sequence) AS last_code,
      argMax(external_id, stream_sequence) AS last_id
    FROM deliveries WHERE connection = {connection: String} AND ${by} IN (${listOf(some)})
    GROUP BY key, delivery_id`
  const found = new Map<string, DeliveryStand>()
  for (const some of inParts(names)) {
    const query_params = { connection }
    const query = queryOf(some)
    const answer = await clickhouse.query({ query, format: 'JSONEachRow', query_params })
    for (const row of await answer.json<Record<string, string>>()) {
      const { key = '', delivery_id: deliveryId = '', kind = '', id = '', entity: entityId = '' } = row
      const state = row['last_state'] ?? ''
      const stand = { state, code: row['last_code'] ?? '', externalId: row['last_id'] ?? '' }
      found.set(key, { deliveryId, kind, id, entityId, stand })
    }
  }
  return found
}

/** The accounting dates of journals and summaries, also of those that the stream does not hold any more. */
export async function accountingDates(
  clickhouse: ClickHouseClient,
  ids: readonly string[],
): Promise<Map<string, string>> {
  const queryOf = (list: string) => `SELECT journal_id, toString(any(accounting_date)) AS date FROM
    (SELECT journal_id, accounting_date FROM journal_entries WHERE journal_id IN (${list})
     UNION ALL SELECT journal_id, accounting_date FROM journal_summaries WHERE journal_id IN (${list}))
    GROUP BY journal_id`
  const found = new Map<string, string>()
  for (const some of inParts(ids)) {
    const answer = await clickhouse.query({ query: queryOf(listOf(some)), format: 'JSONEachRow' })
    for (const { journal_id, date } of await answer.json<{ journal_id: string; date: string }>())
      found.set(journal_id, date)
  }
  return found
}

/** Ours have letters, digits, `_` and `-`; another text is no key of ours and ends no text of a query. */
function* inParts(names: readonly string[]): Generator<readonly string[]> {
  const sound = names.filter(name => /^[\w-]+$/.test(name))
  for (let from = 0; from < sound.length; from += keysAtOnce) yield sound.slice(from, from + keysAtOnce)
}

function listOf(names: readonly string[]): string {
  return names.map(name => `'${name}'`).join(', ')
}
