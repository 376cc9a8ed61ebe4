// The publisher against a fake gateway, so that the tests choose every answer.

import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseMessage } from '../../schemas/event/cloud-event.js'
import { stringifyJson } from '../../schemas/json/json-text.js'
import { packageRoot } from '../../schemas/package-root.js'
import {
  type PublishedEvent,
  PublisherError,
  UsagePublisher,
  type UsagePublisherOptions,
} from './usage-publisher.js'

interface Played {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Record<string, string>
}

interface Received {
  readonly bytes: Buffer
  readonly headers: Record<string, string | string[] | undefined>
}

let server: Server
let url: string
let received: Received[]
/** The next answers, in order; after them every answer is 202. */
let answers: (Played | 'hang_up')[]
let folder: string
let open: UsagePublisher[]

beforeEach(async () => {
  received = []
  answers = []
  open = []
  folder = await mkdtemp(join(tmpdir(), 'weir-publisher-'))
  server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      received.push({ bytes: Buffer.concat(chunks), headers: request.headers })
      const answer = answers.shift() ?? { status: 202, body: { accepted: 1, rejected: [], receipts: [] } }
      if (answer === 'hang_up') {
        request.socket.destroy()
        return
      }
      response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers })
      response.end(JSON.stringify(answer.body ?? {}))
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
})

afterEach(async () => {
  await Promise.all(open.map(publisher => publisher.abort()))
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
  await rm(folder, { recursive: true, force: true })
})

async function started(options: Partial<UsagePublisherOptions> = {}): Promise<UsagePublisher> {
  const publisher = new UsagePublisher({
    to: { url, key: 'weir_a_b' },
    source: 'test',
    ...options,
    limits: { lingerMs: 5, retryMinMs: 1, retryMaxMs: 20, attemptMs: 5_000, closeMs: 200, ...options.limits },
  })
  open.push(publisher)
  await publisher.start()
  return publisher
}

const event = (id: string, data: object = { tokens: 1 }): PublishedEvent => ({
  id,
  type: 'llm.request',
  subject: 'acme',
  time: '2026-01-01T00:00:00Z',
  data: data as Record<string, unknown>,
})

/** The events of a request, as Weir reads them. */
function eventsOf({ bytes, headers }: Received): Record<string, unknown>[] {
  const plain = headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes
  const message = parseMessage(plain, String(headers['content-type']))
  if (message.kind === 'rejected') throw new Error(message.rejection.detail)
  return message.events.map(one => {
    if (one.kind === 'rejected') throw new Error(one.rejection.detail)
    return one.value as Record<string, unknown>
  })
}

const idsOf = (request: Received) => eventsOf(request).map(one => one['id'])

test('events travel together, compressed, and each is told that it has landed', async () => {
  const publisher = await started()
  const results = await Promise.all(['1', '2', '3'].map(id => publisher.publish(event(id))))
  expect(results).toEqual(Array(3).fill({ kind: 'landed' }))
  await publisher.flush()
  expect(received).toHaveLength(1)
  expect(eventsOf(received[0]!)).toEqual(
    ['1', '2', '3'].map(id => ({ specversion: '1.0', source: 'test', ...event(id) })),
  )
  expect(received[0]!.headers).toMatchObject({
    'content-encoding': 'gzip',
    authorization: 'Bearer weir_a_b',
    'content-type': 'application/vnd.apache.arrow.stream',
  })
  expect(publisher.stats()).toMatchObject({
    taken: 3,
    landed: 3,
    batches: 1,
    bufferedEvents: 0,
    bufferedBytes: 0,
  })
})

test('a batch is full by events or by bytes; an event larger than a batch travels alone', async () => {
  const byEvents = await started({ limits: { batchEvents: 2, lingerMs: 10_000 } })
  for (const id of ['1', '2', '3', '4']) void byEvents.publish(event(id))
  await expect.poll(() => byEvents.stats().landed).toBe(4)
  const byBytes = await started({ limits: { batchBytes: 21_000, maxBufferedBytes: 60_000 } })
  const text = 'x'.repeat(9_000)
  for (const id of ['a', 'b', 'c']) void byBytes.publish(event(id, { text }))
  await byBytes.flush()
  void byBytes.publish(event('large', { text: text.repeat(10) }))
  await byBytes.flush()
  expect(received.map(idsOf).sort()).toEqual([['1', '2'], ['3', '4'], ['a', 'b'], ['c'], ['large']])
})

