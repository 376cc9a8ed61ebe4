// A gateway over a real broker, for the tests of this folder.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { Match, type NatsConnection } from '@nats-io/transport-node'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { type NatsServer, startNatsServer } from '../../deploy/embedded/nats-server.js'
import { parseMessage } from '../../schemas/event/cloud-event.js'
import type { BulkTransport } from '../broker/bulk-transport.js'
import { ensureTopology } from '../broker/topology.js'
import { decompress } from '../core/decode/decompress.js'
import { createGateway, type Gateway, type GatewayOptions } from '../gateway/gateway.js'
import { Acts } from './acts.js'
import { connectTo } from './engine-harness.js'

export const silent = pino({ level: 'silent' })

export interface Broker {
  server: NatsServer
  readonly storeDir: string
  readonly nc: NatsConnection
  readonly bulk: BulkTransport
  readonly jsm: JetStreamManager
  /** Kills the broker (`kill -9`) and starts it again on the same store and port. */
  kill(): Promise<void>
  restart(): Promise<void>
  close(): Promise<void>
}

/** A broker with the streams as the pipeline declares them. */
export async function startBroker(partitions: number): Promise<Broker> {
  const storeDir = await mkdtemp(join(tmpdir(), 'weir-gateway-'))
  const server = await startNatsServer({ storeDir })
  const { nc, bulk } = await connectTo(server.login())
  const jsm = await jetstreamManager(nc)
  await ensureTopology(nc, { partitions })
  const broker: Broker = {
    server,
    storeDir,
    nc,
    bulk,
    jsm,
    async kill() {
      process.kill(broker.server.pid, 'SIGKILL')
      await broker.server.exited
    },
    async restart() {
      broker.server = await startNatsServer({ storeDir, port: server.port })
    },
    async close() {
      await nc.close()
      await broker.server.stop()
      await rm(storeDir, { recursive: true, force: true })
    },
  }
  return broker
}

export interface Served {
  readonly gateway: Gateway
  readonly url: string
  readonly registry: Registry
}

export async function serve(
  broker: Broker,
  partitions: number,
  overrides: Partial<GatewayOptions> = {},
): Promise<Served> {
  const registry = overrides.registry ?? new Registry()
  const gateway = createGateway({
    nc: broker.nc,
    js: jetstream(broker.nc),
    partitions,
    keys: 'open',
    audit: new Acts(),
    log: silent,
    pressure: () => ({ kind: 'ok' }),
    readiness: () => ({ ready: true, checks: [] }),
    version: '0.0.0-test',
    ...overrides,
    registry,
  })
  const { url } = await gateway.start()
  return { gateway, url, registry }
}

export interface StoredMessage {
  readonly seq: number
  readonly natsSubject: string
  readonly contentType: string | undefined
  readonly bytes: Uint8Array
  readonly events: readonly Record<string, unknown>[]
}

/** Everything that lies in a stream, in order. */
export async function storedMessages(broker: Broker, stream: string): Promise<StoredMessage[]> {
  const { state } = await broker.jsm.streams.info(stream)
  const stored: StoredMessage[] = []
  for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; seq += 1) {
    const message = await broker.jsm.streams.getMessage(stream, { seq })
    if (message === null) continue
    const [contentType] = message.header.values('content-type', Match.IgnoreCase)
    const [contentEncoding] = message.header.values('content-encoding', Match.IgnoreCase)
    const plain = decompress({
      seq,
      arrivedAtMs: 0,
      bytes: message.data,
      ...(contentEncoding === undefined ? {} : { contentEncoding }),
    })
    const parsed = parseMessage(plain.bytes, contentType)
    if (parsed.kind === 'rejected') throw new Error(parsed.rejection.detail)
    const events = parsed.events.map(event => {
      if (event.kind === 'rejected') throw new Error(event.rejection.detail)
      return event.value as Record<string, unknown>
    })
    stored.push({ seq, natsSubject: message.subject, contentType, bytes: message.data, events })
  }
  return stored
}

export function usage(id: string, subject = 'acme', data: object = { tokens: 1 }): Record<string, unknown> {
  return {
    specversion: '1.0',
    id,
    source: 'test',
    type: 'llm.request',
    subject,
    time: '2026-01-01T00:00:00Z',
    data,
  }
}

export function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
  })
}
