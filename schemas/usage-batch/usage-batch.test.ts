// Tests usage batches in Arrow: each row means the JSON event; hostile bytes are refused.

import { readFileSync } from 'node:fs'
import {
  Dictionary,
  DurationSecond,
  Field,
  Int8,
  Int32,
  LargeUtf8,
  List,
  Null,
  RecordBatchFileWriter,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  Table,
  TimestampMicrosecond,
  TimestampMillisecond,
  TimestampNanosecond,
  TimestampSecond,
  Uint16,
  Utf8,
  type Vector,
  vectorFromArray,
} from 'apache-arrow'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { messageFormOf, usageBatchFileType, usageBatchType } from '../../schemas/event/media-types.js'
import { parseMessage, validateEvent } from '../event/cloud-event.js'
import { hashContent, hashIdentity, hashWords } from '../event/event-hash.js'
import { packageRoot } from '../package-root.js'
import { decodeUsageBatch } from './usage-batch.js'
import { maxUsageBatchRows } from './usage-batch-schema.js'
import { encodeUsageBatch, type UsageRow } from './usage-batch-writer.js'

const row: UsageRow = { id: 'e1', source: 'api', type: 'llm.request', subject: 'cus_1', data: '{"tokens":5}' }

/** Each event's code, or ok; or the code of the whole. */
function codes(bytes: Uint8Array): string[] {
  const message = parseMessage(bytes, usageBatchType)
  if (message.kind === 'rejected') return [`message: ${message.rejection.code}`]
  return message.events.map(event => {
    const valid = event.kind === 'ok' ? validateEvent(event.value, 0) : event
    return valid.kind === 'ok' ? 'ok' : `${valid.rejection.code} ${valid.rejection.pointer}`
  })
}

function whyRefused(bytes: Uint8Array): string {
  const decoded = decodeUsageBatch(bytes)
  return decoded.kind === 'ok' ? 'ok' : `${decoded.rejection.code}: ${decoded.rejection.detail}`
}

const texts = (...values: (string | null)[]) => vectorFromArray(values, new Utf8())
/** The columns of one good row, with others put in place or added; undefined leaves one out. */
function stream(columns: Record<string, Vector | undefined> = {}, length = 1): Uint8Array {
  const all: Record<string, Vector | undefined> = {}
  for (const [name, value] of Object.entries(row)) all[name] = texts(...Array(length).fill(value))
  Object.assign(all, columns)
  const given = Object.entries(all).filter((entry): entry is [string, Vector] => entry[1] !== undefined)
  return RecordBatchStreamWriter.writeAll(new Table(Object.fromEntries(given)).batches).toUint8Array(true)
}

test('a row means what the JSON event with its attributes means: same verdict, same identity, same content', () => {
  const text = fc.oneof(
    fc.constantFrom('a', '', 'ü', '🙂', '\u0000', 'x'.repeat(257)),
    fc.string({ unit: 'grapheme' }),
  )
  const time = fc.constantFrom('2026-01-02T03:04:05.678Z', '2026-01-02T03:04:05+02:00', 'yesterday', '')
  const event = fc.record(
    {
      id: text,
      source: text,
      type: fc.oneof(text, fc.constantFrom('weir.fx_rate.published', 'weir.invoice.paid')),
      subject: text,
      time,
      subscriptionid: text,
      correlationid: text,
      traceparent: text,
      data: fc.oneof(fc.jsonValue({ maxDepth: 4 }), fc.constant({ n: 1, m: 1.5e300, '': -0 })),
    },
    { requiredKeys: ['id', 'source', 'type', 'subject', 'data'] },
  )
  fc.assert(
    fc.property(fc.array(event, { maxLength: 8 }), events => {
      const json = events.map(one => JSON.stringify({ specversion: '1.0', ...one }))
      const lines = parseMessage(Buffer.from(json.join('\n')), 'application/x-ndjson')
      const batch = encodeUsageBatch(events.map(one => ({ ...one, data: JSON.stringify(one.data) })))
      const rows = parseMessage(batch, usageBatchType)
      if (lines.kind === 'rejected' || rows.kind === 'rejected') throw new Error('refused as a whole')
      expect(rows.events.length).toBe(events.length)
      rows.events.forEach((one, index) => {
        const fromJson = lines.events[index]!
        if (one.kind === 'rejected' || fromJson.kind === 'rejected')
          throw new Error('refused before the rules')
        const valid = validateEvent(one.value, 7)
        expect(valid).toEqual(validateEvent(fromJson.value, 7))
        if (valid.kind === 'ok') expect(hashes(valid.value)).toEqual(hashes(validOf(fromJson.value)))
      })
    }),
    { numRuns: 400 },
  )
})

