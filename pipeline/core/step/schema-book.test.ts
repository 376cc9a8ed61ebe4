// Events held against the schema of their type: when it is in force, what a dead letter says, and that a mended event is taken.

import { expect, test } from 'vitest'
import { arrivalMs, created, TestBench, usage } from '../../testing/core-fixture.js'
import { PartitionCore } from '../core.js'

const schema = {
  type: 'object',
  properties: { tokens: { type: 'number', minimum: 0 }, model: { enum: ['a', 'b'] } },
  required: ['tokens'],
  additionalProperties: false,
}
let published = 0
const next = () => {
  published += 1
  return published
}

const publish = (version: number, of: object = schema, more: object = {}) => ({
  specversion: '1.0',
  id: `p${next()}`,
  source: 'test',
  type: 'weir.catalog.published',
  data: { catalog: { schemas: [{ event_type: 'api.call', version, schema: of, ...more }] } },
})
const day = '2026-01-02T00:00:00Z'
const inForceMs = arrivalMs + 60_000

test('a schema judges what arrives a minute after it, and says where an event does not fit', () => {
  const bench = new TestBench()
  bench.send([created(), publish(1)])
  bench.send([usage(day, 'three')], inForceMs - 1)
  expect(bench.codes()).toEqual(['+invalid_value']) // it was only rated: no number
  const event = (data: object) => ({ ...usage(day, 0), data })
  const [negative, unknown, missing] = [event({ tokens: -1 }), event({ tokens: 1, modal: 'a' }), event({})]
  bench.send([usage(day, 2), negative, unknown, missing, event({ tokens: 1, model: 'c' })], inForceMs)
  expect(bench.deadLetters.slice(1).map(({ code, detail }) => `${code}: ${detail}`)).toEqual([
    'schema_mismatch: The field /tokens must be >= 0 (#/properties/tokens/minimum): version 1 of the schema of api.call. (/data/tokens)',
    'schema_mismatch: The field /modal is no field of it (#/additionalProperties): version 1 of the schema of api.call. (/data/modal)',
    'schema_mismatch: The field /tokens is missing (#/required): version 1 of the schema of api.call. (/data/tokens)',
    'schema_mismatch: The field /model must be equal to one of the allowed values (#/properties/model/enum): version 1 of the schema of api.call. (/data/model)',
  ])
  // It took no identity: mended it is the same event.
  bench.send([{ ...negative, data: { tokens: 1 } }], inForceMs)
  expect(bench.last?.counters).toMatchObject({ rated: 2, conflicting: 0, duplicate: 0, dead_lettered: 5 })
})

test('the highest version in force at the arrival holds, also after a restart; other types are not looked at', () => {
  const bench = new TestBench()
  const laterMs = arrivalMs + 3_600_000
  const from = new Date(laterMs).toISOString()
  bench.send([created(), publish(1), publish(2, { required: ['region'] }, { from })])
  const fits = (data: object, nowMs: number) => {
    const before = bench.deadLetters.length
    bench.send([{ ...usage(day, 0), data }], nowMs)
    return bench.deadLetters.length === before
  }
  expect(fits({ tokens: 1 }, laterMs - 1)).toBe(true)
  expect(fits({ tokens: 1 }, laterMs)).toBe(false)
  bench.core = PartitionCore.restore(bench.config, bench.core.snapshot(), [], bench.tap())
  expect(fits({ tokens: 1 }, laterMs - 1)).toBe(true)
  expect(fits({ tokens: 1 }, laterMs)).toBe(false)
  expect(fits({ tokens: 1, region: 'eu' }, laterMs)).toBe(true)
  const before = bench.deadLetters.length
  bench.send([{ ...usage(day, 0), type: 'disk', data: { gb: 1 } }], laterMs)
  expect(bench.deadLetters.length).toBe(before)
})

test('an amendment that mends an event is held against the schema too, as of its own arrival', () => {
  const bench = new TestBench()
  bench.send([created(), publish(1)])
  const event: Record<string, unknown> = { ...usage(day, 0), data: { tokens: -1 } }
  bench.send([event], inForceMs)
  const amended = (id: string, tokens: number) => ({
    ...{ specversion: '1.0', source: 'mend', id, type: 'weir.usage.amended', subject: 'cus_1' },
    data: {
      event_source: event['source'],
      event_id: event['id'],
      type: 'api.call',
      time: day,
      data: { tokens },
    },
  })
  bench.send([amended('a1', -2)], inForceMs)
  expect(bench.deadLetters[1]).toMatchObject({ code: 'schema_mismatch', eventType: 'weir.usage.amended' })
  bench.send([amended('a2', 4)], inForceMs)
  expect(bench.deadLetters.length).toBe(2)
  expect(bench.sum()).toBe('2')
})

test('a version that is published again with other content is refused, and the first holds', () => {
  const bench = new TestBench()
  bench.send([publish(1), publish(1, { type: 'object' }), publish(1)])
  expect(bench.codes()).toEqual(['+conflicting_catalog'])
  bench.send([{ ...usage(day, 0), data: {} }], inForceMs)
  expect(bench.codes()).toEqual(['+conflicting_catalog', '+schema_mismatch'])
})

test('a schema that is none, refers elsewhere, or is asynchronous is refused with its pointer', () => {
  const bench = new TestBench()
  const bad = [
    { typ: 'object' },
    { $ref: 'https://example.com/x' },
    { $async: true },
    { $schema: 'http://json-schema.org/draft-07/schema#' },
  ]
  bench.send(bad.map((one, at) => publish(at + 1, one)))
  expect(bench.codes()).toEqual(Array(4).fill('+invalid_catalog'))
  expect(bench.deadLetters[0]?.detail).toContain('unknown keyword: "typ"')
})
