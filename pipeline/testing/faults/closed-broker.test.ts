// Hostile clients of NATS: nobody connects without a password, and a login for producers or readers reaches
// neither the ledger nor the keys nor the orders, whatever subject, reply or consumer it names.

import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../../bench/measure/supervised-weir.js'
import { consumerDomain } from '../../../deploy/embedded/nats-config.js'
import { partitionOf } from '../../../schemas/identifiers.js'
import { streamNames } from '../../broker/topology.js'
import { UsagePublisher } from '../../publisher/usage-publisher.js'

const generousMs = 300_000
const domain = { domain: consumerDomain }

let weir: SupervisedWeir
let ours: NatsConnection
let publisher: NatsConnection
let consumer: NatsConnection

beforeAll(async () => {
  weir = await SupervisedWeir.start()
  await weir.ready()
  ours = await connect(weir.nats)
  publisher = await connect(weir.natsAs('publisher'))
  consumer = await connect(weir.natsAs('consumer'))
}, generousMs)

afterAll(async () => {
  await Promise.all([ours, publisher, consumer].map(nc => nc?.close()))
  await weir?.stop()
}, generousMs)

/** The last sequence of every stream, the streams of buckets included. */
async function stored(): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for await (const { config, state } of (await jetstreamManager(ours)).streams.list())
    counts[config.name] = state.last_seq
  return counts
}

/**
 * The streams whose contents changed, except those that the partitions and the deliverer write to at any
 * time.
 */
async function changedBy(work: () => Promise<unknown>, theirs: readonly string[] = []): Promise<string[]> {
  const before = await stored()
  await work()
  await new Promise(resolve => setTimeout(resolve, 300))
  const after = await stored()
  const busy = new Set(['KV_weir_sinks', ...theirs])
  return Object.keys(after).filter(name => after[name] !== before[name] && !busy.has(name))
}

test('nobody is let in without a password, or with another user’s', async () => {
  const { servers, pass = '' } = weir.natsAs('publisher')
  const attempts = [
    {},
    { user: 'weir' },
    { user: 'weir', pass },
    { user: 'publisher', pass: '' },
    { token: pass },
  ]
  for (const attempt of attempts)
    await expect(connect({ servers, reconnect: false, ...attempt })).rejects.toThrow(/[Aa]uthorization/)
})

test('a producer sends usage and changes, and has the answer of the disk', async () => {
  const js = jetstream(publisher)
  expect(await js.publish('usage.acme', '{}')).toMatchObject({ stream: 'METERING' })
  expect(await js.publish('changes.acme', '{}')).toMatchObject({ stream: 'LIFECYCLE' })
  const transport = new UsagePublisher({ to: { connection: publisher }, source: '/test' })
  await transport.start()
  const told = transport.publish({
    id: 'one',
    type: 'llm.request',
    subject: 'acme',
    data: { input_tokens: 1 },
  })
  await transport.flush()
  expect(await told).toEqual({ kind: 'landed' })
  await transport.close()
})

const foreignSubjects = (partitions: number): string[] => [
  ...Array.from({ length: partitions }, (_, p) => `ledger.${p}.state`),
  'ledger.0.delta',
  'control.billing_run',
  'catalog.published',
  'metering.0.gateway',
  'lifecycle.0.gateway',
  'billing.default.run',
  'postings.default',
  '$KV.weir_keys.000000000000',
  '$KV.weir_sinks.clickhouse',
  '$KV.weir_runs.x',
  '$O.weir_snapshots.C.x',
  'weir.owner.0',
  '$JS.API.STREAM.PURGE.LEDGER',
  '$JS.API.STREAM.DELETE.METERING',
  '$JS.API.STREAM.MSG.GET.LEDGER',
  '$JS.API.STREAM.MSG.GET.KV_weir_keys',
  '$JS.API.CONSUMER.CREATE.LEDGER.x',
  '$JS.API.CONSUMER.CREATE.BILLING.x',
  '$JS.API.STREAM.CREATE.X',
  '$JS.API.INFO',
  '$SYS.REQ.SERVER.PING',
  '$JS.weir.API.STREAM.PURGE.BILLING',
  '$JS.weir.API.STREAM.MSG.GET.LEDGER',
  '$JS.weir.API.CONSUMER.CREATE.BILLING.x',
  '$JS.weir.API.CONSUMER.DELETE.BILLING.reader',
]

