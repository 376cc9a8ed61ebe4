// Takes the NATS client protocol apart: https://docs.nats.io/reference/reference-protocols/nats-protocol
//
// The trick: a payload is copied once, from what the socket read into memory of its own, however many reads it takes.
// The client library makes each read a buffer, and grows another one by doubling while a message is not whole.

/** A message of a subscription. */
export interface WireMessage {
  readonly sid: number
  readonly reply: string
  /** Header lines, then the payload. */
  readonly memory: Uint8Array
  readonly headLength: number
}

export interface WireEvents {
  /** Where a message of this subscription is to be put; undefined: nobody wants it. */
  readonly memoryFor: (sid: number, length: number) => Uint8Array | undefined
  readonly onMessage: (message: WireMessage) => void
  /** `INFO`, `PING`, `PONG`, `+OK` or `-ERR`, and what follows it. */
  readonly onControl: (verb: string, text: string) => void
}

/** A control line is shorter; a longer one is not of this protocol. */
const longestLine = 64 * 1024
const newLine = 10

interface Unfinished {
  readonly sid: number
  readonly reply: string
  readonly memory: Uint8Array | undefined
  readonly headLength: number
  readonly length: number
  /** Bytes that are there, of the payload and of the line end after it. */
  filled: number
}

export class WireParser {
  readonly #events: WireEvents
  /** The beginning of a line whose end has not come. */
  #line = ''
  #message: Unfinished | undefined

  constructor(events: WireEvents) {
    this.#events = events
  }

  /** Takes what was read; its memory may be used again afterwards. Throws when this is not the protocol. */
  read(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#message !== undefined) at = this.#fill(this.#message, chunk, at)
      else at = this.#readLine(chunk, at)
    }
  }

  #fill(message: Unfinished, chunk: Buffer, at: number): number {
    const { memory, length } = message
    const end = Math.min(chunk.length, at + length + 2 - message.filled)
    const payloadEnd = Math.min(end, at + Math.max(0, length - message.filled))
    if (memory !== undefined && payloadEnd > at) memory.set(chunk.subarray(at, payloadEnd), message.filled)
    message.filled += end - at
    if (message.filled < length + 2) return end
    this.#message = undefined
    const { sid, reply, headLength } = message
    if (memory !== undefined) this.#events.onMessage({ sid, reply, memory, headLength })
    return end
  }

  #readLine(chunk: Buffer, at: number): number {
    const end = chunk.indexOf(newLine, at)
    this.#line += chunk.toString('latin1', at, end < 0 ? chunk.length : end)
    if (this.#line.length > longestLine) throw new Error('the broker sent a line without an end')
    if (end < 0) return chunk.length
    const line = this.#line.trimEnd()
    this.#line = ''
    this.#obey(line)
    return end + 1
  }

  #obey(line: string): void {
    const space = line.indexOf(' ')
    const verb = (space < 0 ? line : line.slice(0, space)).toUpperCase()
    const text = space < 0 ? '' : line.slice(space + 1)
    if (verb === 'MSG' || verb === 'HMSG') this.#begin(verb === 'HMSG', text.trim().split(/\s+/))
    else this.#events.onControl(verb, text)
  }

  /** `<subject> <sid> [reply] [header bytes] <bytes>` */
  #begin(hasHead: boolean, tokens: readonly string[]): void {
    const sid = Number(tokens[1])
    const length = Number(tokens.at(-1))
    const headLength = hasHead ? Number(tokens.at(-2)) : 0
    const reply = tokens.length > (hasHead ? 4 : 3) ? (tokens[2] ?? '') : ''
    if (!(sid >= 0 && length >= headLength && headLength >= 0))
      throw new Error('the broker sent no NATS message')
    const memory = this.#events.memoryFor(sid, length)
    this.#message = { sid, reply, memory, headLength, length, filled: 0 }
  }
}

/** The head of a message: a status line, then `Name: value` lines. */
export class MessageHead {
  /** 0 where there is no status. */
  readonly code: number
  readonly description: string
  readonly #values = new Map<string, string>()

  constructor(bytes: Uint8Array) {
    const [status = '', ...lines] = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      .toString('utf8')
      .split('\r\n')
    const [, code = '', description = ''] = /^NATS\/1\.0\s*(\d*)\s*(.*)$/.exec(status) ?? []
    this.code = Number(code)
    this.description = description
    for (const line of lines) {
      const colon = line.indexOf(':')
      const name = line.slice(0, colon).toLowerCase()
      if (colon > 0 && !this.#values.has(name)) this.#values.set(name, line.slice(colon + 1).trim())
    }
  }

  /** The first value, whichever way its name was written; undefined when there is none, or an empty one. */
  get(name: string): string | undefined {
    return this.#values.get(name.toLowerCase()) || undefined
  }
}