type Valid = Parameters<typeof hashContent>[0]

function validOf(value: unknown): Valid {
  const valid = validateEvent(value, 7)
  if (valid.kind === 'rejected') throw new Error(valid.rejection.detail)
  return valid.value
}

function hashes(event: Valid): Uint32Array[] {
  const [identity, content] = [new Uint32Array(hashWords), new Uint32Array(hashWords)]
  hashIdentity(event.source, event.id, identity)
  hashContent(event, content)
  return [identity, content]
}

test('texts may come by way of a dictionary, with 64-bit offsets, and as a column of nulls', () => {
  const dictionary = (values: (string | null)[], index: Int8 | Uint16 | Int32) =>
    vectorFromArray(values, new Dictionary(new Utf8(), index))
  const bytes = stream(
    {
      id: vectorFromArray(['1', '2', '3'], new LargeUtf8()),
      type: dictionary(['a', 'b', 'a'], new Int8()),
      subject: dictionary(['ü', 'ü', null], new Uint16()),
      time: dictionary([null, '2026-01-01T00:00:00Z', null], new Int32()),
      traceparent: vectorFromArray([null, null, null], new Null()),
      correlationid: texts('c', null, ''),
      specversion: texts('1.0', '0.3', null),
    },
    3,
  )
  expect(codes(bytes)).toEqual([
    'ok',
    'unsupported_specversion /specversion',
    'missing_attribute /specversion',
  ])
  const decoded = decodeUsageBatch(bytes)
  const [part] = decoded.kind === 'ok' ? decoded.batch.parts : []
  const read = (name: 'id' | 'type' | 'subject' | 'time' | 'correlationid') =>
    [0, 1, 2].map(index => part?.columns[name]?.at(index))
  expect(read('id')).toEqual(['1', '2', '3'])
  expect(read('type')).toEqual(['a', 'b', 'a'])
  expect(read('subject')).toEqual(['ü', 'ü', undefined])
  expect(read('time')).toEqual([undefined, '2026-01-01T00:00:00Z', undefined])
  expect(read('correlationid')).toEqual(['c', undefined, ''])
})

test('a timestamp is the shortest RFC 3339 text of its instant, in UTC with any time zone and without one', () => {
  const timesOf = (column: Vector) => {
    const message = parseMessage(stream({ time: column }, column.length), usageBatchType)
    if (message.kind === 'rejected') throw new Error(message.rejection.detail)
    return message.events.map(event =>
      event.kind === 'ok' ? (event.value as { time?: string }).time : event.rejection.pointer,
    )
  }
  const at = Date.UTC(2026, 0, 2, 3, 4, 5)
  expect(timesOf(vectorFromArray([at, at + 678, -1, null], new TimestampMillisecond('UTC')))).toEqual([
    '2026-01-02T03:04:05Z',
    '2026-01-02T03:04:05.678Z',
    '1969-12-31T23:59:59.999Z',
    undefined,
  ])
  const raw = (type: TimestampSecond | TimestampMicrosecond | TimestampNanosecond, ...values: bigint[]) => {
    const vector = vectorFromArray(
      values.map(() => 0),
      type,
    )
    vector.data[0]!.values.set(new BigInt64Array(values) as never)
    return vector
  }
  const us = BigInt(at) * 1_000n
  const micro = raw(new TimestampMicrosecond('UTC'), us, us + 600_000n, us + 7n, -1n, 2n ** 62n)
  expect(timesOf(micro)).toEqual([
    '2026-01-02T03:04:05Z',
    '2026-01-02T03:04:05.600Z',
    '2026-01-02T03:04:05.000007Z',
    '1969-12-31T23:59:59.999999Z',
    '/time',
  ])
  const nano = raw(new TimestampNanosecond('Europe/Berlin'), us * 1_000n + 1n, us * 1_000n + 1_000n)
  expect(timesOf(nano)).toEqual(['2026-01-02T03:04:05.000000001Z', '2026-01-02T03:04:05.000001Z'])
  const second = raw(new TimestampSecond(), us / 1_000_000n, -1n, 2n ** 62n, -(2n ** 62n))
  expect(timesOf(second)).toEqual(['2026-01-02T03:04:05Z', '1969-12-31T23:59:59Z', '/time', '/time'])
})

