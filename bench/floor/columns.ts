// The floor's rows: parsed events straight into the columns of `rated_usage`, two rows per event, as Arrow
// streams of the same encoding as the pipeline's. There is no logic: values that only rating could compute
// are constants of the usual form; `amount` is `quantity`.
// The trick: all first rows, then all second rows, so that a column that both share is encoded once and then
// copied.

import { ratedUsageSchema } from '../../pipeline/core/rows/rated-usage-columns.js'
import { DictionaryColumn, putConstantCodes } from '../../schemas/arrow/arrow-dictionary.js'
import { IpcBatch, type IpcDictionary, ipcStream } from '../../schemas/arrow/arrow-ipc.js'
import { NumberDictionary } from '../../schemas/arrow/arrow-number-dictionary.js'
import type { ColumnKind } from '../../schemas/table-description.js'
import { ratedUsageTable } from '../../schemas/tables.js'

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

/** Puts a column into the record batch; returns the dictionaries that belong to it. */
type Put = (batch: IpcBatch, ids: readonly number[]) => readonly IpcDictionary[]

const chargeId = `chg_${'0123456789abcdef'.repeat(2)}`
const encoder = new TextEncoder()
const scale = 10n ** 12n
/** Codes have 16 bits, and an event has two rows. */
const eventsPerStream = 32_768

export function floorRows(events: readonly FloorEvent[]): Uint8Array[] {
  const streams: Uint8Array[] = []
  for (let start = 0; start < events.length; start += eventsPerStream)
    streams.push(streamOf(events.slice(start, start + eventsPerStream)))
  return streams
}

function streamOf(events: readonly FloorEvent[]): Uint8Array {
  const length = events.length * 2
  const batch = new IpcBatch(length)
  const columns = columnsOf(events, length)
  const dictionaries: IpcDictionary[] = []
  for (const { name } of ratedUsageTable.columns) {
    const ids = ratedUsageSchema.dictionaryIds.get(name) ?? []
    const put = columns[name] ?? (ids.length === 0 ? noText(length) : constantCode(length, ''))
    dictionaries.push(...put(batch, ids))
  }
  return ipcStream(ratedUsageSchema.message, dictionaries, batch)
}

function columnsOf(events: readonly FloorEvent[], length: number): Readonly<Record<string, Put>> {
  const now = constantNumber(length, 'instant_ms', Date.now())
  const one64 = constantNumber(length, 'uint64', 1)
  const customers = twiceCodes(events.map(event => event.subject))
  const prices = halves(events.length)
  const inputs = events.map(event => event.data.input_tokens)
  const outputs = events.map(event => event.data.output_tokens)
  const quantities = fixed(length, decimals([...inputs, ...outputs]))
  return {
    event_source: twiceCodes(events.map(event => event.source)),
    event_id: twiceText(events.map(event => event.id)),
    event_type: constantCode(length, 'llm.request'),
    event_time: fixed(length, twiceInstants(events.map(event => Date.parse(event.time)))),
    ingested_at: fixed(length, new BigInt64Array(length).fill(BigInt(Date.now()))),
    rated_at: now,
    customer_id: customers,
    subscription_id: customers,
    subscription_version: one64,
    plan: constantCode(length, 'payg'),
    plan_version: constantNumber(length, 'uint32', 1),
    price: prices('input', 'output'),
    meter: prices('tokens_in', 'tokens_out'),
    charge_id: constantCode(length, chargeId),
    period_from: now,
    period_until: now,
    value: text([...inputs.map(String), ...outputs.map(String)]),
    quantity: quantities,
    amount: quantities,
    currency: constantCode(length, 'USD'),
    kind: constantCode(length, 'usage'),
    event_count: constantNumber(length, 'int8', 1),
    dimensions: dimensions(events),
    input_stream: constantCode(length, 'METERING'),
    input_sequence: one64,
    partition: constantNumber(length, 'uint32', 0),
    ledger_sequence: one64,
  }
}

function fixed(length: number, values: ArrayBufferView): Put {
  return batch => {
    batch.node(length)
    batch.buffer(values)
    return []
  }
}

