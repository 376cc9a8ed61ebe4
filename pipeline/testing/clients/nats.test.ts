// NATS clients (npm `nats` 2.x, `nats.ws` over WebSocket) against a running Weir: what they publish is kept and counted, also
// under ids with dots, and docs/publishing-over-nats.md says what was run.

import { execFile } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { connect, headers, type NatsConnection } from 'nats'
import { connect as connectWs, type NatsConnection as WsConnection } from 'nats.ws'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { freePort, SupervisedWeir } from '../../../bench/measure/supervised-weir.js'
import { consumerDomain } from '../../../deploy/embedded/nats-config.js'
import { packageRoot } from '../../../schemas/package-root.js'
import { encodeUsageBatch } from '../../../schemas/usage-batch/usage-batch-writer.js'
import { openClickHouse } from '../../../sinks/clickhouse/config.js'
import { until } from '../engine-harness.js'

const generousMs = 180_000
const allowed = 'https://app.example'
let weir: SupervisedWeir
let wsUrl: string
let nats: NatsConnection
let ws: WsConnection

beforeAll(async () => {
  const port = await freePort()
  wsUrl = `ws://127.0.0.1:${port}`
  weir = await SupervisedWeir.start({
    env: { WEIR_NATS_WEBSOCKET_PORT: String(port), WEIR_NATS_WEBSOCKET_ORIGINS: allowed },
  })
  await weir.ready()
  nats = await connect(weir.natsAs('publisher') as never)
  // What a browser and newer Node have by themselves.
  Object.assign(globalThis, { WebSocket })
  const { user, pass } = weir.natsAs('publisher')
  ws = await connectWs({ servers: wsUrl, user: user!, pass: pass! })
}, generousMs)

afterAll(async () => {
  await nats?.close()
  await ws?.close()
  await weir?.stop()
}, generousMs)

const eventOf = (id: string, subject: string) => ({
  specversion: '1.0',
  id,
  source: '/nats-clients',
  type: 'nobody.meters.this',
  subject,
  time: '2026-05-01T00:00:00Z',
  data: { n: 1 },
})
const jsonOf = (id: string, subject: string) => Buffer.from(JSON.stringify(eventOf(id, subject)))

async function rows(query: string): Promise<Record<string, number>[]> {
  const clickhouse = openClickHouse(weir.clickhouse)
  try {
    return await (await clickhouse.query({ query, format: 'JSONEachRow' })).json()
  } finally {
    await clickhouse.close()
  }
}

/** Publishes, and tells how many events Weir counted for it, by what became of them. */
async function countedAfter(work: () => Promise<number>): Promise<Record<string, number>> {
  const sums = `SELECT toInt32(sum(received)) AS received, toInt32(sum(unmetered)) AS unmetered, toInt32(sum(duplicate)) AS duplicate,
    toInt32(sum(dead_lettered)) AS dead_lettered FROM event_dispositions`
  const before = (await rows(sums))[0]!
  const events = await work()
  let after = before
  await until(async () => {
    after = (await rows(sums))[0]!
    return after['received']! >= before['received']! + events
  })
  return Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - before[name]!]))
}

const subjectsOf: readonly (readonly [subject: string, customer: string])[] = [
  ['usage.acme', 'acme'],
  ['usage.acme.eu', 'acme.eu'],
  ['usage.acme=2Eeu', 'acme.eu'],
  ['usage.jane@acme.com', 'jane@acme.com'],
  ['usage.org:7', 'org:7'],
  ['usage.Zürich', 'Zürich'],
]

test.each([
  ['nats 2.x', () => nats],
  ['nats.ws over WebSocket', () => ws as unknown as NatsConnection],
])('what %s publishes with JetStream is counted for its customer', async (name, connection) => {
  const counted = await countedAfter(async () => {
    const js = connection().jetstream()
    for (const [natsSubject, customer] of subjectsOf) {
      const ack = await js.publish(natsSubject, jsonOf(`${name} ${natsSubject}`, customer))
      expect(ack.seq).toBeGreaterThan(0)
    }
    return subjectsOf.length
  })
  expect(counted).toEqual({ received: 6, unmetered: 6, duplicate: 0, dead_lettered: 0 })
})

