// An Arrow row that the scanner takes as plain reads as the parser reads it.
// The long run: WEIR_FUZZ_SCANS=1000000 npx vitest run pipeline/core/scan/batch-scanner

import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  type DataType,
  Dictionary,
  Field,
  Float64,
  Int32,
  LargeUtf8,
  Null,
  RecordBatchFileWriter,
  RecordBatchStreamWriter,
  Struct,
  Table,
  TimestampMicrosecond,
  TimestampMillisecond,
  type TypeMap,
  Utf8,
  Utf8View,
  type Vector,
  vectorFromArray,
} from 'apache-arrow'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { usageBatchType } from '../../../schemas/event/media-types.js'
import { packageRoot } from '../../../schemas/package-root.js'
import { compressedStream } from '../../../schemas/testing/compressed-batch.js'
import { encodeUsageBatch, type UsageRow } from '../../../schemas/usage-batch/usage-batch-writer.js'
import { expectSame } from '../../testing/expect-same-scan.js'
import { anyMessage, Dice, mutated } from '../../testing/hostile-messages.js'
import { ScanLayout } from './layout.js'
import { UsageScanner } from './scanner.js'

const scans = Number(process.env['WEIR_FUZZ_SCANS'] ?? 6_000)
const paths = [['a'], ['tokens'], ['a', 'b'], ['é'], ['tokens'], [], ['__proto__']]
const scanner = new UsageScanner(new ScanLayout(paths))
const same = (message: Uint8Array) => expectSame(scanner, paths, message, usageBatchType)

const row: UsageRow = {
  id: 'e1',
  source: 'api',
  type: 'llm.request',
  subject: 'cus_1',
  time: '2026-01-02T03:04:05.678Z',
  data: '{"tokens":5,"a":{"b":"é"}}',
}

const texts = [
  '',
  'x',
  'é🙂',
  '\u0000',
  '"',
  '\\',
  '\u0001',
  'weir.x',
  'weir',
  'x'.repeat(256),
  'é'.repeat(129),
]
const times = [
  undefined,
  '2026-01-01T00:00:00Z',
  '2026-01-01T00:00:00.123456+02:00',
  '2026-02-30T00:00:00Z',
  '5Z',
  '',
]

/**
 * A row of any kind; `data` is now and then odd JSON, something JSON does not allow, or a part of another
 * row.
 */
function anyRow(dice: Dice): UsageRow {
  const odd = dice.pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  const datas = [
    '{}',
    '{"tokens":1}',
    ' {"tokens":1}',
    '{"tokens":1} ',
    '{"a":{"b":[1,{}]}}',
    '{"a":"',
    '{',
    '[]',
    '',
  ]
  return {
    ...row,
    id: odd === 0 ? dice.pick(texts) : `e${dice.pick(texts.slice(1, 3))}`,
    ...(odd === 1 ? { source: dice.pick(texts) } : {}),
    ...(odd === 2 ? { type: dice.pick(texts) } : {}),
    ...(odd === 3 ? { subject: dice.pick(texts) } : {}),
    ...(odd === 4 ? { correlationid: dice.pick(texts), traceparent: dice.pick(texts) } : {}),
    ...(odd === 5 ? { subscriptionid: dice.pick(texts) } : {}),
    time: odd === 6 ? dice.pick(times) : row.time,
    data: odd === 7 ? dice.pick(datas) : odd === 8 ? anyMessage(dice).slice(0, 300) : row.data,
  }
}

test('a plain row of any batch is what the general way reads', () => {
  const seen = { plain: 0, other: 0, left: 0 }
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 12 }), (seed, rows) => {
      const dice = new Dice(seed)
      const batch = Buffer.from(encodeUsageBatch(Array.from({ length: rows }, () => anyRow(dice))))
      for (const message of [batch, ...Array.from({ length: 9 }, () => mutated(batch, dice))]) {
        const result = same(message)
        if (result === undefined) seen.left += 1
        seen.plain += result?.plain ?? 0
        seen.other += result?.other ?? 0
      }
    }),
    { numRuns: Math.ceil(scans / 10) },
  )
  if (scans > 100_000) console.log(`${scans} batches`, seen)
  // Ensures that the test covers enough of each kind.
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(scans / 10)
}, 3_600_000)

