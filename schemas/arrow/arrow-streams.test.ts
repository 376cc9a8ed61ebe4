// Streams of one table, joined without a copy, are read as one.

import { tableFromIPC } from 'apache-arrow'
import { expect, test } from 'vitest'
import { eventDispositionsTable, type FxRateRow, fxRatesTable } from '../tables.js'
import { encodeRows } from './arrow-rows.js'
import { joinStreams } from './arrow-streams.js'

const rate = (rate: bigint): FxRateRow => ({
  base: 'EUR',
  quote: 'USD',
  rate,
  effectiveFromNs: 1n,
  recordedAtMs: 2,
  eventSource: 'ecb',
  eventId: 'e',
  correlationId: '',
  partition: 0,
  ledgerSequence: 3,
})
const streams = [[1n, 2n], [], [3n]].map(rates => encodeRows(fxRatesTable, rates.map(rate)))

test('the parts are one stream with the rows of all, in order, and can be joined again', () => {
  const joined = Buffer.concat(joinStreams(streams) ?? [])
  const rates = (bytes: Uint8Array) => [...tableFromIPC(bytes)].map(row => String(row?.toJSON()['rate']))
  expect(rates(joined)).toEqual(streams.flatMap(rates))
  expect(rates(joined)).toHaveLength(3)
  expect(rates(Buffer.concat(joinStreams([joined, streams[2]!]) ?? []))).toHaveLength(4)
})

test('the parts are the bytes that came, not copies of them', () => {
  const own = new Set(streams.map(stream => stream.buffer))
  const parts = joinStreams(streams) ?? []
  expect(parts.slice(0, -1).every(part => own.has(part.buffer))).toBe(true)
})

test('streams of different schemas, and what is no stream, are not joined', () => {
  const other = encodeRows(eventDispositionsTable, [])
  expect(joinStreams([...streams, other])).toBeUndefined()
  expect(joinStreams([Buffer.from('garbage that is long enough')])).toBeUndefined()
  expect(joinStreams([streams[0]!.subarray(0, -8)])).toBeUndefined()
})