test.each([
  ['nats 2.x', () => nats],
  ['nats.ws over WebSocket', () => ws as unknown as NatsConnection],
])('a plain publish of %s without any header is read as what it is', async (name, connection) => {
  const id = (what: string) => `${name} bare ${what}`
  const lines = Buffer.from(['l1', 'l2'].map(one => `${jsonOf(id(one), 'acme')}\n`).join(''))
  const { specversion: _, data, ...attributes } = eventOf(id('arrow'), 'acme')
  const arrow = encodeUsageBatch([{ ...attributes, data: JSON.stringify(data) }])
  const counted = await countedAfter(async () => {
    const bodies = [
      jsonOf(id('json'), 'acme'),
      lines,
      gzipSync(jsonOf(id('gzip'), 'acme')),
      arrow,
      gzipSync(arrow),
    ]
    for (const body of bodies) connection().publish('usage.acme', body)
    await connection().flush()
    return 6
  })
  expect(counted).toEqual({ received: 6, unmetered: 5, duplicate: 1, dead_lettered: 0 })
})

test('an event in CloudEvents’ binary mode keeps its attributes on the way from UNPLACED to its partition', async () => {
  const { data, ...attributes } = eventOf('binary', 'acme.eu')
  const made = headers()
  for (const [name, value] of Object.entries(attributes)) made.set(`ce-${name}`, value)
  const counted = await countedAfter(async () => {
    const ack = await nats.jetstream().publish('usage.acme.eu', JSON.stringify(data), { headers: made })
    expect(ack.stream).toBe('UNPLACED')
    return 1
  })
  expect(counted).toEqual({ received: 1, unmetered: 1, duplicate: 0, dead_lettered: 0 })
})

test('nats 2.x reads billing batches as the user consumer', async () => {
  const consumer = await connect(weir.natsAs('consumer') as never)
  const info = await consumer.jetstream({ domain: consumerDomain }).consumers.get('BILLING', 'reader')
  expect((await info.info(false)).num_pending).toBe(0)
  await consumer.close()
})

test('over WebSocket nobody is let in without the password, nor a page of another origin', async () => {
  for (const login of [{}, { user: 'publisher', pass: 'wrong' }, { user: 'weir' }])
    await expect(connectWs({ servers: wsUrl, reconnect: false, ...login })).rejects.toThrow(
      /[Aa]uthorization/,
    )
  const answerTo = (origin: string) =>
    new Promise<string>(resolve => {
      const socket = new WebSocket(wsUrl, { origin })
      socket.once('open', () => resolve('open'))
      socket.once('error', error => resolve(error.message))
      socket.once('open', () => socket.close())
    })
  expect(await answerTo(allowed)).toBe('open')
  expect(await answerTo('https://evil.example')).toContain('403')
})

test('the example of the documentation runs as it stands', async () => {
  const text = readFileSync(new URL('docs/publishing-over-nats.md', packageRoot), 'utf8')
  const example = /## With the npm package `nats`\n\n```js\n([\s\S]*?)```/.exec(text)![1]!
  const file = fileURLToPath(new URL(`.cache/publishing-over-nats-${process.pid}.mjs`, packageRoot))
  writeFileSync(file, example)
  try {
    const env = {
      ...process.env,
      NATS_URL: String(weir.nats.servers),
      PASSWORD_FILE: join(weir.dataDir, 'nats', 'passwords', 'publisher'),
    }
    const counted = await countedAfter(async () => {
      const { stdout } = await promisify(execFile)(process.execPath, [file], { env })
      expect(Number(stdout)).toBeGreaterThan(0)
      return 1
    })
    expect(counted).toEqual({ received: 1, unmetered: 1, duplicate: 0, dead_lettered: 0 })
  } finally {
    rmSync(file)
  }
})