test('what a publisher writes is plain', () => {
  const rows = Array.from({ length: 50 }, (_, i) => ({
    ...row,
    id: `id-${i}-é`,
    ...(i % 3 === 0 ? { correlationid: `c${i}`, traceparent: '' } : {}),
    ...(i % 4 === 0 ? { time: undefined } : {}),
  }))
  expect(same(encodeUsageBatch(rows))).toEqual({ plain: 50, other: 0 })
  expect(same(encodeUsageBatch([]))).toEqual({ plain: 0, other: 0 })
  expect(same(Buffer.concat([Buffer.alloc(3), encodeUsageBatch(rows)]).subarray(3))).toMatchObject({
    plain: 50,
  })
})

const dictionary = () => new Dictionary(new Utf8(), new Int32())
const utf8 = (...values: (string | null)[]) => vectorFromArray(values, new Utf8())

function stream(columns: Record<string, Vector>, rows = 2): Uint8Array {
  const { time: _, ...rest } = row
  const own = Object.entries(rest).map(([name, value]) => [name, utf8(...Array<string>(rows).fill(value!))])
  const table = new Table({ ...(Object.fromEntries(own) as Record<string, Vector>), ...columns })
  return RecordBatchStreamWriter.writeAll(table.batches).toUint8Array(true)
}

test('nulls, dictionaries and timestamps are plain, row by row where they can be', () => {
  const at = Date.UTC(2026, 0, 2, 3, 4, 5)
  expect(same(stream({}))).toEqual({ plain: 2, other: 0 })
  expect(same(stream({ traceparent: vectorFromArray([null, null], new Null()) }))).toMatchObject({ plain: 2 })
  expect(same(stream({ specversion: utf8('1.0', '0.3') }))).toEqual({ plain: 1, other: 1 })
  expect(same(stream({ subscriptionid: utf8(null, 'sub_1') }))).toEqual({ plain: 2, other: 0 })
  expect(same(stream({ subscriptionid: utf8('', 'sub_1') }))).toEqual({ plain: 1, other: 1 })
  expect(same(stream({ data: utf8('{"a":"\\u00e9\\n"}', '{"\\u0061":"x"}') }))).toEqual({
    plain: 2,
    other: 0,
  })
  expect(same(stream({ data: utf8(null, '{"a":1}') }))).toEqual({ plain: 2, other: 0 })
  const words = vectorFromArray(['a', null, 'é', 'a', 'weir.x', 'b'], dictionary())
  expect(same(stream({ type: words }, 6))).toEqual({ plain: 4, other: 2 })
  const times = vectorFromArray([at, at + 7, null, -1], new TimestampMillisecond('UTC'))
  // An instant before 1970 is refused, and only the parser refuses; the scanner calls the row not plain.
  expect(same(stream({ time: times }, 4))).toEqual({ plain: 3, other: 1 })
  const precise = vectorFromArray([1, 1_000, 1_000_000, 1_234_567], new TimestampMicrosecond('UTC'))
  expect(same(stream({ time: precise }, 4))).toEqual({ plain: 4, other: 0 })
  expect(scanner.scan(Buffer.from('no batch'), usageBatchType)).toBeUndefined()
})

test('flipped bytes of dictionaries and timestamps change nothing of what is plain', () => {
  const rich = stream(
    {
      type: vectorFromArray(['a', 'b', null, 'a'], dictionary()),
      data: vectorFromArray(['{"tokens":1}', '{}', '{"a":{"b":2}}', '{}'], dictionary()),
      time: vectorFromArray([1, null, 3e12, -5], new TimestampMillisecond('UTC')),
      id: utf8('1', 'ü', '3', '4'),
    },
    4,
  )
  const change = fc.tuple(fc.nat(rich.length - 1), fc.nat(255))
  const seen = { plain: 0 }
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), changes => {
      const bytes = Uint8Array.from(rich)
      for (const [place, value] of changes) bytes[place] = value
      seen.plain += same(bytes)?.plain ?? 0
    }),
    { numRuns: Math.ceil(scans / 5) },
  )
  expect(seen.plain).toBeGreaterThan(scans / 25)
})

