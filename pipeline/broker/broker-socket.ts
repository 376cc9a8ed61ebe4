// One socket to the broker that a client is connected to: greeted with the client's credentials, over TLS where the
// broker wants it. What it reads goes through one buffer, which is used again for the next read.

import { connect as dial, type Socket } from 'node:net'
import { connect as secure, type ConnectionOptions as TlsOptions } from 'node:tls'
import type { ConnectionOptions, NatsConnection } from '@nats-io/transport-node'
import { type WireMessage, WireParser } from './wire-parser.js'

export interface BrokerSocketEvents {
  readonly memoryFor: (sid: number, length: number) => Uint8Array | undefined
  readonly onMessage: (message: WireMessage) => void
  readonly onPong: () => void
  /** Once, when it is over. */
  readonly onClosed: (detail: string) => void
}

interface ServerInfo {
  readonly nonce?: string
  readonly tls_required?: boolean
  readonly max_payload?: number
}

const readBytes = 1 << 20

export class BrokerSocket {
  readonly #options: ConnectionOptions
  readonly #host: string
  readonly #events: BrokerSocketEvents
  readonly #parser: WireParser
  readonly #timer: NodeJS.Timeout
  #socket: Socket
  #state: 'greeting' | 'up' | 'over' = 'greeting'
  #settle: (error?: Error) => void = () => undefined
  #maxPayload = Number.POSITIVE_INFINITY

  /** Resolves when the broker has answered our greeting. */
  static async dial(
    nc: NatsConnection,
    timeoutMs: number,
    events: BrokerSocketEvents,
  ): Promise<BrokerSocket> {
    const socket = new BrokerSocket(nc, timeoutMs, events)
    await new Promise<void>((resolve, reject) => {
      socket.#settle = error => (error === undefined ? resolve() : reject(error))
    })
    return socket
  }

  private constructor(nc: NatsConnection, timeoutMs: number, events: BrokerSocketEvents) {
    const { host, port } = addressOf(nc.getServer())
    this.#options = optionsOf(nc)
    this.#host = host
    this.#events = events
    const { memoryFor, onMessage } = events
    this.#parser = new WireParser({
      memoryFor,
      onMessage,
      onControl: (verb, text) => this.#onControl(verb, text),
    })
    this.#timer = setTimeout(() => this.#close('the broker did not answer in time'), timeoutMs)
    const buffer = Buffer.allocUnsafeSlow(readBytes)
    const onread = { buffer, callback: (length: number) => this.#read(buffer.subarray(0, length)) }
    this.#socket = this.#watch(dial({ host, port, onread, noDelay: true, keepAlive: true }))
  }

  /** Bytes that the broker takes in one message, head included. */
  get maxPayload(): number {
    return this.#maxPayload
  }

  write(text: string): void {
    this.#socket.write(text)
  }

  /** Hands all parts to the system in one call, without a copy of ours: they stay untouched until they are sent. */
  writeAll(parts: readonly Uint8Array[]): void {
    this.#socket.cork()
    for (const part of parts) if (part.length > 0) this.#socket.write(part)
    this.#socket.uncork()
  }

  destroy(): void {
    this.#close('the link was closed')
  }

  #watch(socket: Socket): Socket {
    return socket
      .on('error', error => this.#close(error.message))
      .on('close', () => this.#close('the broker closed the link'))
  }

  #read(chunk: Buffer): boolean {
    if (this.#state === 'over') return false
    try {
      this.#parser.read(chunk)
    } catch (error) {
      this.#close(error instanceof Error ? error.message : String(error))
    }
    return true
  }

  #onControl(verb: string, text: string): void {
    if (verb === 'PING') this.write('PONG\r\n')
    else if (verb === '-ERR' && this.#state === 'greeting') this.#close(text)
    else if (verb === 'INFO') this.#onInfo(JSON.parse(text) as ServerInfo)
    else if (verb === 'PONG') {
      if (this.#state === 'greeting') {
        this.#state = 'up'
        clearTimeout(this.#timer)
        this.#settle()
      }
      this.#events.onPong()
    }
  }

  /** Comes again whenever something of it changes. */
  #onInfo(info: ServerInfo): void {
    this.#maxPayload = info.max_payload ?? this.#maxPayload
    if (this.#state === 'greeting') this.#greet(info)
  }

  #greet(info: ServerInfo): void {
    if (info.tls_required === true && !('encrypted' in this.#socket)) {
      const plain = this.#socket.removeAllListeners()
      const tls = (this.#options.tls ?? {}) as TlsOptions
      const secured = secure({ ...tls, socket: plain, servername: this.#host })
      secured.on('data', (chunk: Buffer) => this.#read(chunk))
      this.#socket = this.#watch(secured)
    }
    this.write(`CONNECT ${JSON.stringify(greetingOf(this.#options, info))}\r\nPING\r\n`)
  }

  #close(detail: string): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    clearTimeout(this.#timer)
    this.#socket.destroy()
    this.#settle(new Error(detail))
    this.#events.onClosed(detail)
  }
}

function greetingOf({ authenticator, name }: ConnectionOptions, { nonce }: ServerInfo): object {
  const credentials = typeof authenticator === 'function' ? authenticator(nonce) : undefined
  const features = { verbose: false, pedantic: false, protocol: 1, headers: true, no_responders: true }
  return { ...features, lang: 'node', version: '1', name, ...credentials }
}

/** How the client was told to connect; its type does not show it. Without it we greet as nobody in particular. */
function optionsOf(nc: NatsConnection): ConnectionOptions {
  return (nc as unknown as { readonly options?: ConnectionOptions }).options ?? {}
}

function addressOf(server: string): { host: string; port: number } {
  const { hostname, port } = new URL(server.includes('://') ? server : `nats://${server}`)
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 4222) }
}
