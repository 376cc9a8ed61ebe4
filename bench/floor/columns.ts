// The floor's rows: parsed events straight into the columns of `rated_usage`, two rows per event, as one Arrow stream.
// No logic: what only rating could tell is a constant of the usual form, and `amount` repeats `quantity`.
// The trick: all first rows, then all second rows, so that a column that both share is encoded once and then copied.

import {
  type Data,
  type DataType,
  Decimal,
  Field,
  Int8,
  Map_,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  TimestampMillisecond,
  Uint32,
  Uint64,
  Utf8,
} from 'apache-arrow'
import { type ColumnKind, ratedUsageTable } from '../../schemas/tables.js'

export interface FloorEvent {
  readonly id: string
  readonly source: string
  readonly type: string
  readonly subject: string
  readonly time: string
  readonly data: {
    readonly input_tokens: number
    readonly output_tokens: number
    readonly model: string
    readonly region: string
    readonly tier: string
  }
}

const utf8 = new Utf8()
const instant = new TimestampMillisecond('UTC')
const decimal = new Decimal(12, 38, 128)
const entries = new Struct<{ key: Utf8; value: Utf8 }>([
  new Field('key', utf8, false),
  new Field('value', utf8, false),
])
const types: Readonly<Partial<Record<ColumnKind, DataType>>> = {
  string: utf8,
  low_cardinality: utf8,
  instant_ms: instant,
  decimal,
  uint32: new Uint32(),
  uint64: new Uint64(),
  int8: new Int8(),
  map: new Map_(new Field('entries', entries, false)),
}
const schema = new Schema(
  ratedUsageTable.columns.map(({ name, kind }) => {
    const type = types[kind]
    if (type === undefined) throw new Error(`rated_usage has a column of kind ${kind}`)
    return new Field(name, type, false)
  }),
)

const chargeId = `chg_${'0123456789abcdef'.repeat(2)}`
const encoder = new TextEncoder()
const scale = 10n ** 12n

export function floorRows(events: readonly FloorEvent[]): Uint8Array {
  const length = events.length * 2
  const eventTimes = twiceNumbers(events.map(event => Date.parse(event.time)))
  // A buffer of its own for each column: the writer of apache-arrow merges neighbours that share theirs.
  const nowMs = Date.now()
  const now = () => constantInstants(length, nowMs)
  const inputs = events.map(event => event.data.input_tokens)
  const outputs = events.map(event => event.data.output_tokens)
  const quantities = decimals([...inputs, ...outputs])
  const columns: Readonly<Record<string, Data>> = {
    event_source: twiceText(events.map(event => event.source)),
    event_id: twiceText(events.map(event => event.id)),
    event_type: constantText(length, 'llm.request'),
    event_time: eventTimes,
    ingested_at: now(),
    rated_at: now(),
    customer_id: twiceText(events.map(event => event.subject)),
    subscription_id: twiceText(events.map(event => event.subject)),
    subscription_version: constant64(length, 1n),
    plan: constantText(length, 'payg'),
    plan_version: constant32(length, 1),
    price: halves(events.length, 'input', 'output'),
    meter: halves(events.length, 'tokens_in', 'tokens_out'),
    charge_id: constantText(length, chargeId),
    period_from: now(),
    period_until: now(),
    value: text([...inputs.map(String), ...outputs.map(String)]),
    quantity: decimalColumn(quantities),
    amount: decimalColumn(quantities.slice()),
    currency: constantText(length, 'USD'),
    kind: constantText(length, 'usage'),
    event_count: makeData({ type: new Int8(), length, nullCount: 0, data: new Int8Array(length).fill(1) }),
    dimensions: dimensions(events),
    partition: constant32(length, 0),
    ledger_sequence: constant64(length, 1n),
  }
  const children = ratedUsageTable.columns.map(({ name }) => columns[name] ?? constantText(length, ''))
  const data = makeData({ type: new Struct(schema.fields), length, nullCount: 0, children })
  return RecordBatchStreamWriter.writeAll([new RecordBatch(schema, data)]).toUint8Array(true)
}

