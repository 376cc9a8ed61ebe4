// What the interface of a receiver makes of answers that say less than they seem to, over real HTTP.

import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fetch } from 'undici'
import { afterEach, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { Api } from './api.js'
import { headerKey } from './authorizer.js'
import { freeLimiter } from './limiter.js'
import { rowsOf } from './odata.js'

vi.mock('undici', async original => {
  const real = await original<typeof import('undici')>()
  return { ...real, fetch: vi.fn(real.fetch) }
})

const { signal } = new AbortController()
const servers: Server[] = []
const refused = () => ({ kind: 'refused', code: 'receiver_refused', detail: '' }) as const

afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function apiTo(answers: RequestListener): Promise<{ readonly api: Api; readonly origin: string }> {
  const server = createServer(answers)
  servers.push(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const authorizer = headerKey('x-key', () => ({ kind: 'ok', secret: 'key-1' }))
  const api = new Api({
    baseUrl: origin,
    authorizer,
    limiter: freeLimiter,
    requestMs: 5_000,
    nowMs: Date.now,
  })
  return { api, origin }
}

test('the address of the next page is asked for as the receiver wrote it', async () => {
  const asked: string[] = []
  const { api, origin } = await apiTo(({ url = '' }, response) => {
    asked.push(url)
    const next = asked.length === 1 ? { '@odata.nextLink': `${origin}/rows?token=a+b%2Bc` } : {}
    response.end(JSON.stringify({ value: [asked.length], ...next }))
  })
  const request = { path: '/rows', query: { $top: '1 2' }, row: z.number(), outcomeOfRefusal: refused }
  expect(await rowsOf(api, request, signal)).toEqual({ kind: 'ok', rows: [1, 2] })
  expect(asked).toEqual(['/rows?%24top=1%202', '/rows?token=a+b%2Bc'])
})

test('a next page at another origin gets neither a request nor the key, and stops the connection', async () => {
  for (const next of ['http://127.0.0.1:9/rows', 'http://:bad']) {
    const { api } = await apiTo((_, response) =>
      response.end(JSON.stringify({ value: [], '@odata.nextLink': next })),
    )
    const request = { path: '/rows', query: {}, row: z.number(), outcomeOfRefusal: refused }
    const read = await rowsOf(api, request, signal)
    expect(read).toMatchObject({ kind: 'failed', outcome: { kind: 'stopped', code: 'redirected' } })
  }
})

const again = { 'retry-after': '30' }
const unavailable: readonly (readonly [string, string, Record<string, string>?])[] = [
  ['down for maintenance', 'unclear'],
  ['down for maintenance', 'throttled', again],
  ['down for maintenance', 'unclear', { 'retry-after': 'soon' }],
  [
    'upstream connect error or disconnect/reset before headers. reset reason: connection failure',
    'throttled',
    again,
  ],
  [
    'upstream connect error or disconnect/reset before headers. reset reason: connection termination',
    'unclear',
    again,
  ],
  ['upstream prematurely closed connection while reading response header', 'unclear', again],
]
for (const [words, kind, headers = {}] of unavailable) {
  test(`503 with "${words.slice(-40)}" and ${JSON.stringify(headers)} is ${kind}`, async () => {
    const { api } = await apiTo((_, response) => response.writeHead(503, headers).end(words))
    const answer = await api.send({ method: 'POST', path: '/', body: { json: {} } }, signal)
    expect(answer).toMatchObject({ kind: 'failed', outcome: { kind } })
  })
}

for (const [syscall, kind] of [
  ['connect', 'throttled'],
  ['read', 'unclear'],
] as const) {
  test(`a network that cannot be reached in ${syscall} leaves a request ${kind}`, async () => {
    const { api } = await apiTo((_, response) => response.end())
    const cause = Object.assign(new Error(`${syscall} EHOSTUNREACH`), { code: 'EHOSTUNREACH', syscall })
    vi.mocked(fetch).mockRejectedValueOnce(new TypeError('fetch failed', { cause }))
    const answer = await api.send({ method: 'POST', path: '/', body: { json: {} } }, signal)
    expect(answer).toMatchObject({ kind: 'failed', outcome: { kind } })
  })
}
