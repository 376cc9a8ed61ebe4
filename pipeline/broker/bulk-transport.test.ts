// What every bulk transport must do, held against real brokers: logins of every kind, answers of every kind, brokers that
// are killed, several servers, and a reader that is slow.

import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { AckPolicy, type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { type NodeConnectionOptions, nanos } from '@nats-io/transport-node'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ConfiguredBrokers, freePort, type LoginKind } from '../testing/configured-broker.js'
import { firstStatus, until } from '../testing/engine-harness.js'
import { lossyProxy } from '../testing/lossy-proxy.js'
import { type BatchMessage, publishBatch, publishOne } from './atomic-batch.js'
import type { OpenReading } from './bulk-transport.js'
import { type BrokerConnection, connectBroker } from './connect-broker.js'
import { deliveryOf, statusOf } from './pull-protocol.js'

/** Every implementation of the port runs the same tests. */
const implementations: readonly { readonly name: string; readonly connect: Connect }[] = [
  { name: 'sockets', connect: options => connectBroker(options, 'sockets') },
  { name: 'the client', connect: options => connectBroker(options, 'client') },
]
type Connect = (options: NodeConnectionOptions) => Promise<BrokerConnection>
const logins: readonly LoginKind[] = ['password', 'token', 'nkey', 'jwt', 'tls', 'tls and password']
/** Far longer than a test may take: a wait that ends by its own time-out fails it. */
const tooLongMs = 600_000
const unfenced = { lastSubjectSequence: 0 }

let brokers: ConfiguredBrokers
const undo: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  brokers = await ConfiguredBrokers.make()
})

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
  await brokers.stop()
})

async function connectTo(connect: Connect, options: NodeConnectionOptions): Promise<BrokerConnection> {
  for (;;) {
    try {
      const fast = { maxReconnectAttempts: -1, reconnectTimeWait: 20, timeout: 2_000 }
      const connection = await connect({ ...fast, ...options })
      undo.push(() => connection.nc.close())
      return connection
    } catch (error) {
      if (!/refused/i.test(String(error))) throw error
      await sleep(20) // it is being started
    }
  }
}

interface OneBroker extends BrokerConnection {
  readonly jsm: JetStreamManager
  readonly port: number
  server: ChildProcess
}

/** A server, the stream BATCHES, and a connection. */
async function oneBroker(connect: Connect, lines: readonly string[] = []): Promise<OneBroker> {
  const port = await freePort()
  const server = await brokers.start(port, lines)
  const connection = await connectTo(connect, { servers: `127.0.0.1:${port}` })
  return { ...connection, jsm: await withStream(connection), port, server }
}

async function withStream({ nc }: BrokerConnection, replicas = 1): Promise<JetStreamManager> {
  const jsm = await jetstreamManager(nc, { timeout: replicas === 1 ? 20_000 : 2_000 })
  await jsm.streams.add({
    name: 'BATCHES',
    subjects: ['batch.>'],
    allow_atomic: true,
    num_replicas: replicas,
  })
  return jsm
}

/** Of so many bytes each, in memory that threads share. */
function messages(sizes: readonly number[]): BatchMessage[] {
  return sizes.map((size, index) => ({
    natsSubject: `batch.${index}`,
    bytes: new Uint8Array(new SharedArrayBuffer(size + 7), 7).fill(index + 1),
    headers: { 'weir-number': String(index) },
  }))
}

const on = (natsSubject: string): BatchMessage[] => messages([1]).map(one => ({ ...one, natsSubject }))

async function stored(jsm: JetStreamManager): Promise<number> {
  return (await jsm.streams.info('BATCHES')).state.messages
}

interface Reading {
  readonly open: OpenReading
  /** Sequence in the stream, number of bytes, first byte and number in the header of each message. */
  readonly read: (readonly [number, number, number | undefined, string | undefined])[]
  readonly statuses: string[]
  readonly lost: string[]
  pull(batch: number, bytes?: number): void
}

