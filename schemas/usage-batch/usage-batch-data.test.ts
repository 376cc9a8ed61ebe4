// Data that comes as columns: each row means the JSON event with these data, digit for digit.

import {
  Binary,
  Bool,
  DateDay,
  DateMillisecond,
  Decimal,
  Dictionary,
  Field,
  FixedSizeList,
  Float16,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  LargeUtf8,
  List,
  Map_,
  makeData,
  Null,
  RecordBatchStreamWriter,
  Struct,
  Table,
  TimeMicrosecond,
  TimeSecond,
  TimestampNanosecond,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
  Utf8View,
  Vector,
  vectorFromArray,
} from 'apache-arrow'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseMessage, validateEvent } from '../event/cloud-event.js'
import { usageBatchType } from '../event/media-types.js'
import { parseJson } from '../json/json-text.js'
import { decodeUsageBatch, rowEvent } from './usage-batch.js'

const attributes = { id: 'e1', source: 'api', type: 'llm.request', subject: 'cus_1' }

function stream(columns: Record<string, Vector>, rows: number): Uint8Array {
  const all: Record<string, Vector> = {}
  for (const [name, value] of Object.entries(attributes))
    all[name] = vectorFromArray(Array(rows).fill(value), new Utf8())
  return RecordBatchStreamWriter.writeAll(new Table({ ...all, ...columns }).batches).toUint8Array(true)
}

/** The data of each row as they are written; or its code and pointer; or why the whole is refused. */
function dataOf(columns: Record<string, Vector>, rows = Object.values(columns)[0]!.length): string[] {
  const decoded = decodeUsageBatch(stream(columns, rows))
  if (decoded.kind === 'rejected') return [decoded.rejection.detail]
  return decoded.batch.parts.flatMap(part =>
    Array.from({ length: part.length }, (_, row) => {
      const event = rowEvent(part, row)
      const valid = event.kind === 'ok' ? validateEvent(event.value, 0) : event
      if (valid.kind === 'rejected') return `${valid.rejection.code} ${valid.rejection.pointer}`
      return String(part.columns.data?.at(row))
    }),
  )
}

const raw = (type: object, bytes: ArrayBufferView, length: number) =>
  new Vector([makeData({ type: type as Int8, length, nullCount: 0, data: bytes as Int8Array })])

const texts = (...values: (string | null)[]) => vectorFromArray(values, new Utf8())

test('a column beyond the attributes is a field of data, and a null is none', () => {
  const columns = {
    region: texts('eu', null, 'ü"\\'),
    cached: vectorFromArray([true, false, null], new Bool()),
  }
  expect(dataOf(columns)).toEqual([
    '{"region":"eu","cached":true}',
    '{"cached":false}',
    '{"region":"ü\\"\\\\"}',
  ])
  expect(dataOf({ nothing: vectorFromArray([null, null], new Null()) })).toEqual(['{}', '{}'])
})

test('a struct, a map and fields beside a struct make one object', () => {
  const struct = vectorFromArray(
    [{ a: 1, b: null }, null],
    new Struct([new Field('a', new Int32()), new Field('b', new Utf8())]),
  )
  expect(dataOf({ data: struct })[0]).toBe('{"a":1}')
  expect(dataOf({ data: struct, c: texts('x', 'y') })).toEqual(['{"a":1,"c":"x"}', '{"c":"y"}'])
  const entries = new Struct<{ key: Utf8; value: Int32 }>([
    new Field('key', new Utf8()),
    new Field('value', new Int32()),
  ])
  const map = vectorFromArray(
    [
      new Map([
        ['k"', 1],
        ['l', null],
      ]),
      new Map(),
    ],
    new Map_(new Field('entries', entries)),
  )
  expect(dataOf({ data: map })).toEqual(['{"k\\"":1}', '{}'])
  expect(dataOf({ data: map, c: texts('x', 'y') })[0]).toMatch(
    /"c" would be a field of data, but the column "data" holds all/,
  )
  expect(dataOf({ tags: map })).toEqual(['{"tags":{"k\\"":1}}', '{"tags":{}}'])
})

test('what pandas adds and Weir does not read is no field', () => {
  const index = vectorFromArray([17n, 18n], new Int64())
  const columns = {
    n: vectorFromArray([1, 2], new Int8()),
    __index_level_0__: index,
    dataschema: texts('x', null),
  }
  expect(dataOf(columns)).toEqual(['{"n":1}', '{"n":2}'])
})

