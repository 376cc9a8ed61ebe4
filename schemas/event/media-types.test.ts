// Tests the table of media types: which are accepted, in which spelling, and their form.

import { expect, test } from 'vitest'
import { eventTypes, isGzip, isJsonType, mediaTypeOf, messageFormOf } from './media-types.js'

test('a type is known in any case and with its parameters, and without one the text tells', () => {
  expect(messageFormOf(undefined)).toBe('detect')
  expect(messageFormOf('application/json')).toBe('detect')
  expect(messageFormOf('Application/X-NDJSON ; charset="UTF-8"')).toBe('lines')
  expect(messageFormOf('application/cloudevents-batch+json; x=y; charset=us-ascii')).toBe('json')
  expect(messageFormOf('application/vnd.apache.arrow.stream; charset=latin1')).toBe('usage_batch')
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