test('neither a producer nor a reader writes, asks or orders anything else', async () => {
  for (const nc of [publisher, consumer]) {
    expect(
      await changedBy(async () => {
        for (const subject of foreignSubjects(4))
          await expect(nc.request(subject, '{}', { timeout: 2_000 }), subject).rejects.toThrow(
            /[Pp]ermission/,
          )
      }, ['LEDGER']),
    ).toEqual([])
  }
})

test('a reply subject of one’s choice is no way in', async () => {
  const targets = ['control.billing_run', 'ledger.0.state', '$KV.weir_keys.000000000000', 'catalog.published']
  const changed = await changedBy(async () => {
    for (const reply of targets) {
      publisher.publish('usage.acme', '{"not":"an event"}', { reply })
      consumer.publish(`$JS.${consumerDomain}.API.STREAM.INFO.BILLING`, '', { reply })
      consumer.publish(`$JS.${consumerDomain}.API.CONSUMER.MSG.NEXT.BILLING.reader`, '{"batch":1}', { reply })
    }
    await Promise.all([publisher.flush(), consumer.flush()])
  }, ['METERING', 'LEDGER'])
  expect(changed).toEqual([])
})

test('nobody overhears what others are told', async () => {
  const heard: string[] = []
  for (const nc of [publisher, consumer]) {
    for (const subject of ['>', 'ledger.>', 'usage.>', 'metering.>', '$KV.>', '_INBOX.>', '$JS.>', '_R_.>']) {
      const subscription = nc.subscribe(subject, {
        callback: (error, message) => {
          if (error === null) heard.push(`${subject}: ${message.subject}`)
        },
      })
      subscription.closed.catch(() => undefined)
    }
  }
  await Promise.all([publisher.flush(), consumer.flush()])
  await jetstream(ours).publish('usage.acme', '{}')
  await jetstream(ours).publish('billing.default.run', '{"private":true}')
  const kv = await new Kvm(ours).open('weir_keys')
  for await (const key of await kv.keys()) await kv.get(key)
  await new Promise(resolve => setTimeout(resolve, 300))
  expect(heard).toEqual([])
})

test('a reader takes batches and postings, acknowledges them, and reads them again by sequence', async () => {
  for (const [stream, subject] of [
    ['BILLING', 'billing.default.run-2'],
    ['POSTINGS', 'postings.default'],
  ] as const) {
    const { seq } = await jetstream(ours).publish(subject, `{"of":"${stream}"}`)
    const durable = await jetstream(consumer, domain).consumers.get(stream, 'reader')
    let found = false
    while (!found) {
      for await (const message of await durable.fetch({ max_messages: 10, expires: 2_000 })) {
        found ||= message.seq === seq && message.string() === `{"of":"${stream}"}`
        expect(await message.ackAck()).toBe(true)
      }
    }
    expect((await durable.info()).num_ack_pending).toBe(0)
    const jsm = await jetstreamManager(consumer, { ...domain, checkAPI: false })
    expect((await jsm.streams.getMessage(stream, { seq }))?.string()).toBe(`{"of":"${stream}"}`)
  }
})

test('canary: with our own user every one of these ways is open', async () => {
  expect(await changedBy(() => jetstream(ours).publish('control.x', '{}'))).toEqual(['CONTROL'])
  const partition = partitionOf('acme', 4)
  expect(streamNames).toContain('LEDGER')
  expect(await jetstream(ours).publish(`metering.${partition}.test`, '{}')).toMatchObject({
    stream: 'METERING',
  })
})
