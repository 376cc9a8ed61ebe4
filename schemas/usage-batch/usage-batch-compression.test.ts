// Compressed buffers: read as the plain ones are, within bounds, and refused when they are not what they say.

import { Table, Utf8, type Vector, vectorFromArray } from 'apache-arrow'
import { expect, test } from 'vitest'
import { parseMessage } from '../event/cloud-event.js'
import { usageBatchType } from '../event/media-types.js'
import { compressedStream } from '../testing/compressed-batch.js'
import { decodeUsageBatch } from './usage-batch.js'
import { decompressFrame } from './usage-batch-compression.js'
import { maxUsageBatchPlainBytes } from './usage-batch-schema.js'
import { hasCompressedBuffers } from './usage-batch-stream.js'
import { encodeUsageBatch } from './usage-batch-writer.js'

const row = { id: 'e1', source: 'api', type: 'llm.request', subject: 'cus_1', data: '{"tokens":5}' }
const rows = Array.from({ length: 2_000 }, (_, i) => ({ ...row, id: `event-${i}` }))

function batch(events: readonly (typeof row)[]): Buffer {
  const column = (name: keyof typeof row): [string, Vector] => [
    name,
    vectorFromArray(
      events.map(event => event[name]),
      new Utf8(),
    ),
  ]
  return compressedStream(
    new Table(Object.fromEntries((Object.keys(row) as (keyof typeof row)[]).map(column))),
  )
}

function refusal(bytes: Uint8Array): string {
  const decoded = decodeUsageBatch(bytes)
  return decoded.kind === 'ok' ? 'ok' : `${decoded.rejection.code}: ${decoded.rejection.detail}`
}

/** Magic, version 1 with independent blocks of up to 4 MB, and the checksum of these flags. */
const lz4Header = Buffer.from('04224d18607073', 'hex')

/** A letter once, a match of `repeats` bytes at the distance of one, and five letters, as every block ends. */
function lz4Run(repeats: number): Buffer {
  const beyond = repeats - 4 - 15
  const length = [...Array<number>(Math.floor(beyond / 255)).fill(255), beyond % 255]
  const block = Buffer.from([0x1f, 97, 1, 0, ...length, 0x50, 97, 97, 97, 97, 97])
  const size = Buffer.alloc(4)
  size.writeUInt32LE(block.length)
  return Buffer.concat([lz4Header, size, block, Buffer.alloc(4)])
}

test('a compressed batch is read as the plain one', () => {
  const bytes = batch(rows)
  const plain = encodeUsageBatch(rows)
  expect(bytes.length).toBeLessThan(plain.length / 4)
  expect(parseMessage(bytes, usageBatchType)).toEqual(parseMessage(plain, usageBatchType))
  expect([bytes, plain].map(hasCompressedBuffers)).toEqual([true, false])
})

test('bytes whose messages cannot be read may hold compressed buffers', () => {
  expect(hasCompressedBuffers(batch(rows).subarray(0, 300))).toBe(true)
  expect(hasCompressedBuffers(Buffer.from('not Arrow'))).toBe(true)
})

test('a batch that grows beyond the limit is refused by the length that it states, before it is opened', () => {
  const large = { ...row, data: `{"x":"${'y'.repeat(maxUsageBatchPlainBytes)}"}` }
  const bytes = batch([large])
  expect(bytes.length).toBeLessThan(20_000)
  expect(refusal(bytes)).toMatch(/^body_too_large: .*more than 8388608 bytes/)
  const half = { ...row, data: `{"x":"${'y'.repeat(maxUsageBatchPlainBytes / 2)}"}` }
  expect(refusal(batch([half]))).toBe('ok')
  expect(refusal(batch([half, half]))).toMatch(/^body_too_large/)
})

test('a buffer that is longer, shorter or something else than it states is refused, and the next one is read', () => {
  const bytes = batch(rows)
  const frameAt = bytes.indexOf(Buffer.from('28b52ffd', 'hex'))
  const stated = bytes.readBigInt64LE(frameAt - 8)
  for (const other of [1n, stated - 1n, stated + 1n, 8_000_000n]) {
    const lying = Buffer.from(bytes)
    lying.writeBigInt64LE(other, frameAt - 8)
    expect(refusal(lying)).toMatch(
      /^malformed_arrow: .*a buffer is not zstd, or not of the length that it states/,
    )
    expect(refusal(bytes)).toBe('ok')
  }
  for (const broken of [-2n, 2n ** 62n]) {
    const lying = Buffer.from(bytes)
    lying.writeBigInt64LE(broken, frameAt - 8)
    expect(refusal(lying)).toMatch(broken < 0n ? /^malformed_arrow: .*negative/ : /^body_too_large/)
  }
})

test('LZ4 is read in the length that is stated and in no other, and a broken frame harms none after it', () => {
  const frame = lz4Run(1_000_000)
  expect(frame.length).toBeLessThan(5_000)
  const good = () =>
    Buffer.from(decompressFrame('lz4', frame, 1_000_006)).equals(Buffer.alloc(1_000_006, 'a'))
  expect(good()).toBe(true)
  for (const [bytes, length] of [
    [frame, 1_000_005],
    [frame, 1_000_007],
    [frame.subarray(0, 100), 1_000_006],
    [Buffer.from('no frame'), 8],
    [Buffer.alloc(0), 1],
  ] as const) {
    expect(() => decompressFrame('lz4', bytes, length)).toThrow(/a buffer is not lz4/)
    expect(good()).toBe(true)
  }
})
