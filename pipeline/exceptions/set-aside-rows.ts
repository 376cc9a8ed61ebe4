// What feeds have set aside, as rows that ClickHouse reads beside its tables. The records lie in the bucket
// `weir_sinks` (pipeline/deliver/refused-records.ts), and are few: each is one record that somebody has to look at.

import type { KV } from '@nats-io/kv'
import { isRecord, parseJson } from '../../schemas/json/json-text.js'
import { formatScaled, parseDecimal } from '../../schemas/money/decimal.js'
import { listSetAside, type SetAside } from '../deliver/refused-records.js'
import type { QueryParameters } from './query-parameters.js'

export interface SetAsideRow {
  readonly feed: string
  readonly name: string
  readonly code: string
  readonly detail: string
  readonly refused_at: string
  readonly sequence: number
  readonly record_kind: string
  readonly customer_id: string
  /** Of the record, where it has one. */
  readonly amount: string | null
  readonly currency: string
  /** The record of a delivery, which the table `deliveries` tells about. */
  readonly is_delivery: boolean
  readonly content: string
}

/** More than these are not shown at once; `weir reconcile` counts them all. */
const maxRows = 1_000

export async function readSetAside(sinks: KV): Promise<readonly SetAsideRow[]> {
  return (await listSetAside(sinks)).slice(0, maxRows).map(rowOf)
}

function rowOf(record: SetAside): SetAsideRow {
  const { feed, name, code, detail, refused_at, sequence, table, content, bytes } = record
  const json = parseJson(content)
  const document = json.kind === 'ok' && isRecord(json.value) ? json.value : {}
  return {
    feed,
    name,
    code,
    detail,
    refused_at,
    sequence,
    record_kind: table,
    customer_id: textOf(document['customer_id']),
    amount: amountOf(document),
    currency: textOf(document['currency']),
    is_delivery: table === 'deliveries' && bytes !== '',
    content,
  }
}

/** Of a batch line its rounded amount, of a journal the sum of its debits; null where the record has none. */
function amountOf(document: Readonly<Record<string, unknown>>): string | null {
  const { amount_rounded: rounded, lines } = document
  if (typeof rounded === 'string') return sumOf([rounded])
  return Array.isArray(lines) ? sumOf(lines.map(line => (isRecord(line) ? line['debit'] : undefined))) : null
}

function sumOf(values: readonly unknown[]): string | null {
  let sum = 0n
  for (const value of values) {
    const parsed = parseDecimal(typeof value === 'string' ? value : '')
    if (parsed.kind !== 'ok') return null
    sum += parsed.value
  }
  return formatScaled(sum)
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

const structure =
  "feed String, name String, code String, detail String, refused_at DateTime64(3, ''UTC''), sequence UInt64," +
  ' record_kind String, customer_id String, amount Nullable(Decimal(38, 12)), currency String, is_delivery Bool'

/** A table expression with these rows; their content stays here. */
export function setAsideTable(rows: readonly SetAsideRow[], parameters: QueryParameters): string {
  if (rows.length === 0) return `null('${structure}')` // of an empty text `format` makes no block at all
  const lines = rows.map(({ content: _content, ...row }) => JSON.stringify(row)).join('\n')
  return `format(JSONEachRow, '${structure}', ${parameters.add('String', lines)})`
}