/** Reads BATCHES from a sequence on. */
async function startReading({ bulk }: BrokerConnection, jsm: JetStreamManager, from = 1): Promise<Reading> {
  const { name } = await jsm.consumers.add('BATCHES', {
    ack_policy: AckPolicy.None,
    mem_storage: true,
    opt_start_seq: from,
    deliver_policy: 'by_start_sequence',
    inactive_threshold: nanos(60_000),
  })
  const reading: Omit<Reading, 'open' | 'pull'> = { read: [], statuses: [], lost: [] }
  const open = await bulk.open({
    onMessage: ({ reply, head, bytes }) => {
      const delivery = deliveryOf(reply)
      const sent = head.names().find(name => head.get('WEIR-number') !== undefined && name === 'weir-number')
      if (delivery === undefined) reading.statuses.push(statusOf(head).kind)
      else reading.read.push([delivery.streamSeq, bytes.length, bytes[0], head.values(sent ?? '')[0]])
    },
    onLost: detail => reading.lost.push(detail),
  })
  const pull = (batch: number, bytes = 64 << 20): void =>
    open.pull(
      `$JS.API.CONSUMER.MSG.NEXT.BATCHES.${name}`,
      JSON.stringify({ batch, max_bytes: bytes, expires: nanos(60_000), idle_heartbeat: nanos(1_000) }),
    )
  return { ...reading, open, pull }
}

