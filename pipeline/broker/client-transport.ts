// The bulk transport over the stock client, which leaves memory to the garbage collector: it copies what it
// sends, and never reuses the buffers of what it reads.

import {
  createInbox,
  errors,
  headers,
  Match,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
} from '@nats-io/transport-node'
import type {
  BulkAnswer,
  BulkTransport,
  MessageHead,
  OpenReading,
  OutgoingMessage,
  PullReading,
} from './bulk-transport.js'
import { type ConnectionWatch, unlessLost } from './connection-watch.js'

const nothing = () => undefined
/** The interval of checks whether the connection was closed for good. */
const lookAgainMs = 1_000

export class ClientTransport implements BulkTransport {
  readonly #nc: NatsConnection
  readonly #watch: ConnectionWatch
  /** The functions that end the open readings. */
  readonly #readings = new Set<() => void>()

  constructor(nc: NatsConnection, watch: ConnectionWatch) {
    this.#nc = nc
    this.#watch = watch
    watch.onChange(isUp => {
      if (!isUp) for (const lose of [...this.#readings]) lose()
    })
  }

  async request(messages: readonly OutgoingMessage[], timeoutMs: number): Promise<BulkAnswer> {
    // The client drops what is sent while the connection is down.
    if (!(await this.#watch.reached(timeoutMs))) return noAnswer('the broker is out of reach')
    const largest = messages.reduce((most, message) => Math.max(most, lengthOf(message)), 0)
    const maxPayload = this.#nc.info?.max_payload ?? largest
    if (largest > maxPayload)
      return { kind: 'too_large', detail: `${largest} bytes; the broker takes ${maxPayload}` }
    try {
      const answer = await unlessLost(this.#watch, this.#send(messages, timeoutMs))
      if (answer === undefined) return noAnswer('the connection to the broker was lost')
      return { kind: 'answered', text: answer.string() }
    } catch (error) {
      if (error instanceof errors.TimeoutError) return noAnswer('the broker did not answer in time')
      return noAnswer(error instanceof Error ? error.message : String(error))
    }
  }

  /** Sends the messages without an `await` between them, so that they keep their order. */
  #send(messages: readonly OutgoingMessage[], timeoutMs: number): Promise<Msg> {
    for (const { natsSubject, bytes, headers } of messages.slice(0, -1))
      this.#nc.publish(natsSubject, bytes, { headers: headersOf(headers) })
    const { natsSubject, bytes, headers } = messages.at(-1)!
    return this.#nc.request(natsSubject, bytes, { headers: headersOf(headers), timeout: timeoutMs })
  }

  async open({ onMessage, onLost }: PullReading): Promise<OpenReading> {
    do {
      if (this.#nc.isClosed()) throw new Error('the connection is closed')
    } while (!(await this.#watch.reached(lookAgainMs)))
    const inbox = createInbox()
    const subscription = this.#nc.subscribe(inbox, {
      callback: (error, { subject, reply = '', headers, data }) => {
        if (error !== null) return
        const head = new ClientHead(headers)
        onMessage({ natsSubject: subject, reply, head, bytes: data, release: nothing })
      },
    })
    const end = (): void => {
      this.#readings.delete(lose)
      subscription.unsubscribe()
    }
    const lose = (): void => {
      end()
      onLost('the connection to the broker was lost')
    }
    this.#readings.add(lose)
    return {
      pull: (natsSubject, request) => {
        if (this.#readings.has(lose)) this.#nc.publish(natsSubject, request, { reply: inbox })
      },
      close: end,
    }
  }
}

class ClientHead implements MessageHead {
  readonly #headers: MsgHdrs | undefined

  constructor(headers: MsgHdrs | undefined) {
    this.#headers = headers
  }

  get code(): number {
    return this.#headers?.code ?? 0
  }

  get description(): string {
    return this.#headers?.description ?? ''
  }

  get(name: string): string | undefined {
    return this.#headers?.get(name, Match.IgnoreCase) || undefined
  }

  names(): readonly string[] {
    return this.#headers?.keys() ?? []
  }

  values(name: string): readonly string[] {
    return this.#headers?.values(name, Match.Exact) ?? []
  }
}

function noAnswer(detail: string): BulkAnswer {
  return { kind: 'no_answer', detail }
}

/** Size as the broker counts it: payload, the line `NATS/1.0`, a line for each header, an empty line. */
function lengthOf({ bytes, headers }: OutgoingMessage): number {
  let length = bytes.length + 12
  for (const [name, value] of Object.entries(headers)) length += name.length + value.length + 4
  return length
}

function headersOf(values: OutgoingMessage['headers']): MsgHdrs {
  const made = headers()
  for (const [name, value] of Object.entries(values)) made.set(name, value)
  return made
}
