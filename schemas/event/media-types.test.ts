// Tests the table of media types: which are accepted, in which spelling, and their form.

import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { encodingOf, eventTypes, isGzip, isJsonType, mediaTypeOf, messageFormOf } from './media-types.js'

test('a type is known in any case and with its parameters, and without one the text tells', () => {
  expect(messageFormOf(undefined)).toBe('detect')
  expect(messageFormOf('application/json')).toBe('detect')
  expect(messageFormOf('Application/X-NDJSON ; charset="UTF-8"')).toBe('lines')
  expect(messageFormOf('application/cloudevents-batch+json; x=y; charset=us-ascii')).toBe('json')
  expect(messageFormOf('application/vnd.apache.arrow.stream; charset=latin1')).toBe('usage_batch')
})

test('without a type the bytes of an Arrow stream tell, and with one the type alone does', () => {
  const arrow = Buffer.from('ffffffff10000000', 'hex')
  expect(messageFormOf(undefined, arrow)).toBe('usage_batch')
  expect(messageFormOf('application/json', arrow)).toBe('detect')
  for (const other of ['', 'ffffff', 'ffffff7f10000000', '7b7d'])
    expect(messageFormOf(undefined, Buffer.from(other, 'hex'))).toBe('detect')
})

test('without an encoding the bytes of gzip tell, and with one the encoding alone does', () => {
  const gzip = gzipSync('x')
  expect(encodingOf(undefined, gzip)).toBe('gzip')
  expect(encodingOf('identity', gzip)).toBe('identity')
  for (const other of ['', '1f8b', '1f8b07', '7b7d'])
    expect(encodingOf(undefined, Buffer.from(other, 'hex'))).toBeUndefined()
})

test('what is not in the table, or is no UTF-8, is not taken', () => {
  for (const type of ['text/plain', '', 'application/jsonx', 'application/json; charset=latin1'])
    expect(messageFormOf(type)).toBeUndefined()
  for (const type of eventTypes) expect(messageFormOf(type)).toBeDefined()
})

test('JSON has many names, gzip two', () => {
  expect(['application/json', 'text/json', 'application/x+json', 'text/plain'].map(isJsonType)).toEqual([
    true,
    true,
    true,
    false,
  ])
  expect(['gzip', ' X-GZIP ', 'br', 'gzip, gzip'].map(isGzip)).toEqual([true, true, false, false])
  expect(mediaTypeOf('A/B; charset=utf8')).toEqual({ type: 'a/b', charset: 'utf-8' })
})