describe.each(implementations)('bulk over $name', ({ connect }) => {
  test.each(logins)('is let in with %s; what is published is read again', async login => {
    const port = await freePort()
    const { lines, options } = await brokers.login(login)
    await brokers.start(port, lines)
    const connection = await connectTo(connect, { ...options, servers: `localhost:${port}` })
    const jsm = await withStream(connection)
    const sizes = [10, 900_000, 0]
    const outcome = await publishBatch(connection.bulk, messages(sizes), unfenced, tooLongMs)
    expect(outcome).toEqual({ kind: 'stored', seq: 3, count: 3 })
    const { read, pull } = await startReading(connection, jsm)
    pull(100)
    await until(() => read.length === 3)
    expect(read).toEqual([
      [1, 10, 1, '0'],
      [2, 900_000, 2, '1'],
      [3, 0, undefined, '2'],
    ])
    if (login !== 'tls') {
      const stranger = { ...options, user: 'me', pass: 'wrong', token: 'wrong', authenticator: [] }
      const entering = connect({ ...stranger, servers: `localhost:${port}` })
      await expect(entering).rejects.toThrow(/authorization/i)
    }
  })

  test('a batch is stored as it was sent: payloads, headers and order', async () => {
    const { bulk, jsm } = await oneBroker(connect)
    const sizes = [10, 1_000_000, 0, 333]
    const outcome = await publishBatch(bulk, messages(sizes), unfenced, tooLongMs)
    expect(outcome).toEqual({ kind: 'stored', seq: 4, count: 4 })
    for (const [index, size] of sizes.entries()) {
      const message = await jsm.streams.getMessage('BATCHES', { seq: index + 1 })
      expect(message?.subject).toBe(`batch.${index}`)
      expect(message?.header.get('weir-number')).toBe(String(index))
      const data = message?.data ?? new Uint8Array()
      expect(data.length).toBe(size)
      expect(data.every(byte => byte === index + 1)).toBe(true)
    }
    expect(await publishOne(bulk, messages([3])[0]!, tooLongMs)).toMatchObject({ seq: 5 })
  })

  test('batches under way at once are answered each for itself', async () => {
    const { bulk, jsm } = await oneBroker(connect)
    const first = messages([1, 2])
    const other = first.map(message => ({ ...message, natsSubject: `${message.natsSubject}.other` }))
    const outcomes = await Promise.all([
      publishBatch(bulk, first, unfenced, tooLongMs),
      publishBatch(bulk, first, unfenced, tooLongMs),
      publishBatch(bulk, other, unfenced, tooLongMs),
    ])
    expect(outcomes.map(outcome => outcome.kind)).toEqual(['stored', 'fenced', 'stored'])
    expect(await stored(jsm)).toBe(4)
  })

  test('a message as large as the broker takes is stored; one byte more is refused before anything is sent', async () => {
    const maxPayload = 200_000
    const { bulk, jsm } = await oneBroker(connect, [`max_payload: ${maxPayload}`])
    const headers = { 'weir-number': '0' }
    const room = maxPayload - 'NATS/1.0\r\nweir-number: 0\r\n\r\n'.length
    const sized = (bytes: number) => ({ natsSubject: 'batch.large', bytes: new Uint8Array(bytes), headers })
    expect(await publishOne(bulk, sized(room + 1), tooLongMs)).toEqual({
      kind: 'too_large',
      detail: '200001 bytes; the broker takes 200000',
    })
    const batch = [...messages([1]), sized(maxPayload)]
    expect((await publishBatch(bulk, batch, unfenced, tooLongMs)).kind).toBe('too_large')
    expect(await stored(jsm)).toBe(0)
    expect(await publishOne(bulk, sized(room), tooLongMs)).toMatchObject({ kind: 'stored', seq: 1 })
    const { read, pull } = await startReading({ bulk } as BrokerConnection, jsm)
    pull(1)
    await until(() => read.length === 1)
    expect(read[0]?.[1]).toBe(room)
  })

  test('no answer, and nobody to answer, is unknown', async () => {
    const { nc, bulk } = await oneBroker(connect)
    expect(await publishBatch(bulk, on('nobody'), unfenced, tooLongMs)).toMatchObject({
      kind: 'unknown',
      detail: expect.stringMatching(/no responders/i),
    })
    nc.subscribe('nobody') // a subscriber that never answers
    await nc.flush()
    expect(await publishBatch(bulk, on('nobody'), unfenced, 50)).toEqual({
      kind: 'unknown',
      detail: 'the broker did not answer in time',
    })
    expect((await publishBatch(bulk, messages([1]), unfenced, tooLongMs)).kind).toBe('stored')
  })

  test('a batch that is cut off is unknown at once, and nothing of it is stored', async () => {
    const { jsm, port } = await oneBroker(connect)
    let cuts = 0
    const proxy = await lossyProxy(port, {
      sent: message => {
        if (cuts > 0 || !message.startsWith('HPUB batch.1')) return 'passes'
        cuts += 1
        return 'cut_before'
      },
    })
    undo.push(() => proxy.close())
    const { bulk } = await connectTo(connect, { servers: proxy.servers })
    const outcome = await publishBatch(bulk, messages([5, 5, 5]), unfenced, tooLongMs)
    expect(outcome).toMatchObject({ kind: 'unknown', detail: expect.stringContaining('lost') })
    expect(await stored(jsm)).toBe(0)
    const again = await publishBatch(bulk, messages([5, 5, 5]), unfenced, tooLongMs)
    expect(again).toMatchObject({ kind: 'stored', count: 3 })
  })

  test('while the broker is away nothing is sent, not later either; when it is back, batches are', async () => {
    const broker = await oneBroker(connect)
    const { nc, bulk, jsm, port, server } = broker
    expect((await publishBatch(bulk, messages([1]), unfenced, tooLongMs)).kind).toBe('stored')
    nc.subscribe('deaf')
    await nc.flush()
    const underWay = publishBatch(bulk, on('deaf'), unfenced, tooLongMs)
    await nc.flush()
    await brokers.kill(server)
    expect(await underWay).toMatchObject({ kind: 'unknown', detail: expect.stringContaining('lost') })
    expect(await publishBatch(bulk, on('batch.late'), unfenced, 20)).toEqual({
      kind: 'unknown',
      detail: 'the broker is out of reach',
    })
    const waiting = publishBatch(bulk, messages([2]), { lastSubjectSequence: 1 }, tooLongMs)
    await brokers.start(port)
    expect(await waiting).toMatchObject({ kind: 'stored', seq: 2 })
    expect(await stored(jsm)).toBe(2)
  })

  test('a lost connection is told to each reading, and a new reading waits until the broker is back', async () => {
    const broker = await oneBroker(connect)
    await publishBatch(broker.bulk, messages([1, 2, 3]), unfenced, tooLongMs)
    const first = await startReading(broker, broker.jsm)
    const second = await startReading(broker, broker.jsm)
    first.pull(2)
    await until(() => first.read.length === 2)
    const noticed = firstStatus(broker.nc, 'disconnect')
    await brokers.kill(broker.server)
    await until(() => first.lost.length === 1 && second.lost.length === 1)
    await noticed // the client may learn of it later than the readings
    first.pull(100) // the reading is lost: nothing is sent
    const waiting = startReading(broker, broker.jsm, 3)
    await brokers.start(broker.port)
    const { read, pull } = await waiting
    pull(100)
    await until(() => read.length === 1)
    expect(read[0]?.[0]).toBe(3)
    expect([first.read.length, first.lost.length]).toEqual([2, 1])
  })

  test('a reader gets what it asks for and no more; a closed reading gets nothing', async () => {
    const broker = await oneBroker(connect)
    await publishBatch(broker.bulk, messages(Array(10).fill(1_000)), unfenced, tooLongMs)
    const { read, statuses, pull, open } = await startReading(broker, broker.jsm)
    const ends = () => statuses.filter(status => status === 'end_of_pull').length
    pull(3)
    await until(() => read.length >= 3)
    const before = ends()
    pull(100, 2_500) // two messages fit
    await until(() => read.length >= 5 && ends() > before)
    expect(read.map(([seq]) => seq)).toEqual([1, 2, 3, 4, 5])
    pull(5)
    await until(() => read.length >= 10)
    pull(100)
    open.close()
    await publishBatch(broker.bulk, on('batch.after'), unfenced, tooLongMs)
    await broker.nc.flush()
    expect(read.map(([seq]) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  test('a reader that the broker cuts off because it is too slow is told, and reads on behind what it has', async () => {
    const broker = await oneBroker(connect, ['max_pending: 16MB', 'max_payload: 8MB'])
    const count = 24
    for (let i = 0; i < count; i += 1) {
      const bytes = new Uint8Array(4 << 20)
      await publishOne(broker.bulk, { natsSubject: 'batch.large', bytes }, tooLongMs)
    }
    const slow = await startReading(broker, broker.jsm)
    slow.pull(count, 1 << 30)
    await broker.nc.flush() // the broker has the request
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_000) // nothing is read meanwhile
    await until(() => slow.lost.length === 1)
    expect(slow.read.length).toBeLessThan(count)
    const next = await startReading(broker, broker.jsm, (slow.read.at(-1)?.[0] ?? 0) + 1)
    for (let had = -1; slow.read.length + next.read.length < count; await sleep(5)) {
      if (next.read.length === had) continue
      had = next.read.length
      next.pull(1)
    }
    const all = [...slow.read, ...next.read].map(([seq]) => seq)
    expect(all).toEqual(Array.from({ length: count }, (_, i) => i + 1))
  })

  test('of several servers the first that lives is used, and when it dies another', async () => {
    const ports = [await freePort(), await freePort(), await freePort()]
    const second = await brokers.start(ports[1]!)
    const connection = await connectTo(connect, { servers: ports.map(port => `127.0.0.1:${port}`) })
    const jsm = await withStream(connection)
    await publishBatch(connection.bulk, messages([1]), unfenced, tooLongMs)
    const reading = await startReading(connection, jsm)
    await brokers.kill(second)
    await until(() => reading.lost.length === 1)
    await brokers.start(ports[2]!)
    const there = await withStream(connection)
    expect(await publishBatch(connection.bulk, messages([1, 1]), unfenced, tooLongMs)).toMatchObject({
      seq: 2,
    })
    const { read, pull } = await startReading(connection, there)
    pull(100)
    await until(() => read.length === 2)
  })

  test('in a cluster of three the death of the server at hand stops neither batches nor readings', async () => {
    const ports = [await freePort(), await freePort(), await freePort()]
    const routes = [await freePort(), await freePort(), await freePort()]
    const all = routes.map(route => `"nats://127.0.0.1:${route}"`).join(', ')
    const servers = await Promise.all(
      ports.map((port, index) =>
        brokers.start(port, [
          `server_name: s${index}`,
          `cluster { name: c, listen: "127.0.0.1:${routes[index]}", routes: [${all}] }`,
        ]),
      ),
    )
    const connection = await connectTo(connect, { servers: ports.map(port => `127.0.0.1:${port}`) })
    let jsm: JetStreamManager | undefined
    await until(async () => {
      jsm = await withStream(connection, 3).catch(() => undefined) // until the three have met
      return jsm !== undefined
    })
    expect(await publishBatch(connection.bulk, messages([1, 2]), unfenced, tooLongMs)).toMatchObject({
      seq: 2,
    })
    const reading = await startReading(connection, jsm!)
    reading.pull(100)
    await until(() => reading.read.length === 2)
    const atHand = ports.findIndex(port => connection.nc.getServer().endsWith(`:${port}`))
    await brokers.kill(servers[atHand]!)
    await until(() => reading.lost.length === 1)
    let fence = { lastSubjectSequence: 1 }
    await until(async () => {
      const outcome = await publishBatch(connection.bulk, messages([3, 4]), fence, 5_000)
      // While no leader is chosen nobody answers, or says so.
      if (outcome.kind === 'fenced') fence = { lastSubjectSequence: 3 }
      return outcome.kind === 'stored' || outcome.kind === 'fenced'
    })
    let later: Reading | undefined
    await until(async () => {
      later = await startReading(connection, jsm!, 3).catch(() => undefined)
      return later !== undefined
    })
    later!.pull(2)
    await until(() => later!.read.length === 2)
    expect(later!.read.map(([seq, bytes]) => [seq, bytes])).toEqual([
      [3, 3],
      [4, 4],
    ])
  }, 120_000)

  test('after it was closed a batch is out of reach and a reading refused, and those under way are told', async () => {
    const broker = await oneBroker(connect)
    const reading = await startReading(broker, broker.jsm)
    await broker.nc.close()
    await until(() => reading.lost.length === 1)
    await expect(publishBatch(broker.bulk, messages([1]), unfenced, tooLongMs)).resolves.toMatchObject({
      kind: 'unknown',
    })
    await expect(broker.bulk.open({ onMessage: () => undefined, onLost: () => undefined })).rejects.toThrow(
      /closed/,
    )
  })
})