test('a bad row is refused alone, with the code that it would have as JSON', () => {
  const bytes = stream(
    {
      id: texts('1', '', '3', null, '5', '6', '7'),
      data: texts('{}', '{}', '{', '{}', '[]', null, '{"a":1}'),
      time: texts(null, null, null, null, null, null, 'today'),
    },
    7,
  )
  expect(codes(bytes)).toEqual([
    'ok',
    'invalid_attribute /id',
    'malformed_json /data',
    'missing_attribute /id',
    'invalid_data /data',
    'ok',
    'invalid_time /time',
  ])
})

test('bytes that are not UTF-8 harm their own row only', () => {
  const bytes = Buffer.from(stream({ id: texts('ab', 'ü', 'cd'), data: texts('{}', '{"é":1}', '{}') }, 3))
  const at = bytes.indexOf('abücd')
  bytes[at] = 0xff
  expect(codes(bytes)).toEqual(['invalid_attribute /id', 'ok', 'ok'])
  bytes.write('aüx', at) // text as a whole, but the border of the first two rows is within a character
  expect(codes(bytes)).toEqual(['invalid_attribute /id', 'invalid_attribute /id', 'ok'])
})

test('what is no batch of usage events is refused as a whole, and says which column and why', () => {
  const good = stream()
  const refused = (columns: Record<string, Vector | undefined>) => whyRefused(stream(columns))
  const struct = vectorFromArray([{ region: 'eu' }])
  expect(whyRefused(good)).toBe('ok')
  expect(refused({ region: texts('eu') })).toMatch(
    /^malformed_arrow: .*the column "region" would be a field of data, but the column "data" holds all of it/,
  )
  expect(refused({ data: struct, region: texts('eu') })).toMatch(
    /the column "region" is a field of .*"data", too/,
  )
  expect(refused({ data_base64: texts('e30=') })).toMatch(
    /the column "data_base64" is not taken; send "data"/,
  )
  expect(refused({ subject: undefined })).toMatch(/the column "subject" is missing/)
  expect(refused({ data: vectorFromArray([1], new Int32()) })).toMatch(
    /"data" has the type int; it is a struct, a map or JSON text/,
  )
  expect(refused({ id: vectorFromArray([null], new Null()) })).toMatch(/"id" has the type null; it is text/)
  expect(refused({ time: vectorFromArray([0], new Int32()) })).toMatch(
    /"time" .* int; it is text or a timestamp/,
  )
  expect(refused({ data: undefined, took: vectorFromArray([1n], new DurationSecond()) })).toMatch(
    /the column "took" has the type duration, for which JSON has no form/,
  )
  const deep = vectorFromArray(
    [{ a: [1n] }],
    new Struct([new Field('a', new List(new Field('v', new DurationSecond())))]),
  )
  expect(refused({ data: deep })).toMatch(
    /"data" has within it "a", which has within it "v", which has the type duration/,
  )
  expect(whyRefused(Buffer.alloc(0))).toMatch(/no schema/)
  expect(whyRefused(Buffer.from('[{"id":1}]'))).toMatch(/^malformed_arrow/)
  expect(whyRefused(Buffer.concat([good, good]))).toMatch(/follows the end/)
  expect(whyRefused(Buffer.from(good).subarray(0, -20))).toMatch(/^malformed_arrow/)
  const twice = new Schema([new Field('id', new Utf8()), new Field('id', new Utf8())])
  const writer = new RecordBatchStreamWriter()
  writer.reset(undefined, twice).finish()
  expect(whyRefused(writer.toUint8Array(true))).toMatch(/"id" is there twice/)
})