function text(values: readonly string[]): Data<Utf8> {
  const valueOffsets = new Int32Array(values.length + 1)
  let total = 0
  for (let i = 0; i < values.length; i += 1) {
    total += values[i]!.length
    valueOffsets[i + 1] = total
  }
  const data = new Uint8Array(total)
  const { written } = encoder.encodeInto(values.join(''), data)
  if (written !== total) throw new Error('the traffic of the benchmarks is ASCII')
  return makeData({ type: utf8, length: values.length, nullCount: 0, valueOffsets, data })
}

function twiceText(values: readonly string[]): Data<Utf8> {
  const once = text(values)
  const bytes = once.values.length
  const data = new Uint8Array(bytes * 2)
  data.set(once.values)
  data.copyWithin(bytes, 0, bytes)
  const count = values.length
  const valueOffsets = new Int32Array(count * 2 + 1)
  valueOffsets.set(once.valueOffsets)
  for (let i = 1; i <= count; i += 1) valueOffsets[count + i] = bytes + valueOffsets[i]!
  return makeData({ type: utf8, length: count * 2, nullCount: 0, valueOffsets, data })
}

function constantText(length: number, value: string): Data<Utf8> {
  const data = new Uint8Array(length * value.length)
  let filled = encoder.encodeInto(value, data).written
  for (; filled < data.length && filled > 0; filled *= 2) data.copyWithin(filled, 0, filled)
  const valueOffsets = new Int32Array(length + 1)
  for (let i = 1; i <= length; i += 1) valueOffsets[i] = i * value.length
  return makeData({ type: utf8, length, nullCount: 0, valueOffsets, data })
}

function halves(count: number, first: string, second: string): Data<Utf8> {
  return text([...Array<string>(count).fill(first), ...Array<string>(count).fill(second)])
}

function twiceNumbers(values: readonly number[]): Data {
  const data = new BigInt64Array(values.length * 2)
  for (let i = 0; i < values.length; i += 1) data[i] = BigInt(values[i]!)
  data.copyWithin(values.length, 0, values.length)
  return makeData({ type: instant, length: data.length, nullCount: 0, data: data as never })
}

function constantInstants(length: number, value: number): Data {
  const data = new BigInt64Array(length).fill(BigInt(value))
  return makeData({ type: instant, length, nullCount: 0, data: data as never })
}

function constant64(length: number, value: bigint): Data {
  return makeData({ type: new Uint64(), length, nullCount: 0, data: new BigUint64Array(length).fill(value) })
}

function constant32(length: number, value: number): Data {
  return makeData({ type: new Uint32(), length, nullCount: 0, data: new Uint32Array(length).fill(value) })
}

/** Whole numbers below 9 million: the scaled value fits the low of two words. */
function decimals(values: readonly number[]): BigInt64Array {
  const words = new BigInt64Array(values.length * 2)
  for (let i = 0; i < values.length; i += 1) words[i * 2] = BigInt(values[i]!) * scale
  return words
}

function decimalColumn(words: BigInt64Array): Data {
  const data = new Uint32Array(words.buffer)
  return makeData({ type: decimal, length: words.length / 2, nullCount: 0, data })
}

function dimensions(events: readonly FloorEvent[]): Data {
  const length = events.length * 2
  const values: string[] = []
  for (const { data } of events) values.push(data.model, data.region, data.tier)
  const keys = constantKeys(length)
  const valueOffsets = new Int32Array(length + 1)
  for (let i = 1; i <= length; i += 1) valueOffsets[i] = i * 3
  const child = makeData({
    type: entries,
    length: length * 3,
    nullCount: 0,
    children: [keys, twiceText(values)],
  })
  return makeData({ type: types.map as Map_, length, nullCount: 0, valueOffsets, child })
}

function constantKeys(rows: number): Data<Utf8> {
  const names = ['model', 'region', 'tier']
  const once = names.join('')
  const { values } = constantText(rows, once)
  const valueOffsets = new Int32Array(rows * 3 + 1)
  for (let i = 0, end = 0; i < rows * 3; i += 1) {
    end += names[i % 3]!.length
    valueOffsets[i + 1] = end
  }
  return makeData({ type: utf8, length: rows * 3, nullCount: 0, valueOffsets, data: values })
}
