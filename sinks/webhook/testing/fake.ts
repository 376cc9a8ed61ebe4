// A receiver of Standard Webhooks: a real HTTP server that checks every signature with the `standardwebhooks` library, keeps
// what it took by `webhook-id`, as the specification asks of receivers, and fails in the ways it is told to.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'
import { z } from 'zod'
import type { Connector, ConnectorRecord } from '../../connector.js'
import type { Receiver } from '../../testing/conformance-rig.js'
import type { Fault } from '../../testing/fault.js'
import type { WebhookSecrets } from '../config.js'
import { WebhookConnector } from '../sink.js'

/** What a receiver may rely on. */
const payloadSchema = z.strictObject({
  type: z.enum(['weir.journal', 'weir.batch_line', 'weir.credit_note', 'weir.release']),
  timestamp: z.iso.datetime({ offset: true }),
  key: z.string().regex(/^[A-Za-z0-9_-]{1,40}$/),
  data: z.record(z.string(), z.unknown()),
})

export interface ReceivedRequest {
  readonly id: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** Secrets as a connector reads them. */
export function given(secrets: readonly string[]): () => WebhookSecrets {
  return () => ({ kind: 'ok', secrets })
}

export type Answer = (request: ReceivedRequest, response: ServerResponse) => boolean

export class WebhookReceiver implements Receiver {
  readonly url: string
  /** Every request with a valid signature, repetitions included. */
  readonly requests: ReceivedRequest[] = []
  /** Answers instead of the receiver if it returns true. */
  answer: Answer = () => false
  readonly #server: Server
  readonly #secrets: readonly string[]
  readonly #nowMs: (() => number) | undefined
  readonly #taken = new Map<string, number>()
  #faults: Fault[] = []
  #refuses: (record: ConnectorRecord) => string | undefined = () => undefined

  private constructor(server: Server, secrets: readonly string[], nowMs?: () => number) {
    this.#server = server
    this.#secrets = secrets
    this.#nowMs = nowMs
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
  }

  /** `secrets`: those that it checks with, any of which will do. */
  static async start(
    secrets: readonly string[],
    options: { readonly nowMs?: () => number; readonly port?: number } = {},
  ): Promise<WebhookReceiver> {
    const server = createServer()
    await new Promise<void>(resolve => server.listen(options.port ?? 0, '127.0.0.1', resolve))
    const receiver = new WebhookReceiver(server, secrets, options.nowMs)
    server.on('request', (request, response) => void receiver.#receive(request, response))
    return receiver
  }

  connector(): Connector {
    const config = { url: this.url, secrets: given(this.#secrets), attemptMs: 100 }
    return new WebhookConnector(config, this.#nowMs)
  }

  fail(...faults: readonly Fault[]): void {
    this.#faults.push(...faults)
  }

  heal(): void {
    this.#faults = []
    this.#refuses = () => undefined
  }

  refuse(refuses: (record: ConnectorRecord) => string | undefined): void {
    this.#refuses = refuses
  }

  async effects(): Promise<string[]> {
    return [...this.#taken.keys()]
  }

  /** How often each key arrived and was taken or recognised. */
  arrivals(): ReadonlyMap<string, number> {
    return this.#taken
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }

  async #receive(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString('utf8')
    const payload = this.#verified(incoming, body)
    if (payload === undefined) return void response.writeHead(401).end('the signature is not ours')
    const request = { id: String(incoming.headers['webhook-id']), headers: incoming.headers, body }
    this.requests.push(request)
    if (this.answer(request, response)) return
    const fault = this.#faults.shift()
    if (fault === 'timeout_before_commit') return
    if (fault === '429_without') return void response.writeHead(429).end()
    if (fault === '429_with_retry_after')
      return void response.writeHead(429, { 'retry-after': '60' }).end('slow down')
    if (fault === 'outage') return void response.writeHead(503).end('down')
    if (fault === 'credentials_refused') return void response.writeHead(401).end('who are you')
    const { key, data, timestamp, type } = payload
    const kind = type.replace('weir.', '') as ConnectorRecord['kind']
    const refused = this.#refuses({ kind, id: key, key, recordedAt: timestamp, document: data })
    if (refused !== undefined) return void response.writeHead(422).end(refused)
    this.#taken.set(request.id, (this.#taken.get(request.id) ?? 0) + 1)
    if (fault !== 'timeout_after_commit') response.writeHead(204).end()
  }

  #verified(incoming: IncomingMessage, body: string): z.infer<typeof payloadSchema> | undefined {
    for (const secret of this.#secrets) {
      try {
        new Webhook(secret).verify(body, incoming.headers as Record<string, string>)
        const payload = payloadSchema.parse(JSON.parse(body))
        if (payload.key !== incoming.headers['webhook-id']) throw new Error('the key is not the id')
        return payload
      } catch {
        // Perhaps with the next secret.
      }
    }
    return undefined
  }
}