test('the same bytes are sent again until they are taken, whatever was answered before', async () => {
  const troubles: (string | undefined)[] = []
  const publisher = await started({ onTrouble: detail => troubles.push(detail) })
  answers = [
    { status: 503, body: { code: 'broker_unavailable', detail: 'away' } },
    'hang_up',
    { status: 429, body: { code: 'pipeline_behind', detail: 'slow' }, headers: { 'retry-after': '0' } },
    { status: 401, body: { code: 'invalid_token', detail: 'who?' } },
    { status: 400, body: 'a proxy that is no Weir' },
    { status: 202, body: 'a portal that is no Weir' },
  ]
  expect(await publisher.publish(event('1'))).toEqual({ kind: 'landed' })
  expect(received).toHaveLength(7)
  for (const { bytes } of received) expect(Buffer.compare(bytes, received[0]!.bytes)).toBe(0)
  expect(publisher.stats()).toMatchObject({ retries: 6, landed: 1, trouble: undefined })
  expect(troubles[0]).toBe('broker_unavailable: away')
  expect(troubles.at(-1)).toBeUndefined()
})

test('a refused event is told so by itself, a batch that can never be taken as a whole', async () => {
  const rows: unknown[] = []
  const publisher = await started({ onRefused: row => rows.push(row) })
  const refused = { index: 1, id: '2', code: 'invalid_attribute', detail: 'no' }
  answers = [
    { status: 202, body: { accepted: 1, rejected: [refused], receipts: [] } },
    { status: 413, body: { code: 'body_too_large', detail: 'too large' } },
  ]
  expect(await Promise.all(['1', '2'].map(id => publisher.publish(event(id))))).toEqual([
    { kind: 'landed' },
    { kind: 'refused', refusal: refused },
  ])
  expect(await publisher.publish(event('3'))).toMatchObject({ refusal: { code: 'body_too_large' } })
  expect(rows).toMatchObject([refused, { index: -1, code: 'body_too_large' }])
  expect(publisher.stats()).toMatchObject({ landed: 1, refused: 2, bufferedEvents: 0 })
})

test('an event that breaks the envelope is refused on the spot and never sent', async () => {
  const publisher = await started()
  const bad: [PublishedEvent, string][] = [
    [event(''), 'invalid_attribute'],
    [{ ...event('1'), time: 'today' }, 'invalid_time'],
    [{ ...event('1'), time: new Date(Number.NaN) }, 'invalid_time'],
    [{ ...event('1'), type: 'weir.usage.retracted' }, 'not_usage'],
    [event('1', { n: Number.NaN }), 'invalid_data'],
    [event('1', { a: [{ n: Number.POSITIVE_INFINITY }] }), 'invalid_data'],
    [event('1', []), 'invalid_data'],
    [event('1', { text: 'x'.repeat(8_000_000) }), 'event_too_large'],
  ]
  for (const [one, code] of bad) {
    expect(await publisher.publish(one)).toMatchObject({ kind: 'refused', refusal: { code } })
  }
  const { id: _, time: __, ...bare } = event('1')
  expect(await publisher.publish(bare)).toEqual({ kind: 'landed' })
  const [sent] = eventsOf(received[0]!)
  expect(sent!['id']).toMatch(/^[0-9a-f-]{36}$/)
  expect(Date.parse(String(sent!['time']))).toBeLessThanOrEqual(Date.now())
  expect(received).toHaveLength(1)
})

test('a bigint is sent with all of its digits, a number as JavaScript prints it, null as null', async () => {
  const publisher = await started()
  const data = { n: 9007199254740993n, list: [0.1, { big: -12345678901234567890n }], none: null }
  expect(await publisher.publish(event('1', data))).toEqual({ kind: 'landed' })
  const [sent] = eventsOf(received[0]!)
  expect(stringifyJson(sent!['data'])).toBe(
    '{"n":9007199254740993,"list":[0.1,{"big":-12345678901234567890}],"none":null}',
  )
})