test('whole numbers and decimals keep every digit', () => {
  const column = (type: object, bytes: ArrayBufferView) => dataOf({ n: raw(type, bytes, 2) })
  const numbers = (...values: string[]) => values.map(value => `{"n":${value}}`)
  expect(column(new Int64(), new BigInt64Array([2n ** 53n + 1n, -(2n ** 63n)]))).toEqual(
    numbers('9007199254740993', '-9223372036854775808'),
  )
  expect(column(new Uint64(), new BigUint64Array([2n ** 64n - 1n, 0n]))).toEqual(
    numbers('18446744073709551615', '0'),
  )
  expect(column(new Int8(), Int8Array.of(-128, 127))).toEqual(numbers('-128', '127'))
  expect(column(new Uint8(), Uint8Array.of(255, 0))).toEqual(numbers('255', '0'))
  expect(column(new Int16(), Int16Array.of(-1, 2))).toEqual(numbers('-1', '2'))
  expect(column(new Uint16(), Uint16Array.of(65_535, 2))).toEqual(numbers('65535', '2'))
  expect(column(new Int32(), Int32Array.of(-1, 2))).toEqual(numbers('-1', '2'))
  expect(column(new Uint32(), Uint32Array.of(4_294_967_295, 2))).toEqual(numbers('4294967295', '2'))
  const wide = (...values: bigint[]) =>
    new BigUint64Array(values.flatMap(n => [BigInt.asUintN(64, n), BigInt.asUintN(64, n >> 64n)]))
  const decimals = (scale: number, ...values: bigint[]) =>
    column(new Decimal(scale, 38, 128), new Uint32Array(wide(...values).buffer))
  expect(decimals(12, 12_345_678_901_234_567_890_123n, -5n)).toEqual(
    numbers('12345678901.234567890123', '-0.000000000005'),
  )
  expect(decimals(4, 123_400n, -(10n ** 30n))).toEqual(numbers('12.34', '-100000000000000000000000000'))
  expect(decimals(-2, 7n, 0n)).toEqual(numbers('700', '0'))
})

test('a decimal of any scale is its digits, shifted', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }),
      fc.integer({ min: 0, max: 12 }),
      (whole, scale) => {
        const words = BigUint64Array.of(BigInt.asUintN(64, whole), BigInt.asUintN(64, whole >> 64n))
        const [text] = dataOf({ n: raw(new Decimal(scale, 38, 128), new Uint32Array(words.buffer), 1) })
        const [, sign, ones, fraction = ''] = /^\{"n":(-?)(\d+)(?:\.(\d+))?\}$/.exec(text!)!
        expect(BigInt(`${sign}${ones}${fraction.padEnd(scale, '0')}`)).toBe(whole)
      },
    ),
    { numRuns: 300 },
  )
})

test('a floating-point number is its shortest text, and one that is not finite refuses its row alone', () => {
  const floats = (type: object, bytes: ArrayBufferView, length: number) =>
    dataOf({ n: raw(type, bytes, length) })
  expect(
    floats(new Float64(), Float64Array.of(0.1, 1e21, -0, 1e-7, Number.NaN, Number.NEGATIVE_INFINITY), 6),
  ).toEqual([
    '{"n":0.1}',
    '{"n":1e+21}',
    '{"n":0}',
    '{"n":1e-7}',
    'invalid_data /data/n',
    'invalid_data /data/n',
  ])
  expect(floats(new Float32(), Float32Array.of(0.1, 16_777_216, 3.4028235e38, 1.1754944e-38), 4)).toEqual([
    '{"n":0.1}',
    '{"n":16777216}',
    '{"n":3.4028235e+38}',
    '{"n":1.1754944e-38}',
  ])
  // 0.1, 1, 65504 (the largest), the smallest, minus two, infinity.
  expect(floats(new Float16(), Uint16Array.of(0x2e66, 0x3c00, 0x7bff, 1, 0xc000, 0x7c00), 6)).toEqual([
    '{"n":0.1}',
    '{"n":1}',
    '{"n":65500}',
    '{"n":6e-8}',
    '{"n":-2}',
    'invalid_data /data/n',
  ])
})

test('a single-precision number reads back as it is', () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), value => {
      const [text] = dataOf({ n: raw(new Float32(), Float32Array.of(value), 1) })
      const parsed = parseJson(text!)
      const shown = Number((parsed.kind === 'ok' ? (parsed.value as { n: unknown }).n : undefined) as number)
      expect(Math.fround(shown)).toBe(value === 0 ? 0 : value)
    }),
    { numRuns: 500 },
  )
})