/** The same rows as a client with data frames would send them: `data` as a struct, compressed, views, dictionaries. */
function foreignBatch(rows: readonly UsageRow[], dice: Dice): Uint8Array {
  const column = (name: keyof UsageRow, type: DataType) =>
    vectorFromArray(
      rows.map(one => one[name] ?? null),
      type,
    )
  const text = () => dice.pick([new Utf8(), new LargeUtf8(), new Utf8View(), dictionary()])
  const names = ['id', 'source', 'type', 'subject', 'time', 'subscriptionid'] as const
  const columns = Object.fromEntries(names.map(name => [name, column(name, text())]))
  const words = vectorFromArray(
    rows.map(one => dice.pick([one.id, null, 'é'])),
    dictionary(),
  )
  const usage = vectorFromArray(
    rows.map(({ id }, i) =>
      dice.pick([{ b: { c: i, d: id } }, { b: null }, null, { b: { c: null, d: '"\n' } }]),
    ),
    new Struct([
      new Field('b', new Struct<DataFields>([new Field('c', new Int32()), new Field('d', new Utf8())]), true),
    ]),
  )
  const price = vectorFromArray(
    rows.map((_, i) => dice.pick([i / 8, null, -0, Number.NaN, 1e21])),
    new Float64(),
  )
  const data = dice.pick([
    { data: column('data', text()) },
    { data: usage },
    { tokens: price, a: usage, é: words },
    { tokens: price, data: usage },
    {},
  ])
  const { batches, schema } = new Table({ ...columns, ...data })
  const cut = rows.length >> 1
  const parts = [...batches.map(batch => batch.slice(0, cut)), ...batches.map(batch => batch.slice(cut))]
  const table = new Table(schema, parts)
  return dice.pick([
    () => compressedStream(table),
    () => RecordBatchStreamWriter.writeAll(table.batches).toUint8Array(true),
    () => RecordBatchFileWriter.writeAll(table.batches).toUint8Array(true),
  ])()
}

interface DataFields extends TypeMap {
  c: Int32
  d: Utf8
}

test('rows of any form are what the general way reads, whole and with flipped bytes', () => {
  const seen = { plain: 0, other: 0, left: 0 }
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 12 }), (seed, rows) => {
      const dice = new Dice(seed)
      const batch = Buffer.from(
        foreignBatch(
          Array.from({ length: rows }, () => anyRow(dice)),
          dice,
        ),
      )
      for (const message of [batch, ...Array.from({ length: 9 }, () => mutated(batch, dice))]) {
        const result = same(message)
        if (result === undefined) seen.left += 1
        seen.plain += result?.plain ?? 0
        seen.other += result?.other ?? 0
      }
    }),
    { numRuns: Math.ceil(scans / 20) },
  )
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(scans / 60)
}, 3_600_000)

const written = fileURLToPath(new URL('pipeline/testing/clients/arrow/', packageRoot))

test.each(readdirSync(written).filter(name => /\.arrows?$/.test(name)))(
  'every row of %s is plain, and flipped bytes change nothing of what is',
  name => {
    const bytes = readFileSync(written + name)
    const dice = new Dice(1)
    if (name !== 'pyarrow-duration.arrows') expect(same(bytes)).toMatchObject({ other: 0 })
    for (let i = 0; i < scans / 40; i += 1) same(mutated(bytes, dice))
  },
)

test('columns beside the message are put behind it once, however many record batches refer to them', () => {
  const words = vectorFromArray(Array<string>(200).fill('a subject longer than twelve bytes'), dictionary())
  const rows = Array<string>(200).fill('x')
  const columns = { id: utf8(...rows), source: utf8(...rows), type: utf8(...rows), subject: words }
  const { batches, schema } = new Table({ ...columns, é: utf8(...rows) })
  const single = Array.from({ length: 200 }, (_, i) => batches[0]!.slice(i, i + 1))
  const message = compressedStream(new Table(schema, single))
  expect(same(message)).toEqual({ plain: 200, other: 0 })
  expect(scanner.scan(message, usageBatchType)!.bytes.length).toBe((1 << 18) + 16)
})
