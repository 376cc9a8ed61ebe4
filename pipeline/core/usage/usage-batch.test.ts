// Compares the same events, sent as lines of JSON and as rows of Arrow, through the whole core.

import { gzipSync } from 'node:zlib'
import { Table, Utf8, type Vector, vectorFromArray } from 'apache-arrow'
import { expect, test } from 'vitest'
import { usageBatchType } from '../../../schemas/event/media-types.js'
import { compressedStream } from '../../../schemas/testing/compressed-batch.js'
import { nsOf } from '../../../schemas/time.js'
import { encodeUsageBatch, type UsageRow } from '../../../schemas/usage-batch/usage-batch-writer.js'
import { arrivalMs, created, TestBench, type TestEvent, usage } from '../../testing/core-fixture.js'
import { packMessages, unpackMessages } from '../../workers/protocol.js'
import type { InputMessage } from '../decode/decode.js'

type Form = (events: readonly TestEvent[]) => Omit<InputMessage, 'seq' | 'arrivedAtMs'>

const asLines: Form = events => ({
  bytes: Buffer.from(events.map(event => `${JSON.stringify(event)}\n`).join('')),
  contentType: 'application/x-ndjson',
})
const asRows: Form = events => ({
  bytes: encodeUsageBatch(
    events.map(({ specversion: _, data, ...attributes }) => {
      return { ...attributes, data: JSON.stringify(data) } as UsageRow
    }),
  ),
  contentType: usageBatchType,
})
/** As data frames send it: `data` as a struct, and buffers compressed. */
const asColumns: Form = events => {
  const column = (name: string) =>
    vectorFromArray(
      events.map(event => (event[name] as string | undefined) ?? null),
      new Utf8(),
    )
  const names = ['id', 'source', 'type', 'subject', 'time', 'subscriptionid', 'correlationid', 'traceparent']
  const columns = Object.fromEntries(names.map(name => [name, column(name)]))
  const data = vectorFromArray(events.map(({ data }) => data)) as Vector
  return { bytes: compressedStream(new Table({ ...columns, data })), contentType: usageBatchType }
}
const zipped =
  (form: Form): Form =>
  events => {
    const { bytes, ...rest } = form(events)
    return { ...rest, bytes: gzipSync(bytes), contentEncoding: 'gzip' }
  }

/** The same bytes without a word about what they are, as many a NATS client sends them. */
const unnamed =
  (form: Form): Form =>
  events => ({ bytes: form(events).bytes })

function bench(): TestBench {
  const made = new TestBench({ dedupeHorizonMs: 35 * 86_400_000, futureToleranceMs: 300_000 })
  made.send([created()])
  return made
}

/** One call of the core with the events in messages of seven, as a worker makes it. */
function send(to: TestBench, events: readonly TestEvent[], form: Form) {
  to.commit += 1
  const messages: InputMessage[] = []
  for (let at = 0; at < events.length; at += 7)
    messages.push({ seq: at + 1, arrivedAtMs: arrivalMs, ...form(events.slice(at, at + 7)) })
  const none = { catalog: [], lifecycle: [], orders: [], history: [] }
  const metering = unpackMessages(packMessages(messages))
  return to.core.process({ nowMs: arrivalMs, commit: to.commit, ...none, metering })
}

const forms = [asLines, asRows, zipped(asRows), zipped(asLines)]

const month = Array.from({ length: 200 }, (_, i) => {
  const time = new Date(Date.UTC(2026, 0, 1 + (i % 19), i % 24, i % 60, 0, i)).toISOString()
  const more: TestEvent[] = [
    {},
    { subscriptionid: 'sub_1', correlationid: `c${i}` },
    { data: { tokens: `${i}.5`, model: 'ünï' }, traceparent: '00-a' },
    { subject: 'nobody' },
    { time: undefined },
    { type: 'unheard.of' },
    { data: { tokens: -1 } },
    { id: '' },
    { time: '2099-01-01T00:00:00Z' },
    { time: '2025-01-01T00:00:00Z' },
    { data: { tokens: { deep: 1 } } },
  ]
  return usage(time, i, more[i % more.length])
})