test('dates, times and instants are texts, and one that has no such text refuses its row alone', () => {
  expect(dataOf({ d: raw(new DateDay(), Int32Array.of(20_455, -1, 2 ** 30), 3) })).toEqual([
    '{"d":"2026-01-02"}',
    '{"d":"1969-12-31"}',
    'invalid_data /data/d',
  ])
  const day = 86_400_000n
  expect(dataOf({ d: raw(new DateMillisecond(), BigInt64Array.of(20_455n * day, 1n), 2) })).toEqual([
    '{"d":"2026-01-02"}',
    'invalid_data /data/d',
  ])
  expect(dataOf({ t: raw(new TimeSecond(), Int32Array.of(11_045, -1), 2) })).toEqual([
    '{"t":"03:04:05"}',
    'invalid_data /data/t',
  ])
  expect(
    dataOf({ t: raw(new TimeMicrosecond(), BigInt64Array.of(11_045_600_000n, 86_400_000_000n), 2) }),
  ).toEqual(['{"t":"03:04:05.6"}', 'invalid_data /data/t'])
  const instants = BigInt64Array.of(1_767_323_045_000_000_001n, 0n)
  expect(dataOf({ at: raw(new TimestampNanosecond('Asia/Tokyo'), instants, 2) })).toEqual([
    '{"at":"2026-01-02T03:04:05.000000001Z"}',
    '{"at":"1970-01-01T00:00:00Z"}',
  ])
})

test('lists keep their nulls, and texts may be large, views, bytes or from a dictionary', () => {
  const list = new List(new Field('item', new Int32()))
  expect(dataOf({ steps: vectorFromArray([[1, null, 3], [], null], list) })).toEqual([
    '{"steps":[1,null,3]}',
    '{"steps":[]}',
    '{}',
  ])
  const pair = new FixedSizeList(2, new Field('item', new Utf8()))
  expect(
    dataOf({
      pair: vectorFromArray(
        [
          ['a', 'b'],
          ['c', null],
        ],
        pair,
      ),
    }),
  ).toEqual(['{"pair":["a","b"]}', '{"pair":["c",null]}'])
  expect(dataOf({ word: vectorFromArray(['a', null, 'ü'], new LargeUtf8()) })).toEqual([
    '{"word":"a"}',
    '{}',
    '{"word":"ü"}',
  ])
  const long = 'longer than twelve bytes, größer'
  expect(dataOf({ word: vectorFromArray([long, null, 'short', ''], new Utf8View()) })).toEqual([
    `{"word":"${long}"}`,
    '{}',
    '{"word":"short"}',
    '{"word":""}',
  ])
  const bytes = vectorFromArray([Buffer.from('größe'), Buffer.from([0xff])], new Binary())
  expect(dataOf({ word: bytes })).toEqual(['{"word":"größe"}', 'invalid_data /data/word'])
  const words = vectorFromArray(['b', null, 'a', 'b'], new Dictionary(new Utf8(), new Uint8()))
  expect(dataOf({ word: words })).toEqual(['{"word":"b"}', '{}', '{"word":"a"}', '{"word":"b"}'])
})

test('attributes may be views, bytes and dictionaries of them', () => {
  const long = 'a subject that is longer than twelve bytes'
  const message = parseMessage(
    stream(
      {
        id: vectorFromArray(['1', 'an id that is longer than twelve'], new Utf8View()),
        subject: vectorFromArray([long, long], new Dictionary(new LargeUtf8(), new Int16())),
        data: vectorFromArray([Buffer.from('{"n":1}'), Buffer.from('{')], new Binary()),
      },
      2,
    ),
    usageBatchType,
  )
  expect(message).toMatchObject({
    events: [
      { kind: 'ok', value: { id: '1', subject: long, data: { n: 1 } } },
      {
        kind: 'rejected',
        rejection: { code: 'malformed_json' },
        raw: { id: 'an id that is longer than twelve' },
      },
    ],
  })
})

test('the media type of data is checked as in JSON', () => {
  const types = texts('application/json', 'text/xml', null, 'application/vnd.x+json')
  expect(dataOf({ datacontenttype: types, n: vectorFromArray([1, 2, 3, 4], new Int8()) })).toEqual([
    '{"n":1}',
    'unsupported_content_type /datacontenttype',
    '{"n":3}',
    '{"n":4}',
  ])
})

test('neither a wide list nor a deep schema makes a small batch grow without end', () => {
  const nothing = new FixedSizeList(2 ** 20, new Field('item', new Null()))
  const data = makeData({
    type: nothing,
    length: 100,
    nullCount: 0,
    child: makeData({ type: new Null(), length: 100 * 2 ** 20 }),
  })
  const decoded = decodeUsageBatch(stream({ list: new Vector([data]) }, 100))
  expect(decoded).toMatchObject({ rejection: { code: 'body_too_large' } })
  let deep: Struct = new Struct([new Field('a', new Int8())])
  for (let i = 0; i < 40; i += 1) deep = new Struct([new Field('a', deep)])
  expect(dataOf({ deep: vectorFromArray([null], deep) })[0]).toMatch(/nested deeper than 32/)
  const many = Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`c${i}`, texts('x')]))
  expect(dataOf(many)[0]).toMatch(/more than 512 columns/)
})
