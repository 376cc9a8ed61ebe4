// What only sockets do: the memory of their messages is reused once its reader has released it, and not before; a server
// without TLS is refused where TLS is asked for, before any login is sent.

import { type AddressInfo, createServer } from 'node:net'
import { AckPolicy } from '@nats-io/jetstream'
import { nanos } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Broker, startBroker, until } from '../testing/engine-harness.js'
import { BrokerSocket } from './broker-socket.js'
import { deliveryOf } from './pull-protocol.js'

let broker: Broker

beforeAll(async () => {
  broker = await startBroker(1)
  await broker.jsm.streams.add({ name: 'BATCHES', subjects: ['batch.>'] })
})

afterAll(async () => {
  await broker?.stop()
})

test('a message stays as it was read until it is released, however many others are released meanwhile', async () => {
  const { bulk, jsm } = broker
  for (let n = 1; n <= 20; n += 1) {
    const bytes = new Uint8Array(5_000).fill(n)
    await bulk.request([{ natsSubject: 'batch.one', bytes, headers: {} }], 10_000)
  }
  const { name } = await jsm.consumers.add('BATCHES', { ack_policy: AckPolicy.None, mem_storage: true })
  const kept: Uint8Array[] = []
  const buffers = new Set<ArrayBufferLike>()
  let read = 0
  const open = await bulk.open({
    onMessage: ({ reply, bytes, release }) => {
      if (deliveryOf(reply) === undefined) return release()
      read += 1
      buffers.add(bytes.buffer)
      if (read % 2 === 1) kept.push(bytes)
      else {
        release()
        release() // a second time does no harm
      }
    },
    onLost: () => undefined,
  })
  const request = { batch: 20, expires: nanos(60_000) }
  open.pull(`$JS.API.CONSUMER.MSG.NEXT.BATCHES.${name}`, JSON.stringify(request))
  await until(() => read === 20)
  expect(kept.map(bytes => [bytes.length, new Set(bytes).size, bytes[0]])).toEqual(
    Array.from({ length: 10 }, (_, index) => [5_000, 1, 2 * index + 1]),
  )
  expect(buffers.size).toBeLessThan(20)
})

test('a server without TLS is refused when TLS is asked for, and sees no login', async () => {
  const sent: string[] = []
  const plain = createServer(socket => {
    socket.on('data', chunk => sent.push(chunk.toString()))
    socket.on('error', () => undefined)
    socket.write('INFO {"server_id":"S","version":"2.12.0","max_payload":1048576}\r\n')
  })
  await new Promise<void>(resolve => plain.listen(0, '127.0.0.1', resolve))
  const { port } = plain.address() as AddressInfo
  const options = { tls: {}, user: 'weir', pass: 'secret' }
  const events = { memoryFor: (bytes: number) => new Uint8Array(bytes), onMessage: () => undefined }
  const dialled = BrokerSocket.dial(
    { server: `127.0.0.1:${port}`, options },
    { ...events, onClosed: () => undefined },
  )
  await expect(dialled).rejects.toThrow('the broker offers no TLS')
  await new Promise(resolve => plain.close(resolve))
  expect(sent).toEqual([])
})
