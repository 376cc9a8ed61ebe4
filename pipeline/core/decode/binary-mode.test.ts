// A message in binary mode reaches the other stages as one whole event, also compressed, or as a refusal that names it.

import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { packMessages, unpackMessages } from '../../workers/protocol.js'
import { attributeOf, decodeMessages, type InputMessage } from './decode.js'

const headers = {
  'Ce-Specversion': ['1.0'],
  'ce-id': ['1'],
  'ce-source': ['s'],
  'ce-type': ['t'],
  'ce-subject': ['c'],
  'Nats-Msg-Id': ['x'],
}
const message = (bytes: Uint8Array, more: Partial<InputMessage> = {}): InputMessage => ({
  seq: 1,
  arrivedAtMs: 7,
  bytes,
  headers,
  ...more,
})
const plain: InputMessage = {
  seq: 2,
  arrivedAtMs: 7,
  bytes: Buffer.from('{"specversion":"1.0","id":"2","source":"s","type":"t","subject":"c"}'),
}
const decoded = (...messages: InputMessage[]) => decodeMessages(unpackMessages(packMessages(messages)))

test('it is one event beside others, compressed or not, with its numbers to the last digit', () => {
  const body = Buffer.from('{"n":9007199254740993}')
  const events = decoded(
    plain,
    message(body),
    message(gzipSync(body), { contentEncoding: 'gzip' }),
    message(gzipSync(body)),
    message(Buffer.alloc(0)),
  )
  expect(events.map(one => (one.kind === 'event' ? JSON.stringify(one.event.data) : one.rejection))).toEqual([
    '{}',
    ...Array(3).fill(JSON.stringify((events[1] as { event: { data: unknown } }).event.data)),
    '{}',
  ])
  expect(events.map(({ raw }) => attributeOf(raw, 'id'))).toEqual(['2', '1', '1', '1', '1'])
  expect(events[1]).toMatchObject({ event: { data: { n: { text: '9007199254740993' } } } })
})

test.each<[string, InputMessage, string]>([
  ['malformed_json', message(Buffer.from('{"n":')), '{"n":'],
  ['malformed_encoding', message(Buffer.from('{}'), { contentEncoding: 'gzip' }), 'e30='],
  ['unsupported_content_encoding', message(Buffer.from('{}'), { contentEncoding: 'lzma' }), 'e30='],
])('refused as %s it keeps its attributes and its body', (code, refused, data) => {
  const [first, ...others] = decoded(refused, plain)
  expect(first).toMatchObject({ kind: 'refused', rejection: { code } })
  expect(first?.raw).toEqual({ specversion: '1.0', id: '1', source: 's', type: 't', subject: 'c', data })
  expect(others.map(({ kind }) => kind)).toEqual(['event'])
})