test('a file is read as the stream, whatever is cut off of it', () => {
  const table = new Table({ ...oneRow('1') })
  const file = Buffer.from(RecordBatchFileWriter.writeAll(table.batches).toUint8Array(true))
  expect(parseMessage(file, usageBatchType)).toEqual(parseMessage(file, usageBatchFileType))
  expect(parseMessage(file)).toEqual(parseMessage(file, usageBatchType))
  expect(parseMessage(file)).toEqual(parseMessage(stream({ id: texts('1') }), usageBatchType))
  for (const bytes of [file.subarray(0, 12), file.subarray(0, -1), file.subarray(0, file.length / 2)])
    expect(whyRefused(bytes)).toMatch(/^malformed_arrow: .*a file that is cut off/)
})

test('the golden batch is the golden events, and is still written as it was', () => {
  const golden = (name: string) => readFileSync(new URL(`schemas/golden/${name}`, packageRoot))
  const asJson = JSON.parse(golden('cloud-events.json').toString()) as Record<string, unknown>[]
  // JSON text says of itself what it is; a batch has no column for that.
  const events = asJson.map(({ datacontenttype: _, ...event }) => event)
  const message = parseMessage(golden('usage-batch.arrow'), usageBatchType)
  expect(message).toEqual({ kind: 'ok', events: events.map(value => ({ kind: 'ok', value })) })
  const rows = events.map(({ specversion: _, data, ...attributes }) => {
    return { ...attributes, data: JSON.stringify(data) } as UsageRow
  })
  expect(Buffer.compare(encodeUsageBatch(rows), golden('usage-batch.arrow'))).toBe(0)
})

test('several record batches of one stream are one batch, and none is a batch of no rows', () => {
  const tables = [new Table({ ...oneRow('1') }), new Table({ ...oneRow('2') })]
  const both = RecordBatchStreamWriter.writeAll(tables.flatMap(table => table.batches)).toUint8Array(true)
  expect(codes(both)).toEqual(['ok', 'ok'])
  expect(codes(encodeUsageBatch([]))).toEqual([])
})

function oneRow(id: string): Record<string, Vector> {
  return Object.fromEntries(
    Object.entries({ ...row, id }).map(([name, value]) => [name, texts(value ?? null)]),
  )
}

test('a dictionary cannot make a small batch grow without end', () => {
  const rows = 9_000
  const dictionary = new Dictionary(new Utf8(), new Int32())
  const large = vectorFromArray(Array(rows).fill(`{"x":"${'y'.repeat(8_000)}"}`), dictionary)
  const bytes = stream({ data: large }, rows)
  expect(bytes.length).toBeLessThan(1_000_000)
  expect(whyRefused(bytes)).toMatch(/^body_too_large/)
  const many = encodeUsageBatch(Array(maxUsageBatchRows + 1).fill(row))
  expect(whyRefused(many)).toMatch(/^body_too_large/)
})

test('flipped, cut and swapped bytes are answered, whatever they claim', () => {
  const rich = stream(
    {
      type: vectorFromArray(['a', 'b', 'a'], new Dictionary(new Utf8(), new Int8())),
      time: vectorFromArray([1, null, 3], new TimestampMillisecond('UTC')),
      id: texts('1', 'ü', '3'),
    },
    3,
  )
  const change = fc.tuple(fc.nat(rich.length - 1), fc.oneof(fc.nat(255), fc.constantFrom(0, 255, 127, 128)))
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), fc.nat(rich.length), (changes, length) => {
      const bytes = Uint8Array.from(rich)
      for (const [at, value] of changes) bytes[at] = value
      for (const one of [bytes, bytes.subarray(0, length)])
        for (const code of codes(one)) expect(code).toBeTruthy()
    }),
    { numRuns: Number(process.env['WEIR_ARROW_FUZZ'] ?? 1_500) },
  )
})

test('the content type is recognised with its parameters', () => {
  expect(messageFormOf('application/vnd.apache.arrow.stream')).toBe('usage_batch')
  expect(messageFormOf('Application/Vnd.Apache.Arrow.Stream; x=y')).toBe('usage_batch')
  expect(messageFormOf('application/vnd.apache.arrow.file')).toBe('usage_batch')
  expect(messageFormOf(undefined)).not.toBe('usage_batch')
})
