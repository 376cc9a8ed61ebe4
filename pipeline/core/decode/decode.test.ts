// Messages to events: one outcome each, in order.

import { expect, test } from 'vitest'
import { attributeOf, decodeMessages } from './decode.js'

const good = { specversion: '1.0', id: '1', source: 's', type: 't', subject: 'c', data: {} }
const message = (text: string) => ({ seq: 1, arrivedAtMs: 7, bytes: Buffer.from(text) })

test('every event of a message becomes one outcome, in order', () => {
  const bad = { ...good, id: '' }
  const text = `${JSON.stringify(good)}\n{broken\n${JSON.stringify(bad)}\n`
  expect(decodeMessages([message(text), message('nothing')]).map(one => one.kind)).toEqual([
    'event',
    'refused',
    'refused',
    'refused',
  ])
})

test('an event without a time happened when it arrived', () => {
  const [decoded] = decodeMessages([message(JSON.stringify(good))])
  expect(decoded?.kind === 'event' && decoded.event.timeNs).toBe(7_000_000n)
})

test('what can be read of a refused event names it', () => {
  expect(attributeOf({ ...good, specversion: '9' }, 'id')).toBe('1')
  expect(attributeOf({ id: 5 }, 'id')).toBe('')
  expect(attributeOf('text', 'id')).toBe('')
  expect(attributeOf({ id: 'a\ud800' }, 'id')).toBe('a\ufffd')
})
