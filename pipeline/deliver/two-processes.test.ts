// Processes that deliver one connection to a receiver without idempotency: each record is there once, whoever starts, freezes, dies
// or comes back.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { jetstream } from '@nats-io/jetstream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { deliveryStepSchema } from '../../schemas/billing/delivery.js'
import type { ConnectorRecord } from '../../sinks/connector.js'
import { readStretch } from '../broker/read-stream.js'
import { builtTestFile } from '../testing/built-test-file.js'
import { until } from '../testing/engine-harness.js'
import { type Broker, startBroker } from '../testing/gateway-fixture.js'

const generousMs = 120_000
let broker: Broker
let server: Server
const documents: string[] = []
/** The first question before this record is not answered; its answer. */
const waiting = new Map<string, ServerResponse | undefined>()
/** These are taken, and the answer never comes. */
const unanswered = new Set<string>()
const children: ChildProcess[] = []
const states = new Map<ChildProcess, string>()

beforeAll(async () => {
  broker = await startBroker(1)
  server = createServer(({ method, url = '' }, response) => {
    const [, what, key = ''] = url.split('/')
    if (what === 'before' && waiting.has(key) && waiting.get(key) === undefined) {
      waiting.set(key, response)
      return
    }
    if (method === 'POST') documents.push(key)
    if (method === 'POST' && unanswered.has(key)) return
    response.writeHead(what === 'documents' && !documents.includes(key) ? 404 : 200).end('{}')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
}, generousMs)

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  server?.closeAllConnections()
  server?.close()
  await broker?.close()
})

function start(): ChildProcess {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const env = { ...process.env, WEIR_TEST_LOGIN: JSON.stringify(broker.server.login()) }
  const child = fork(builtTestFile('pipeline/deliver/testing/delivery-child.js'), [url], { env })
  child.on('message', state => states.set(child, String(state)))
  children.push(child)
  return child
}

async function publish(...keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    const record: ConnectorRecord = {
      kind: 'journal',
      id: key,
      key,
      recordedAt: '2026-11-01T00:00:00Z',
      document: {},
    }
    await jetstream(broker.nc).publish('postings.de', JSON.stringify(record))
  }
}

async function posted(): Promise<readonly string[]> {
  const last = new Map<string, string>()
  const stretch = { stream: 'DELIVERIES', filterSubject: 'deliveries.c', from: 1 }
  for await (const message of readStretch(jetstream(broker.nc), stretch, new AbortController().signal))
    for (const { key, state } of deliveryStepSchema.parse(message.json()).changed) last.set(key, state)
  return [...last].filter(([, state]) => state === 'posted').map(([key]) => key)
}

const keys = (name: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${name}${n}`)

test(
  'each record is there once: two processes at a time, one frozen in the middle of a sending, one killed, one that comes back later',
  async () => {
    const expected: string[] = []
    const expectOnce = async (...more: readonly string[]): Promise<void> => {
      expected.push(...more)
      await until(async () => (await posted()).length === expected.length)
      expect([...documents].sort()).toEqual([...expected].sort())
    }
    const first = start()
    await publish(...keys('a', 10))
    await until(() => documents.length > 0)
    const second = start() // the newest takes over
    await publish(...keys('b', 10))
    await expectOnce(...keys('a', 10), ...keys('b', 10))
    await until(() => states.get(second) === 'running')

    waiting.set('frozen', undefined)
    await publish('frozen')
    await until(() => waiting.get('frozen') !== undefined)
    second.kill('SIGSTOP')
    await expectOnce('frozen') // the first one took over, looked for it, and sent it
    waiting.get('frozen')!.end('{}')
    second.kill('SIGCONT')
    await until(() => states.get(second) === 'standby')
    await expectOnce()

    unanswered.add('killed')
    await publish('killed')
    await until(() => documents.includes('killed'))
    first.kill('SIGKILL')
    await expectOnce('killed')

    const ended = once(second, 'exit')
    second.send('stop')
    await ended
    await publish(...keys('later', 3))
    start()
    await expectOnce(...keys('later', 3))
  },
  generousMs,
)
