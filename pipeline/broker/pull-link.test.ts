// The link against real brokers: with credentials, over TLS, and killed.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findNatsServer } from '../../deploy/embedded/nats-binary.js'
import { publishLinkOf } from './publish-link.js'
import { type OpenReading, pullLinkOf } from './pull-link.js'

let folder: string
const undo: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-link-'))
})

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
  await rm(folder, { recursive: true, force: true })
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

async function startBroker(port: number, lines: readonly string[] = []): Promise<ChildProcess> {
  const config = join(folder, `${port}.conf`)
  await writeFile(config, ['host: "127.0.0.1"', `port: ${port}`, ...lines].join('\n'))
  const binary = await findNatsServer({ searchPath: process.env['PATH'] ?? '' })
  const child = spawn(binary, ['--config', config], { stdio: 'ignore' })
  undo.push(() => kill(child))
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

async function connected(options: Parameters<typeof connect>[0]): Promise<NatsConnection> {
  for (;;) {
    try {
      const nc = await connect({ maxReconnectAttempts: -1, reconnectTimeWait: 20, ...options })
      undo.push(() => nc.close())
      return nc
    } catch (error) {
      if (!/refused/i.test(String(error))) throw error
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }
}

interface Reading {
  readonly open: OpenReading
  readonly texts: string[]
  readonly lost: string[]
}

async function read(nc: NatsConnection): Promise<Reading> {
  const texts: string[] = []
  const lost: string[] = []
  const link = pullLinkOf(nc)
  const open = await link.open({
    onMessage: ({ memory, headLength }) => {
      texts.push(Buffer.from(memory.subarray(headLength)).toString())
      link.memory.give(memory)
    },
    onLost: detail => lost.push(detail),
  })
  return { open, texts, lost }
}

/** Answers each pull with the text that it carries, so often as it says. */
function echo(nc: NatsConnection): void {
  nc.subscribe('echo', {
    callback: (_error, msg) => {
      for (let i = 0; i < 3; i += 1) msg.respond(msg.data)
    },
  })
}

async function expectEcho(nc: NatsConnection): Promise<Reading> {
  echo(nc)
  await nc.flush()
  const reading = await read(nc)
  const text = 'x'.repeat(300_000)
  reading.open.pull('echo', text)
  while (reading.texts.length < 3) await new Promise(resolve => setTimeout(resolve, 5))
  expect(reading.texts).toEqual([text, text, text])
  return reading
}

test('greets with the credentials of the client', async () => {
  const port = await freePort()
  await startBroker(port, ['max_payload: 1MB', 'authorization { user: me, password: secret }'])
  const nc = await connected({ port, user: 'me', pass: 'secret' })
  const { open, texts } = await expectEcho(nc)
  open.close()
  open.pull('echo', 'late')
  await nc.flush()
  expect(texts.length).toBe(3)
})

test('speaks TLS where the broker wants it', async () => {
  const port = await freePort()
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost']
  const made = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '1',
    '-keyout',
    key,
    '-out',
    cert,
    ...names,
  ]
  execFileSync('openssl', made, { stdio: 'ignore' })
  await startBroker(port, [`tls { cert_file: ${JSON.stringify(cert)}, key_file: ${JSON.stringify(key)} }`])
  const ca = await readFile(cert, 'utf8')
  const nc = await connected({ servers: `localhost:${port}`, tls: { ca } })
  await expectEcho(nc)
  nc.subscribe('batch', {
    callback: (_error, msg) => void msg.respond(`{"seq":1,"count":${msg.data.length}}`),
  })
  await nc.flush()
  const message = { natsSubject: 'batch', bytes: Uint8Array.of(1) }
  const outcome = await publishLinkOf(nc).publishBatch([message], { lastSubjectSequence: 0 }, 60_000)
  expect(outcome).toEqual({ kind: 'stored', seq: 1, count: 1 })
})

test('a lost link is told to each reading, and a new reading waits until the broker is back', async () => {
  const port = await freePort()
  const first = await startBroker(port)
  const nc = await connected({ port })
  const reading = await expectEcho(nc)
  await kill(first)
  while (reading.lost.length === 0) await new Promise(resolve => setTimeout(resolve, 5))
  reading.open.pull('echo', 'into the void')
  const waiting = read(nc)
  await startBroker(port)
  const { open, texts } = await waiting
  await nc.flush()
  open.pull('echo', 'again')
  while (texts.length < 3) await new Promise(resolve => setTimeout(resolve, 5))
  expect(reading.lost.length).toBe(1)
})

test('a reading that is asked for after the client was closed is refused', async () => {
  const port = await freePort()
  await startBroker(port)
  const nc = await connected({ port })
  const reading = await expectEcho(nc)
  await nc.close()
  while (reading.lost.length === 0) await new Promise(resolve => setTimeout(resolve, 5))
  await expect(read(nc)).rejects.toThrow(/closed/)
})
