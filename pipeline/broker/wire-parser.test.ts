// The NATS protocol is read alike, wherever the chunks of a socket cut it.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { WireParser } from './wire-parser.js'

/** What a parser makes of these bytes when they arrive in chunks; nobody wants subscription 9. */
function parsed(bytes: Buffer, cuts: readonly number[]): string[] {
  const seen: string[] = []
  const parser = new WireParser({
    memoryFor: (sid, length) => (sid === 9 ? undefined : new Uint8Array(length)),
    onMessage: ({ sid, reply, memory, headLength }) => {
      const head = Buffer.from(memory.subarray(0, headLength)).toString()
      const text = Buffer.from(memory.subarray(headLength)).toString()
      seen.push(`${sid} ${reply} ${JSON.stringify(head)} ${text}`)
    },
    onControl: (verb, text) => seen.push(`${verb} ${text}`),
  })
  const scratch = Buffer.alloc(bytes.length)
  const places = new Set([...cuts.map(cut => cut % (bytes.length + 1)), bytes.length])
  let from = 0
  for (const end of [...places].sort((a, b) => a - b)) {
    const chunk = scratch.subarray(0, end - from)
    bytes.copy(chunk, 0, from, end)
    parser.read(chunk)
    chunk.fill(0) // the memory of a chunk is reused
    from = end
  }
  return seen
}

const head = 'NATS/1.0\r\nContent-Type: application/json\r\n\r\n'
const stream = Buffer.from(
  [
    'INFO {"version":"2.15"}\r\n',
    'MSG a.b 1 5\r\nhello\r\n',
    'MSG a.b 9 7\r\nskipped\r\n',
    'PING\r\n',
    'MSG a.b 2 $JS.ACK.1 12\r\nwith\r\nlines\n\r\n',
    `HMSG a.b 3 reply.x ${head.length} ${head.length + 2}\r\n${head}{}\r\n`,
    `HMSG a.b 3 ${head.length} ${head.length}\r\n${head}\r\n`,
    'MSG a.b 1 0\r\n\r\n',
    "-ERR 'Stale Connection'\r\n",
  ].join(''),
)

test('the bytes of a server are read alike, wherever chunks cut them', () => {
  const whole = parsed(stream, [])
  expect(whole).toEqual([
    'INFO {"version":"2.15"}',
    '1  "" hello',
    'PING ',
    '2 $JS.ACK.1 "" with\r\nlines\n',
    `3 reply.x ${JSON.stringify(head)} {}`,
    `3  ${JSON.stringify(head)} `,
    '1  "" ',
    "-ERR 'Stale Connection'",
  ])
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 40 }), cuts => {
      expect(parsed(stream, cuts)).toEqual(whole)
    }),
    { numRuns: 200 },
  )
})

test('a subject is read as UTF-8, also where one of its bytes looks like white space', () => {
  const seen: (readonly [subject: string, sid: number, reply: string, text: string])[] = []
  const parser = new WireParser({
    memoryFor: (_, length) => new Uint8Array(length),
    onMessage: ({ sid, natsSubject, reply, memory }) =>
      seen.push([natsSubject, sid, reply, Buffer.from(memory).toString()]),
    onControl: () => undefined,
  })
  const subjects = ['metering.1.voilà', 'metering.1.à.bientôt', 'metering.1.顧客', 'metering.1.\u0085']
  for (const subject of subjects) parser.read(Buffer.from(`MSG ${subject} 1 $JS.ACK.2 2\r\n{}\r\n`))
  expect(seen).toEqual(subjects.map(subject => [subject, 1, '$JS.ACK.2', '{}']))
})

test('bytes that are no message of NATS are refused', () => {
  expect(() => parsed(Buffer.from('MSG a.b x 5\r\nhello\r\n'), [])).toThrow(/no NATS message/)
  expect(() => parsed(Buffer.from('HMSG a.b 1 9 5\r\nhello\r\n'), [])).toThrow(/no NATS message/)
  expect(() => parsed(Buffer.alloc(2 << 20, 'x'), [])).toThrow(/without an end/)
})
