// The Pub/Sub API by gRPC: one stream for a topic, and schemas by id. Flow control: at most 100 events are asked for at a time,
// and more only when those that came are kept.
// Invariants: a schema never changes, so it is asked for once; a refused session is thrown away before the next try; no
// text has a token.

import {
  type Client,
  type ClientDuplexStream,
  credentials,
  loadPackageDefinition,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { fromJSON } from '@grpc/proto-loader'
import { SourceTrouble } from '../source-kind.js'
import { type ChangeSchema, readSchema, type ToldEvent } from './change-event.js'
import type { Org } from './org.js'
import { type FetchRequest, type FetchResponse, pubsubShapes, type SchemaInfo } from './pubsub-shapes.js'

export interface Told {
  readonly events: readonly { readonly told: ToldEvent; readonly schema: ChangeSchema | undefined }[]
  /** Where the stream is after these. */
  readonly replayId: Buffer
}

/** The org does not have this place any more. */
export class ReplayExpired extends Error {
  override readonly name = 'ReplayExpired'
}

interface PubSub extends Client {
  Subscribe(metadata: Metadata): ClientDuplexStream<FetchRequest, FetchResponse>
  GetSchema(
    request: { readonly schema_id: string },
    metadata: Metadata,
    options: { readonly deadline: number },
    callback: (error: ServiceError | null, answer: SchemaInfo) => void,
  ): unknown
}

const requestedMost = 100
/** The org says something within 270 seconds. */
const silenceMs = 330_000
const schemaMs = 30_000

export class PubSubClient {
  readonly #org: Org
  readonly #client: PubSub
  readonly #schemas = new Map<string, Promise<ChangeSchema>>()

  constructor(org: Org, url: string) {
    const { host, protocol } = new URL(url)
    const channel = protocol === 'http:' ? credentials.createInsecure() : credentials.createSsl()
    const loaded = loadPackageDefinition(
      fromJSON(pubsubShapes as unknown as Parameters<typeof fromJSON>[0], {
        keepCase: true,
        defaults: true,
        enums: String,
        longs: String,
      }),
    ) as unknown as { eventbus: { v1: { PubSub: new (...args: unknown[]) => PubSub } } }
    const options = { 'grpc.keepalive_time_ms': 60_000, 'grpc.max_receive_message_length': 16 << 20 }
    const target = protocol === 'https:' && !/:\d+$/.test(host) ? `${host}:443` : host
    this.#client = new loaded.eventbus.v1.PubSub(target, channel, options)
    this.#org = org
  }

  /** What the topic tells, until the signal fires. What is handed over is asked for again only after the next is taken. */
  async *told(
    topic: string,
    after: Buffer | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<Told, void, undefined> {
    const call = this.#client.Subscribe(await this.#metadata(signal))
    call.on('error', () => undefined) // the loop below gets it too
    const cancel = (): void => call.cancel()
    signal.addEventListener('abort', cancel, { once: true })
    let silence = setTimeout(cancel, silenceMs)
    try {
      if (signal.aborted) return
      const place =
        after === undefined
          ? { replay_preset: 'EARLIEST' as const }
          : { replay_preset: 'CUSTOM' as const, replay_id: after }
      call.write({ topic_name: topic, ...place, num_requested: requestedMost })
      for await (const response of call as AsyncIterable<FetchResponse>) {
        clearTimeout(silence)
        silence = setTimeout(cancel, silenceMs)
        yield await this.#toldBy(response, signal)
        const { pending_num_requested: pending } = response
        if (pending <= requestedMost / 2)
          call.write({ topic_name: topic, num_requested: requestedMost - pending })
      }
    } catch (error) {
      if (!signal.aborted) throw await this.#troubleOf(error, topic)
    } finally {
      clearTimeout(silence)
      signal.removeEventListener('abort', cancel)
      call.cancel()
    }
  }

  close(): void {
    this.#client.close()
  }

  async #toldBy({ events, latest_replay_id: latest }: FetchResponse, signal: AbortSignal): Promise<Told> {
    const told: { told: ToldEvent; schema: ChangeSchema | undefined }[] = []
    for (const { event, replay_id: replayId } of events) {
      if (event === null) continue
      const { id, schema_id: schemaId, payload } = event
      const schema = await this.#schemaOf(schemaId, signal)
      told.push({ told: { id, schemaId, payload, replayId }, schema })
    }
    return { events: told, replayId: latest.length > 0 ? latest : (events.at(-1)?.replay_id ?? latest) }
  }

  /** Undefined: the org has such a schema, and nobody can read it. */
  async #schemaOf(schemaId: string, signal: AbortSignal): Promise<ChangeSchema | undefined> {
    const asked = this.#schemas.get(schemaId) ?? this.#askSchema(schemaId, signal)
    this.#schemas.set(schemaId, asked)
    try {
      return await asked
    } catch (error) {
      if (error instanceof Unreadable) return undefined
      this.#schemas.delete(schemaId)
      throw error
    }
  }

  async #askSchema(schemaId: string, signal: AbortSignal): Promise<ChangeSchema> {
    const metadata = await this.#metadata(signal)
    const { schema_json: json } = await new Promise<SchemaInfo>((resolve, reject) => {
      this.#client.GetSchema(
        { schema_id: schemaId },
        metadata,
        { deadline: Date.now() + schemaMs },
        (error, answer) => (error === null ? resolve(answer) : reject(error)),
      )
    })
    try {
      return readSchema(json)
    } catch (error) {
      throw new Unreadable(error instanceof Error ? error.message : String(error))
    }
  }

  async #metadata(signal: AbortSignal): Promise<Metadata> {
    const metadata = new Metadata()
    metadata.set('accesstoken', await this.#org.token(signal))
    metadata.set('instanceurl', this.#org.instanceUrl)
    metadata.set('tenantid', await this.#org.orgId(signal))
    return metadata
  }

  async #troubleOf(error: unknown, topic: string): Promise<Error> {
    if (error instanceof SourceTrouble) return error
    const { code, details = '', metadata } = error as Partial<ServiceError>
    if (code === undefined) return error instanceof Error ? error : new Error(String(error))
    const word = String(metadata?.get('error-code')[0] ?? '')
    if (/replay_?id/i.test(word) || (code === status.INVALID_ARGUMENT && /replay.?id/i.test(details)))
      return new ReplayExpired(`${topic}: ${details}`)
    if (code === status.UNAUTHENTICATED) {
      this.#org.tokens.discard(await this.#org.token(AbortSignal.timeout(schemaMs)).catch(() => ''))
      return new SourceTrouble('session_expired', `${topic}: the org refuses the session.`)
    }
    const known =
      code === status.PERMISSION_DENIED || code === status.NOT_FOUND ? 'source_refused' : undefined
    const limited = code === status.RESOURCE_EXHAUSTED ? 'rate_limited' : undefined
    return new SourceTrouble(
      known ?? limited ?? 'source_disconnected',
      `${topic}: ${details.slice(0, 300)}`,
      limited === undefined ? undefined : 60_000,
    )
  }
}

class Unreadable extends Error {
  override readonly name = 'Unreadable'
}