test('a full buffer says so at once, and room is awaited in turn', async () => {
  answers = Array(20).fill({ status: 503 })
  const limits = { batchEvents: 5, maxBufferedEvents: 10, lingerMs: 1 }
  const publisher = await started({ limits })
  const first = Array.from({ length: 10 }, (_, i) => publisher.publish(event(`a${i}`)))
  expect(() => publisher.publish(event('over'))).toThrow(PublisherError)
  const later: Promise<unknown>[] = []
  for (let i = 0; i < 50; i += 1) {
    await publisher.room()
    later.push(publisher.publish(event(`b${i}`)))
    expect(publisher.stats().bufferedEvents).toBeLessThanOrEqual(10)
  }
  const results = await Promise.all([...first, ...later])
  expect(results).toEqual(Array(60).fill({ kind: 'landed' }))
  await publisher.flush()
  expect(publisher.stats()).toMatchObject({ taken: 60, bufferedBytes: 0 })
})

test('close drains, then takes nothing; what has not landed by its deadline is unsent', async () => {
  const publisher = await started({ limits: { lingerMs: 10_000 } })
  const landed = publisher.publish(event('1'))
  expect(await publisher.close()).toMatchObject({ landed: 1, unsent: 0 })
  expect(await landed).toEqual({ kind: 'landed' })
  expect(() => publisher.publish(event('2'))).toThrow(/closed/)
  const other = await started()
  answers = Array(1_000).fill({ status: 503 })
  const unsent = other.publish(event('3'))
  expect(await other.close()).toMatchObject({ landed: 0, unsent: 1 })
  expect(await unsent).toMatchObject({ kind: 'unsent' })
})

test('what is in the spool when the publisher closes is sent by the next one, byte for byte', async () => {
  const spool = { folder, resolveWhen: 'spooled' } as const
  const first = await started({ spool, limits: { batchEvents: 2, maxInFlight: 1 } })
  answers = Array(1_000).fill({ status: 503 })
  const results = await Promise.all(Array.from({ length: 10 }, (_, i) => first.publish(event(`${i}`))))
  expect(results).toEqual(Array(10).fill({ kind: 'spooled' }))
  expect(first.stats()).toMatchObject({ bufferedEvents: 0, spooledBatches: 5 })
  await first.close()
  expect(await readdir(folder)).toHaveLength(5)
  const tried = received[0]!.bytes
  answers = []
  received = []
  const second = await started({ spool })
  await second.flush()
  expect(received.flatMap(idsOf).sort()).toEqual(Array.from({ length: 10 }, (_, i) => `${i}`))
  expect(received.some(({ bytes }) => Buffer.compare(bytes, tried) === 0)).toBe(true)
  expect(second.stats()).toMatchObject({ landed: 10, spooledBatches: 0, spooledBytes: 0 })
  expect(await readdir(folder)).toEqual([])
})

test('what can never be taken is set aside in the spool, not deleted', async () => {
  const publisher = await started({ spool: { folder } })
  answers = [{ status: 400, body: { code: 'malformed_arrow', detail: 'no' } }]
  expect(await publisher.publish(event('1'))).toMatchObject({ kind: 'refused' })
  await publisher.flush()
  expect(await readdir(folder)).toEqual(['refused'])
  expect(await readdir(join(folder, 'refused'))).toHaveLength(1)
})

test('a spool that is full or cannot be written does not stop what can be sent', async () => {
  const small = await started({
    spool: { folder, resolveWhen: 'spooled' },
    limits: { maxSpoolBytes: 1_000_000 },
  })
  answers = Array(3).fill({ status: 503 })
  expect(await small.publish(event('1'))).toEqual({ kind: 'spooled' })
  await rm(folder, { recursive: true })
  expect(await small.publish(event('2'))).toEqual({ kind: 'landed' })
  await small.flush()
  expect(received.flatMap(idsOf)).toContain('2')
})

test('the package offers it as weir-pipeline/publisher', async () => {
  const script = "import { UsagePublisher } from 'weir-pipeline/publisher'; console.log(UsagePublisher.name)"
  const node = [process.execPath, ['--input-type=module', '-e', script], { cwd: packageRoot }] as const
  expect((await promisify(execFile)(...node)).stdout).toBe('UsagePublisher\n')
})

test('limits that contradict each other are refused', () => {
  const make = (limits: object) => () => new UsagePublisher({ to: { url }, limits })
  expect(make({ batchEvents: 10_001 })).toThrow(/batchEvents/)
  expect(make({ retryMinMs: 5, retryMaxMs: 1 })).toThrow(/pause/)
  expect(make({ maxBufferedBytes: 10 })).toThrow(/two batches/)
})
