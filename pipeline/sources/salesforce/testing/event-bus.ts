// The Pub/Sub API of the tests' org, a gRPC server from the published pubsub_api.proto: topics with events, a window in which they
// can be played again, flow control, and the ways in which it ends.

import { fileURLToPath } from 'node:url'
import {
  loadPackageDefinition,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import avro from 'avsc'
import type { FetchRequest, FetchResponse, SchemaInfo } from '../pubsub-shapes.js'

interface BusEvent {
  readonly topic: string
  readonly id: string
  readonly schemaId: string
  readonly payload: Buffer
  readonly replay: number
}

type Stream = ServerDuplexStream<FetchRequest, FetchResponse>
interface Subscriber {
  readonly call: Stream
  readonly topic: string
  after: number
  pending: number
}

export interface BusOptions {
  readonly isGoodToken: (token: string) => boolean
  readonly instanceUrl: () => string
  readonly orgId: string
}

const proto = fileURLToPath(new URL('pubsub_api.proto', import.meta.url))

export class EventBus {
  readonly #server = new Server()
  readonly #options: BusOptions
  readonly #events: BusEvent[] = []
  readonly #schemas = new Map<string, string>()
  readonly #subscribers = new Set<Subscriber>()
  #replay = 1_000
  #told = 0
  /** Events up to here are not kept any more. */
  #forgotten = 0
  port = 0
  #held: Omit<BusEvent, 'replay'>[] | undefined
  /** By topic: how often somebody subscribed. */
  subscriptions = 0
  schemasAsked = 0
  /** Topics of objects without Change Data Capture. */
  readonly refused = new Set<string>()

  constructor(options: BusOptions) {
    this.#options = options
    const loaded = loadSync(protoFile(), { keepCase: true, defaults: true, enums: String, longs: String })
    const { eventbus } = loadPackageDefinition(loaded) as unknown as {
      eventbus: { v1: { PubSub: { service: ServiceDefinition } } }
    }
    this.#server.addService(eventbus.v1.PubSub.service, {
      Subscribe: (call: Stream) => this.#subscribe(call),
      GetSchema: (
        call: ServerUnaryCall<{ schema_id: string }, SchemaInfo>,
        callback: sendUnaryData<SchemaInfo>,
      ) => this.#schema(call, callback),
    })
  }

  async start(): Promise<void> {
    this.port = await new Promise((resolve, reject) => {
      this.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      )
    })
  }

  async stop(): Promise<void> {
    this.#server.forceShutdown()
  }

  publish(topic: string, schema: object, content: unknown): void {
    const json = JSON.stringify(schema)
    const type = avro.Type.forSchema(schema as avro.Schema)
    const schemaId = type.fingerprint('md5').toString('base64url')
    this.#schemas.set(schemaId, json)
    this.#told += 1
    const event = { topic, id: `event-${this.#told}`, schemaId, payload: type.toBuffer(content) }
    if (this.#held === undefined) this.#add(event)
    else this.#held.push(event)
    this.#deliver()
  }

  /** What is published from now on is kept back. */
  hold(): void {
    this.#held = []
  }

  /** What was kept back comes in this order; an event that stands there twice comes twice, under its one id. */
  release(order: <T>(events: readonly T[]) => readonly T[]): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const event of order(held)) this.#add(event)
    this.#deliver()
  }

  #add(event: Omit<BusEvent, 'replay'>): void {
    this.#replay += 7 // not contiguous
    this.#events.push({ ...event, replay: this.#replay })
  }

  /** The window moves on: what was told until now cannot be played again. */
  forget(): void {
    this.#replay += 7
    this.#forgotten = this.#replay
  }

  /** As the org does within 270 seconds. */
  keepAlive(): void {
    this.#replay += 7
    for (const one of this.#subscribers) {
      one.after = this.#replay
      one.call.write({
        events: [],
        latest_replay_id: replayId(one.after),
        pending_num_requested: one.pending,
      })
    }
  }

  disconnect(): void {
    for (const { call } of this.#subscribers)
      call.emit('error', { code: status.UNAVAILABLE, details: 'connection reset' })
    this.#subscribers.clear()
  }

  #subscribe(call: Stream): void {
    let subscriber: Subscriber | undefined
    call.on('error', () => undefined)
    call.on('cancelled', () => subscriber && this.#subscribers.delete(subscriber))
    call.on('end', () => call.end())
    call.on('data', (request: FetchRequest) => {
      if (subscriber !== undefined) {
        subscriber.pending += request.num_requested
        this.#deliver()
        return
      }
      const refusal =
        this.#refusalOf(call.metadata) ?? this.#topicRefusal(request) ?? this.#placeRefusal(request)
      if (refusal !== undefined) {
        call.emit('error', refusal)
        return
      }
      this.subscriptions += 1
      const { replay_preset: preset, topic_name: topic, replay_id: id, num_requested: pending } = request
      const after =
        preset === 'CUSTOM' ? numberOf(id) : preset === 'EARLIEST' ? this.#forgotten : this.#replay
      subscriber = { call, topic, after, pending }
      this.#subscribers.add(subscriber)
      this.#deliver()
    })
  }

  #topicRefusal({ topic_name: topic }: FetchRequest) {
    if (!this.refused.has(topic)) return undefined
    return { code: status.NOT_FOUND, details: 'The requested topic was not found.', metadata: new Metadata() }
  }

  #placeRefusal({ replay_preset: preset, replay_id: id }: FetchRequest) {
    if (preset !== 'CUSTOM' || numberOf(id) >= this.#forgotten) return undefined
    const metadata = new Metadata()
    metadata.set('error-code', 'sfdc.platform.eventbus.grpc.subscription.fetch.replayid.validation.failed')
    return { code: status.INVALID_ARGUMENT, details: 'The Replay ID validation failed.', metadata }
  }

  #refusalOf(metadata: Metadata) {
    const of = (name: string) => String(metadata.get(name)[0] ?? '')
    const { isGoodToken, instanceUrl, orgId } = this.#options
    const isGood =
      isGoodToken(of('accesstoken')) && of('instanceurl') === instanceUrl() && of('tenantid') === orgId
    if (isGood) return undefined
    const refused = new Metadata()
    refused.set('error-code', 'sfdc.platform.eventbus.grpc.service.auth.error')
    return {
      code: status.UNAUTHENTICATED,
      details: 'An authentication exception occurred.',
      metadata: refused,
    }
  }

  #deliver(): void {
    for (const one of this.#subscribers) {
      const due = this.#events.filter(
        ({ topic, replay }) => topic === one.topic && replay > one.after && replay > this.#forgotten,
      )
      const some = due.slice(0, one.pending)
      const last = some.at(-1)
      if (last === undefined) continue
      one.pending -= some.length
      one.after = last.replay
      one.call.write({
        events: some.map(({ id, schemaId, payload, replay }) => {
          return { event: { id, schema_id: schemaId, payload }, replay_id: replayId(replay) }
        }),
        latest_replay_id: replayId(last.replay),
        pending_num_requested: one.pending,
      })
    }
  }

  #schema(
    call: ServerUnaryCall<{ schema_id: string }, SchemaInfo>,
    callback: sendUnaryData<SchemaInfo>,
  ): void {
    this.schemasAsked += 1
    const { schema_id } = call.request
    const schema_json = this.#schemas.get(schema_id)
    if (schema_json === undefined) callback({ code: status.NOT_FOUND, details: 'no such schema' })
    else callback(null, { schema_json, schema_id })
  }
}

function replayId(value: number): Buffer {
  const buffer = Buffer.alloc(8)
  buffer.writeBigUInt64BE(BigInt(value))
  return buffer
}

function numberOf(id: Buffer | undefined): number {
  return id?.length === 8 ? Number(id.readBigUInt64BE()) : -1
}

/** Beside this file, or beside its source where the tests run compiled. */
function protoFile(): string {
  return proto.includes('/.cache/testing/') ? proto.replace('/.cache/testing/', '/') : proto
}