function constantNumber(length: number, kind: ColumnKind, value: number): Put {
  return (batch, [id = 0]) => {
    const dictionary = new NumberDictionary()
    dictionary.codeOf(value)
    batch.node(length)
    putConstantCodes(batch, length)
    return [dictionary.put(id, kind)]
  }
}

function noText(length: number): Put {
  return plain(length, new Int32Array(length + 1), new Uint8Array())
}

function plain(length: number, offsets: Int32Array, bytes: Uint8Array): Put {
  return batch => {
    batch.node(length)
    batch.buffer(offsets)
    batch.buffer(bytes)
    return []
  }
}

function text(values: readonly string[]): Put {
  const { offsets, bytes } = encoded(values)
  return plain(values.length, offsets, bytes)
}

function twiceText(values: readonly string[]): Put {
  const once = encoded(values)
  const size = once.bytes.length
  const bytes = new Uint8Array(size * 2)
  bytes.set(once.bytes)
  bytes.copyWithin(size, 0, size)
  const count = values.length
  const offsets = new Int32Array(count * 2 + 1)
  offsets.set(once.offsets)
  for (let i = 1; i <= count; i += 1) offsets[count + i] = size + offsets[i]!
  return plain(count * 2, offsets, bytes)
}

function encoded(values: readonly string[]): { readonly offsets: Int32Array; readonly bytes: Uint8Array } {
  const offsets = new Int32Array(values.length + 1)
  let total = 0
  for (let i = 0; i < values.length; i += 1) {
    total += values[i]!.length
    offsets[i + 1] = total
  }
  const bytes = new Uint8Array(total)
  const { written } = encoder.encodeInto(values.join(''), bytes)
  if (written !== total) throw new Error('the traffic of the benchmarks is ASCII')
  return { offsets, bytes }
}

function codesOf(column: DictionaryColumn, length: number): Put {
  return (batch, [id = 0]) => [column.put(batch, id, length)]
}

function twiceCodes(values: readonly string[]): Put {
  const column = new DictionaryColumn()
  for (const value of values) column.append(value)
  column.repeatLast(values.length)
  return codesOf(column, values.length * 2)
}

function constantCode(length: number, value: string): Put {
  const column = new DictionaryColumn()
  column.append(value)
  for (let filled = 1; filled < length; ) {
    const more = Math.min(filled, length - filled)
    column.repeatLast(more)
    filled += more
  }
  return codesOf(column, length)
}

function halves(count: number): (first: string, second: string) => Put {
  return (first, second) => {
    const column = new DictionaryColumn()
    const codes = [column.codeOf(first), column.codeOf(second)]
    for (const code of codes) for (let i = 0; i < count; i += 1) column.appendCode(code)
    return codesOf(column, count * 2)
  }
}

function twiceInstants(values: readonly number[]): BigInt64Array {
  const words = new BigInt64Array(values.length * 2)
  for (let i = 0; i < values.length; i += 1) words[i] = BigInt(values[i]!)
  words.copyWithin(values.length, 0, values.length)
  return words
}

/** Whole numbers below 9 million: the scaled value fits the low of two words. */
function decimals(values: readonly number[]): BigInt64Array {
  const words = new BigInt64Array(values.length * 2)
  for (let i = 0; i < values.length; i += 1) words[i * 2] = BigInt(values[i]!) * scale
  return words
}

function dimensions(events: readonly FloorEvent[]): Put {
  const length = events.length * 2
  const keys = new DictionaryColumn()
  const values = new DictionaryColumn()
  const names = ['model', 'region', 'tier'].map(name => keys.codeOf(name))
  for (const { data } of events) {
    for (const name of names) keys.appendCode(name)
    values.append(data.model)
    values.append(data.region)
    values.append(data.tier)
  }
  const entries = events.length * names.length
  keys.repeatLast(entries)
  values.repeatLast(entries)
  const offsets = new Int32Array(length + 1)
  for (let i = 1; i <= length; i += 1) offsets[i] = i * names.length
  return (batch, [keyId = 0, valueId = 0]) => {
    batch.node(length)
    batch.buffer(offsets)
    batch.node(entries * 2)
    return [keys.put(batch, keyId, entries * 2), values.put(batch, valueId, entries * 2)]
  }
}
