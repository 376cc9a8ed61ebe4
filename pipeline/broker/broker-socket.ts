// One socket to a NATS server: logs in with the client's options, over TLS where the client would use it, and
// answers pings. It reads through one buffer, which is reused for the next read. It does not reconnect.

import { readFileSync } from 'node:fs'
import { isIP, connect as openSocket, type Socket } from 'node:net'
import { connect as secure, type ConnectionOptions as TlsOptions } from 'node:tls'
import type { NodeConnectionOptions } from '@nats-io/transport-node'
import { type WireEvents, WireParser } from './wire-parser.js'

export interface BrokerSocketEvents extends Pick<WireEvents, 'memoryFor' | 'onMessage'> {
  /** Called once, when the socket has ended. */
  readonly onClosed: (detail: string) => void
}

export interface BrokerAddress {
  /** `host:port`, or a URL. */
  readonly server: string
  readonly options: NodeConnectionOptions
}

interface ServerInfo {
  readonly nonce?: string
  readonly tls_required?: boolean
  readonly tls_available?: boolean
  readonly max_payload?: number
}

const readBytes = 1 << 20
const dialTimeoutMs = 5_000
const pingMs = 20_000
const mostUnansweredPings = 2

export class BrokerSocket {
  readonly #options: NodeConnectionOptions
  readonly #host: string
  readonly #events: BrokerSocketEvents
  readonly #parser: WireParser
  readonly #timer: NodeJS.Timeout
  #pings: NodeJS.Timeout | undefined
  #socket: Socket
  #state: 'greeting' | 'up' | 'over' = 'greeting'
  #settle: (error?: Error) => void = () => undefined
  #maxPayload = Number.POSITIVE_INFINITY
  #unansweredPings = 0

  /** Resolves when the server has accepted the login. */
  static async dial(address: BrokerAddress, events: BrokerSocketEvents): Promise<BrokerSocket> {
    const socket = new BrokerSocket(address, events)
    await new Promise<void>((resolve, reject) => {
      socket.#settle = error => (error === undefined ? resolve() : reject(error))
    })
    return socket
  }

  private constructor({ server, options }: BrokerAddress, events: BrokerSocketEvents) {
    const { hostname, port } = new URL(server.includes('://') ? server : `nats://${server}`)
    this.#options = options
    this.#host = hostname.replace(/^\[|\]$/g, '')
    this.#events = events
    const { memoryFor, onMessage } = events
    const onControl = (verb: string, text: string) => this.#onControl(verb, text)
    this.#parser = new WireParser({ memoryFor, onMessage, onControl })
    this.#timer = setTimeout(() => this.#close('the broker did not answer in time'), dialTimeoutMs)
    const buffer = Buffer.allocUnsafeSlow(readBytes)
    const onread = { buffer, callback: (length: number) => this.#read(buffer.subarray(0, length)) }
    const to = { host: this.#host, port: Number(port || 4222) }
    this.#socket = this.#watch(openSocket({ ...to, onread, noDelay: true, keepAlive: true }))
  }

  /** The most bytes that the broker accepts in one message, headers included. */
  get maxPayload(): number {
    return this.#maxPayload
  }

  write(text: string): void {
    this.#socket.write(text)
  }

  /** Hands all parts to the system in one call without copying them; they must not change until they are sent. */
  writeAll(parts: readonly Uint8Array[]): void {
    this.#socket.cork()
    for (const part of parts) if (part.length > 0) this.#socket.write(part)
    this.#socket.uncork()
  }

  destroy(): void {
    this.#close('the connection was closed')
  }

  #watch(socket: Socket): Socket {
    return socket
      .on('error', error => this.#close(error.message))
      .on('close', () => this.#close('the broker closed the connection'))
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
      this.#unansweredPings = 0
      if (this.#state === 'greeting') this.#begin()
    }
  }

  #begin(): void {
    this.#state = 'up'
    clearTimeout(this.#timer)
    this.#pings = setInterval(() => {
      if (this.#unansweredPings >= mostUnansweredPings) this.#close('the broker answered no ping')
      this.#unansweredPings += 1
      this.write('PING\r\n')
    }, pingMs)
    this.#pings.unref()
    this.#settle()
  }

  /** The server repeats it whenever something in it changes. */
  #onInfo(info: ServerInfo): void {
    this.#maxPayload = info.max_payload ?? this.#maxPayload
    if (this.#state === 'greeting') this.#greet(info)
  }

  #greet(info: ServerInfo): void {
    const isSecure = info.tls_required === true || (info.tls_available === true && this.#options.tls !== null)
    if (this.#options.tls && !isSecure) {
      this.#close('the broker offers no TLS') // no login in plain text
      return
    }
    if (isSecure && !('encrypted' in this.#socket)) {
      const plain = this.#socket.removeAllListeners()
      const servername = tlsNameOf(this.#host, this.#options)
      const secured = secure({ ...tlsOptionsOf(this.#options), socket: plain, servername })
      secured.on('data', (chunk: Buffer) => this.#read(chunk))
      this.#socket = this.#watch(secured)
    }
    this.write(`CONNECT ${JSON.stringify(greetingOf(this.#options, info.nonce))}\r\nPING\r\n`)
  }

  #close(detail: string): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    clearTimeout(this.#timer)
    clearInterval(this.#pings)
    this.#socket.destroy()
    this.#settle(new Error(detail))
    this.#events.onClosed(detail)
  }
}

function greetingOf(options: NodeConnectionOptions, nonce: string | undefined): object {
  const { authenticator = [], name, user, pass, token } = options
  const signed = [authenticator].flat().map(one => one(nonce))
  const features = { verbose: false, pedantic: false, protocol: 1, headers: true, no_responders: true }
  const login = { user, pass, auth_token: token }
  return Object.assign({ ...features, lang: 'node', version: '1', name, ...login }, ...signed)
}

function tlsOptionsOf({ tls }: NodeConnectionOptions): TlsOptions {
  const { certFile, keyFile, caFile, cert, key, ca } = tls ?? {}
  const given = {
    cert: certFile === undefined ? cert : readFileSync(certFile),
    key: keyFile === undefined ? key : readFileSync(keyFile),
    ca: caFile === undefined ? ca : readFileSync(caFile),
  }
  return { ...(tls ?? {}), ...given } as TlsOptions
}

/** A server of a cluster may be known by its address alone; its certificate then names the configured host. */
function tlsNameOf(host: string, { servers = [] }: NodeConnectionOptions): string {
  if (isIP(host) === 0) return host
  const hosts = [servers].flat().map(server => new URL(server.includes('://') ? server : `nats://${server}`))
  return hosts.map(({ hostname }) => hostname).find(name => isIP(name.replace(/^\[|\]$/g, '')) === 0) ?? host
}