test('rows of Arrow give the same charges, rows, dead letters and counts as lines of JSON, plain or compressed, named or not', () => {
  const [lines, ...others] = [...forms, ...forms.map(unnamed)].map(form => {
    const one = bench()
    const output = send(one, [...month, ...month.slice(0, 30)], form)
    const deadLetters = one.deadLetters.map(({ payload, ...row }) => ({ ...row, raw: JSON.parse(payload) }))
    return {
      counters: output.counters,
      charges: one.core.charges(nsOf(arrivalMs)),
      rated: one.rated.map(row => JSON.stringify(row, (_, value) => textOf(value))).sort(),
      deadLetters: deadLetters.map(row => JSON.stringify(sorted(row), (_, value) => textOf(value))).sort(),
    }
  })
  expect(lines!.counters.duplicate).toBeGreaterThan(20)
  expect(lines!.counters.dead_lettered).toBeGreaterThan(50)
  expect(lines!.rated.length).toBeGreaterThan(50)
  for (const other of others) expect(other).toEqual(lines)
})

function textOf(value: unknown): unknown {
  if (value instanceof Map) return [...value]
  return typeof value === 'bigint' ? String(value) : value
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, member]) => [key, sorted(member)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}

test('a resend in the other form is a duplicate, one with other content is a conflict', () => {
  const valid = month.filter((_, i) => i % 11 < 3)
  for (const [first, second] of [
    [asLines, asRows],
    [asRows, zipped(asLines)],
  ] as const) {
    const one = bench()
    const before = send(one, valid, first).counters
    const after = send(one, valid, second).counters
    expect(after.duplicate - before.duplicate).toBe(valid.length)
    expect(after.rated).toBe(before.rated)
    const changed = valid.map(event => ({ ...event, correlationid: 'other' }))
    expect(send(one, changed, second).counters.conflicting).toBe(valid.length)
  }
})

test('a broken batch is one dead letter beside good ones', () => {
  const one = bench()
  const good = asRows(month.slice(0, 3))
  const broken = { ...good, bytes: good.bytes.subarray(0, good.bytes.length - 30) }
  const messages = [good, broken, asRows(month.slice(11, 14))].map((message, seq) => ({
    seq,
    arrivedAtMs: arrivalMs,
    ...message,
  }))
  const none = { catalog: [], lifecycle: [], orders: [], history: [] }
  const { counters } = one.core.process({ nowMs: arrivalMs, commit: 9, ...none, metering: messages })
  expect(counters).toMatchObject({ received: 8, rated: 6, dead_lettered: 1, applied: 1 })
  expect(one.codes()).toEqual(['+malformed_arrow'])
  expect(one.deadLetters[0]!.payload).toBe(Buffer.from(broken.bytes.subarray(0, 3072)).toString('base64'))
})

test('a message whose encoding is not taken is one dead letter, even if its bytes could be read', () => {
  const one = bench()
  const mislabelled: Form = events => ({ ...asLines(events), contentEncoding: 'deflate' })
  const { counters } = send(one, month.slice(0, 3), mislabelled)
  expect(counters).toMatchObject({ received: 2, rated: 0, dead_lettered: 1, applied: 1 })
  expect(one.codes()).toEqual(['+unsupported_content_encoding'])
})

test('lifecycle events in a batch take effect before its usage', () => {
  const one = new TestBench()
  const { counters } = send(one, [...month.slice(0, 3), created({ subscription_id: 'sub_1' })], asRows)
  expect(counters).toMatchObject({ received: 4, rated: 3, applied: 1, parked: 0 })
})

test('so do those in a compressed batch, where no search of the bytes finds them', () => {
  const one = new TestBench()
  const many = Array.from({ length: 300 }, (_, i) =>
    usage('2026-01-05T00:00:00Z', 1, { type: `other.${i * i}.kind` }),
  )
  const events = [usage('2026-01-05T00:00:00Z', 1), ...many, created({ subscription_id: 'sub_1' })]
  const names = ['id', 'source', 'type', 'subject', 'time']
  const columns = [...names, 'data'].map(name => {
    const texts = events.map(event => (name === 'data' ? JSON.stringify(event[name]) : String(event[name])))
    return [name, vectorFromArray(texts, new Utf8())]
  })
  const message = {
    bytes: compressedStream(new Table(Object.fromEntries(columns))),
    contentType: usageBatchType,
  }
  expect(Buffer.from(message.bytes).includes('weir.')).toBe(false)
  const { counters } = one.core.process({
    nowMs: arrivalMs,
    commit: 1,
    catalog: [],
    lifecycle: [],
    orders: [],
    history: [],
    metering: [{ seq: 1, arrivedAtMs: arrivalMs, ...message }],
  })
  expect(counters).toMatchObject({ received: 302, rated: 1, applied: 1, parked: 0 })
})

test('columns of a data frame are a duplicate of the lines with the same events', () => {
  const valid = month.filter((_, i) => i % 11 === 0)
  const one = bench()
  const before = send(one, valid, asLines).counters
  const after = send(one, valid, asColumns).counters
  expect(after.duplicate - before.duplicate).toBe(valid.length)
})
