// Compressed messages: opened within bounds, or refused.

import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { packMessages, unpackMessages } from '../../workers/protocol.js'
import { decodeMessages } from './decode.js'
import { decompress, maxPlainBytes, plainLength } from './decompress.js'

const event = { specversion: '1.0', id: '1', source: 's', type: 't', subject: 'c', data: {} }
const message = (bytes: Uint8Array, contentEncoding?: string) => ({
  seq: 1,
  arrivedAtMs: 7,
  bytes,
  ...(contentEncoding === undefined ? {} : { contentEncoding }),
})
const codeOf = (bytes: Uint8Array, encoding: string) => decompress(message(bytes, encoding)).refusal?.code

test('a compressed message is plain by the time a worker decodes it', () => {
  const bytes = gzipSync(JSON.stringify(event))
  const unpacked = unpackMessages(packMessages([message(bytes, 'gzip'), message(Buffer.from('{}'))]))
  expect(unpacked.map(one => one.contentEncoding)).toEqual([undefined, undefined])
  expect(decodeMessages(unpacked).map(one => one.kind)).toEqual(['event', 'refused'])
})

test('a message counts as what it will be once it is plain', () => {
  const text = 'x'.repeat(100_000)
  expect(plainLength(message(gzipSync(text), ' GZIP '))).toBe(100_000)
  expect(plainLength(message(gzipSync(''), 'gzip'))).toBe(gzipSync('').length)
  expect(plainLength(message(Buffer.from(text)))).toBe(100_000)
})

test('a bomb is refused, whether it says what it holds or not', () => {
  const bomb = gzipSync(Buffer.alloc(maxPlainBytes + 1))
  expect(codeOf(bomb, 'gzip')).toBe('body_too_large')
  expect(plainLength(message(bomb, 'gzip'))).toBe(maxPlainBytes)
  const liar = Buffer.from(bomb)
  liar.writeUInt32LE(10, liar.length - 4)
  expect(codeOf(liar, 'gzip')).toBe('malformed_encoding')
  const exact = gzipSync(Buffer.alloc(maxPlainBytes))
  expect(decompress(message(exact, 'gzip')).bytes.length).toBe(maxPlainBytes)
})

test('gzip that nobody named is opened within the same bounds', () => {
  const whole = gzipSync(JSON.stringify(event))
  const [unpacked] = unpackMessages(packMessages([message(whole)]))
  expect(decodeMessages([unpacked!]).map(one => one.kind)).toEqual(['event'])
  const bomb = message(gzipSync(Buffer.alloc(maxPlainBytes + 1)))
  expect(plainLength(bomb)).toBe(maxPlainBytes)
  const refused = decompress(bomb)
  expect(refused.refusal?.code).toBe('body_too_large')
  expect(decodeMessages([refused])).toMatchObject([
    { raw: Buffer.from(bomb.bytes).toString('base64').slice(0, 4096) },
  ])
})

test('what is not gzip, or not gzip alone, is one dead letter', () => {
  const whole = gzipSync(JSON.stringify(event))
  expect(codeOf(Buffer.from('{}'), 'gzip')).toBe('malformed_encoding')
  expect(codeOf(whole.subarray(0, -9), 'gzip')).toBeDefined()
  expect(codeOf(Buffer.concat([whole, whole]), 'gzip')).toBe('malformed_encoding')
  expect(codeOf(whole, 'lzma')).toBe('unsupported_content_encoding')
  const [refused, ...others] = decodeMessages([decompress(message(whole, 'lzma'))])
  expect(others).toEqual([])
  expect(refused).toMatchObject({ kind: 'refused', raw: whole.toString('base64') })
})
