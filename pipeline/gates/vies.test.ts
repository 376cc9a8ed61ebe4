// The check of VAT numbers, against a VIES of the test: an answer is told with its proof; what is no answer is waited for.

import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jetstream } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type NatsServer, startNatsServer } from '../../deploy/embedded/nats-server.js'
import { askVies, readAnswer } from './vies.js'
import { ViesChecker } from './vies-checker.js'

let folder: string
let broker: NatsServer
let nc: NatsConnection
let kv: KV
let fake: Server
let answer: object = {}
const asked: unknown[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-vies-'))
  broker = await startNatsServer({ storeDir: folder })
  nc = await connect({ ...broker.login() })
  kv = await new Kvm(jetstream(nc)).create('weir_gates')
  fake = createServer(async (request, response) => {
    let body = ''
    for await (const part of request) body += String(part)
    asked.push(JSON.parse(body))
    response.end(JSON.stringify(answer))
  })
  await new Promise<void>(resolve => fake.listen(0, '127.0.0.1', resolve))
})

afterAll(async () => {
  fake?.close()
  await nc?.close()
  await broker?.stop()
  await rm(folder, { recursive: true, force: true })
})

test('an answer is told with its consultation number; no answer is asked again later, and never means invalid', async () => {
  const taken: { data: object }[] = []
  let nowMs = 1_000_000
  const url = `http://127.0.0.1:${(fake.address() as AddressInfo).port}/rest-api/`
  const checker = () =>
    new ViesChecker({
      settings: { url, metadata: 'vat', requester: { country: 'DE', number: '1' }, again_days: 90 },
      kv,
      numbers: async () => [{ customer_id: 'acme', number: 'gr 123.456.789' }],
      events: {
        take: async events => {
          taken.push(...(events as { data: object }[]))
          return { accepted: events.length, rejected: [], receipts: [] }
        },
      },
      nowMs: () => nowMs,
      log: pino({ level: 'silent' }),
    })
  answer = { actionSucceed: false, errorWrappers: [{ error: 'MS_UNAVAILABLE' }] }
  await checker().checkDue()
  await checker().checkDue() // not yet
  const requester = { requesterMemberStateCode: 'DE', requesterNumber: '1' }
  expect(asked).toEqual([{ countryCode: 'EL', vatNumber: '123456789', ...requester }])
  nowMs += 60_000
  await checker().checkDue()
  expect([asked.length, taken]).toEqual([2, []])
  nowMs += 60_000
  await checker().checkDue() // the second pause is longer
  expect(asked.length).toBe(2)
  answer = { valid: true, requestIdentifier: 'WAPIAAAA' }
  nowMs += 60_000
  await checker().checkDue()
  expect(taken.map(({ data }) => data)).toMatchObject([
    { gate: 'vat', status: 'VALID', reference: 'WAPIAAAA' },
  ])
  nowMs += 89 * 86_400_000
  await checker().checkDue()
  expect(asked.length).toBe(3)
  nowMs += 86_400_000
  answer = { valid: false, userError: 'INVALID' }
  await checker().checkDue()
  expect(taken.map(({ data }) => data)[1]).toMatchObject({ status: 'INVALID' })
})

test('a redirect, an answer of a gateway and one that never ends say nothing of a number', async () => {
  const { signal } = new AbortController()
  const ways: Readonly<Record<string, (response: ServerResponse, elsewhere: string) => void>> = {
    redirect: (response, elsewhere) => response.writeHead(307, { location: elsewhere }).end(),
    gateway: response => response.writeHead(502).end('{"valid":false}'),
    cut: response => response.writeHead(200, { 'content-length': '900' }).end('{"valid":false'),
    endless: response => {
      const timer = setInterval(() => response.write(Buffer.alloc(1 << 20, 0x20)), 1)
      response.on('close', () => clearInterval(timer)).on('error', () => undefined)
    },
  }
  const before = asked.length
  const elsewhere = `http://127.0.0.1:${(fake.address() as AddressInfo).port}`
  for (const [name, answering] of Object.entries(ways)) {
    const server = createServer((_, response) => answering(response, elsewhere))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const told = await askVies({ url, requester: { country: 'DE', number: '1' } }, 'DE129273398', signal)
    expect(told, name).toMatchObject({ kind: 'unavailable' })
    server.closeAllConnections()
    server.close()
  }
  expect(asked.length).toBe(before) // no other address got the number
})

test('only an answer about the number says something of it', () => {
  const codes = [
    'GLOBAL_MAX_CONCURRENT_REQ',
    'MS_MAX_CONCURRENT_REQ',
    'SERVICE_UNAVAILABLE',
    'MS_UNAVAILABLE',
    'TIMEOUT',
    'NEW',
  ]
  for (const code of codes)
    expect(readAnswer({ isValid: false, userError: code })).toEqual({ kind: 'unavailable', code })
  for (const odd of [null, 'x', [], {}, { valid: 'false' }, { errorWrappers: [7] }])
    expect(readAnswer(odd)).toMatchObject({ kind: 'unavailable' })
  expect(readAnswer({ isValid: true, userError: 'VALID', requestIdentifier: 'n' })).toMatchObject({
    status: 'VALID',
  })
  expect(readAnswer({ isValid: false, userError: 'INVALID_INPUT' })).toMatchObject({
    status: 'INVALID_INPUT',
  })
})
