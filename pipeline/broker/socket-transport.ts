// The bulk transport over two sockets beside the client's connection: one publishes, the other reads, so that
// no answer waits behind messages. Payloads go to the socket without a copy, and messages are read into
// memory that is reused. The stock client copies each payload twice and leaves all of it to the garbage
// collector.
//
// Invariants, besides those of bulk-transport.ts:
// 1. The bytes of a request do not change until its answer is known; after `no_answer`, not until a later
//    request with the same bytes is answered, because the socket may still be sending them.
// 2. The memory of a message is its reader's until the reader releases it.

import { createInbox } from '@nats-io/transport-node'
import { BytePool } from '../memory/byte-pool.js'
import { BrokerLink, type FollowedClient } from './broker-link.js'
import type {
  BulkAnswer,
  BulkTransport,
  MessageHead,
  OpenReading,
  OutgoingMessage,
  PullReading,
} from './bulk-transport.js'
import type { WireMessage } from './wire-parser.js'

const idleMemoryBytes = 48 << 20

export class SocketTransport implements BulkTransport {
  readonly #publishing: BrokerLink
  readonly #reading: BrokerLink
  /** Where messages are read into. */
  readonly #memory = new BytePool(idleMemoryBytes, bytes => new ArrayBuffer(bytes))
  /** By the number of the subscription that waits for the answer. */
  readonly #requests = new Map<number, (answer: BulkAnswer) => void>()
  readonly #readings = new Map<number, PullReading>()
  #nextSid = 1

  constructor(client: FollowedClient) {
    this.#publishing = new BrokerLink(client, {
      memoryFor: (sid, length) => (this.#requests.has(sid) ? new Uint8Array(length) : undefined),
      onMessage: message => this.#onAnswer(message),
      onClosed: detail => {
        for (const settle of [...this.#requests.values()])
          settle(noAnswer(`the connection to the broker was lost: ${detail}`))
      },
    })
    this.#reading = new BrokerLink(client, {
      memoryFor: (sid, length) => (this.#readings.has(sid) ? this.#memory.take(length) : undefined),
      onMessage: message => this.#onMessage(message),
      onClosed: detail => {
        const lost = [...this.#readings.values()]
        this.#readings.clear()
        for (const { onLost } of lost) onLost(detail)
      },
    })
  }

  async request(messages: readonly OutgoingMessage[], timeoutMs: number): Promise<BulkAnswer> {
    const socket = await this.#publishing.reachedWithin(timeoutMs)
    if (socket === undefined) return noAnswer('the broker is out of reach')
    const inbox = createInbox()
    const { parts, largest } = wireOf(messages, inbox)
    const { maxPayload } = socket
    if (largest > maxPayload)
      return { kind: 'too_large', detail: `${largest} bytes; the broker takes ${maxPayload}` }
    const sid = this.#nextSid
    this.#nextSid += 1
    return new Promise(resolve => {
      const timer = setTimeout(() => {
        socket.write(`UNSUB ${sid}\r\n`)
        settle(noAnswer('the broker did not answer in time'))
      }, timeoutMs)
      const settle = (answer: BulkAnswer): void => {
        clearTimeout(timer)
        this.#requests.delete(sid)
        resolve(answer)
      }
      this.#requests.set(sid, settle)
      socket.write(`SUB ${inbox} ${sid}\r\nUNSUB ${sid} 1\r\n`)
      socket.writeAll(parts)
    })
  }

  async open(reading: PullReading): Promise<OpenReading> {
    const socket = await this.#reading.reached()
    const sid = this.#nextSid
    this.#nextSid += 1
    const inbox = createInbox()
    this.#readings.set(sid, reading)
    socket.write(`SUB ${inbox} ${sid}\r\n`)
    return {
      pull: (natsSubject, request) => {
        if (!this.#readings.has(sid)) return
        const pull = `PUB ${natsSubject} ${inbox} ${Buffer.byteLength(request)}\r\n${request}\r\n`
        this.#reading.socket?.write(pull)
      },
      close: () => {
        if (this.#readings.delete(sid)) this.#reading.socket?.write(`UNSUB ${sid}\r\n`)
      },
    }
  }

  #onAnswer({ sid, memory, headLength }: WireMessage): void {
    const { code, description } = headOf(memory.subarray(0, headLength))
    const text = Buffer.from(memory.buffer, memory.byteOffset + headLength).toString('utf8')
    const status =
      code === 503 ? 'no responders: no stream takes this subject' : `${code} ${description}`.trim()
    this.#requests.get(sid)?.(code === 0 ? { kind: 'answered', text } : noAnswer(status))
  }

  #onMessage({ sid, natsSubject, reply, memory, headLength }: WireMessage): void {
    const release = (): void => this.#memory.give(memory)
    const reading = this.#readings.get(sid)
    if (reading === undefined) release()
    else {
      const head = headOf(memory.subarray(0, headLength))
      reading.onMessage({ natsSubject, reply, head, bytes: memory.subarray(headLength), release })
    }
  }
}

function noAnswer(detail: string): BulkAnswer {
  return { kind: 'no_answer', detail }
}

/** A status line, then `Name: value` lines. */
function headOf(bytes: Uint8Array): MessageHead {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  const [status = '', ...lines] = text.split('\r\n')
  const [, code = '', description = ''] = /^NATS\/1\.0\s*(\d*)\s*(.*)$/.exec(status) ?? []
  const fields: (readonly [string, string])[] = []
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.push([line.slice(0, colon), line.slice(colon + 1).trim()])
  }
  return {
    code: Number(code),
    description,
    get: name => fields.find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1] || undefined,
    names: () => [...new Set(fields.map(([key]) => key))],
    values: name => fields.filter(([key]) => key === name).map(([, value]) => value),
  }
}

/** Of each message `HPUB <subject> [reply] <bytes of the head> <bytes in all>`, the head and the payload. */
function wireOf(
  messages: readonly OutgoingMessage[],
  inbox: string,
): { readonly parts: readonly Uint8Array[]; readonly largest: number } {
  const parts: Uint8Array[] = []
  let largest = 0
  let lineEnd = ''
  messages.forEach(({ natsSubject, bytes, headers }, index) => {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const head = `NATS/1.0\r\n${lines.join('')}\r\n`
    const headLength = Buffer.byteLength(head)
    const length = headLength + bytes.length
    const reply = index === messages.length - 1 ? `${inbox} ` : ''
    parts.push(Buffer.from(`${lineEnd}HPUB ${natsSubject} ${reply}${headLength} ${length}\r\n${head}`), bytes)
    lineEnd = '\r\n'
    largest = Math.max(largest, length)
  })
  parts.push(Buffer.from(lineEnd))
  return { parts, largest }
}
