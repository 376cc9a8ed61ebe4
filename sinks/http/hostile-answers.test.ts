// A receiver that lies or never ends: slow headers, slow bodies, wrong lengths, endless and packed bodies, redirects. Each ends within
// its time and its size, nothing is sent to another address, and none of it counts as a record that is there or not.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createSocketServer, type Server as SocketServer } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, expect, test } from 'vitest'
import { Api, jsonOf } from './api.js'
import { headerKey } from './authorizer.js'
import { freeLimiter } from './limiter.js'

const { signal } = new AbortController()
const servers: (Server | SocketServer)[] = []
const seenElsewhere: string[] = []

afterEach(() => {
  for (const server of servers.splice(0)) {
    if ('closeAllConnections' in server) server.closeAllConnections()
    server.close()
  }
  seenElsewhere.length = 0
})

async function listening<S extends Server | SocketServer>(server: S): Promise<string> {
  servers.push(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function apiTo(baseUrl: string, requestMs = 5_000): Api {
  const authorizer = headerKey('authorization', () => ({ kind: 'ok', secret: 'key-123456' }), 'Bearer ')
  return new Api({ baseUrl, authorizer, limiter: freeLimiter, requestMs, nowMs: Date.now })
}

const ask = { method: 'POST', path: '/things', body: { json: { a: 1 } } } as const
type Answering = (request: IncomingMessage, response: ServerResponse) => void

test('a redirect is followed nowhere, whatever it names, and stops the connection', async () => {
  const elsewhere = await listening(
    createServer(({ url, headers }, response) => {
      seenElsewhere.push(`${url} ${headers.authorization}`)
      response.end('{"id":"1"}')
    }),
  )
  for (const status of [301, 302, 303, 307, 308])
    for (const where of [
      `${elsewhere}/x`,
      '/things',
      '//127.0.0.1:9/x',
      'https://127.0.0.1:9',
      'file:///etc/passwd',
      '',
    ]) {
      let asked = 0
      const url = await listening(
        createServer((_, response) => {
          asked += 1
          response.writeHead(status, { location: where }).end()
        }),
      )
      const answer = await apiTo(url).send(ask, signal)
      expect(answer).toMatchObject({ kind: 'failed', outcome: { kind: 'stopped', code: 'redirected' } })
      expect(asked).toBe(1)
    }
  expect(seenElsewhere).toEqual([])
})

test('slow headers and a slow body end with the deadline, and nothing is known of the request', async () => {
  const trickle: Answering = (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    const timer = setInterval(() => response.write(' '), 20)
    response.on('close', () => clearInterval(timer))
  }
  const silent = await listening(
    createSocketServer(socket => {
      socket.write('HTTP/1.1 200 OK\r\n')
      const timer = setInterval(() => socket.write('x-a: b\r\n'), 20)
      socket.on('close', () => clearInterval(timer)).on('error', () => undefined)
    }),
  )
  const begunMs = Date.now()
  const headers = await apiTo(silent, 300).send(ask, signal)
  expect(headers).toMatchObject({ kind: 'failed', outcome: { kind: 'unclear' } })
  const body = await apiTo(await listening(createServer(trickle)), 300).send(ask, signal)
  expect(body.kind === 'answer' ? jsonOf(body) : undefined).toBeUndefined() // no connector reads a record out of it
  expect(Date.now() - begunMs).toBeLessThan(3_000)
})

test('a length that is a lie makes no whole answer of half a one', async () => {
  const half = '{"id":"1","rows":[{"id":"2"}'
  const short = await listening(
    createSocketServer(socket => {
      socket.on('data', () => socket.end(`HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n${half}`))
      socket.on('error', () => undefined)
    }),
  )
  const answer = await apiTo(short).send(ask, signal)
  expect(answer.kind === 'answer' ? jsonOf(answer) : undefined).toBeUndefined()
  for (const lie of ['-1', '1e3', '5, 6']) {
    const url = await listening(
      createSocketServer(socket => {
        socket.on('data', () => socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${lie}\r\n\r\n{"id":"1"}`))
        socket.on('error', () => undefined)
      }),
    )
    expect(await apiTo(url).send(ask, signal)).toMatchObject({ kind: 'failed', outcome: { kind: 'unclear' } })
  }
})

test('an endless body, a packed one of a gigabyte, and one that is packed wrongly take eight megabytes at most', async () => {
  const megabyte = Buffer.alloc(1 << 20, 0x20)
  const member = gzipSync(megabyte)
  // A gigabyte in about a megabyte: members of gzip one behind the other.
  const bomb = Buffer.concat(Array.from({ length: 1_024 }, () => member))
  const endless: Answering = (_, response) => {
    const timer = setInterval(() => response.write(megabyte), 1)
    response.on('close', () => clearInterval(timer)).on('error', () => undefined)
  }
  const packed: Answering = (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb)
  const twice: Answering = (_, response) =>
    response.writeHead(200, { 'content-encoding': 'gzip, gzip' }).end(gzipSync(bomb))
  const wrong: Answering = (_, response) =>
    response.writeHead(200, { 'content-encoding': 'gzip' }).end('no gzip')
  const before = process.memoryUsage().rss
  for (const answering of [endless, packed, twice, wrong]) {
    const answer = await apiTo(await listening(createServer(answering))).send(ask, signal)
    if (answer.kind !== 'answer') continue
    expect(answer.body.length).toBeLessThanOrEqual(8 << 20)
    expect(jsonOf(answer)).toBeUndefined()
  }
  expect(process.memoryUsage().rss - before).toBeLessThan(300 << 20)
})

test('words of a receiver are kept in their beginning, however long or deep they are', async () => {
  const deep = '['.repeat(1 << 20)
  for (const body of [deep, `{"error":"${'x'.repeat(2 << 20)}"}`, 'Bearer '.repeat(1 << 17)]) {
    const answering: Answering = (_, response) => response.writeHead(500).end(body)
    const begunMs = Date.now()
    const answer = await apiTo(await listening(createServer(answering))).send(ask, signal)
    expect(answer).toMatchObject({ kind: 'failed', outcome: { kind: 'unclear' } })
    expect(JSON.stringify(answer).length).toBeLessThan(3_000)
    expect(Date.now() - begunMs).toBeLessThan(5_000)
  }
})
