// Reads the NATS client protocol (https://docs.nats.io/reference/reference-protocols/nats-protocol) from the
// chunks that a socket delivers.
// The trick: a payload is copied once, from the chunk into its own memory, however many chunks it spans. The
// stock client makes a buffer of each chunk and grows another one by doubling until the message is whole.

/** A message of a subscription. */
export interface WireMessage {
  /** The number of the subscription. */
  readonly sid: number
  readonly natsSubject: string
  readonly reply: string
  /** Header lines, then the payload. */
  readonly memory: Uint8Array
  readonly headLength: number
}

export interface WireEvents {
  /** Memory for a message of this subscription; undefined drops the message. */
  readonly memoryFor: (sid: number, length: number) => Uint8Array | undefined
  readonly onMessage: (message: WireMessage) => void
  /** `INFO`, `PING`, `PONG`, `+OK` or `-ERR`, and the text after it. */
  readonly onControl: (verb: string, text: string) => void
}

/** Control lines are shorter; a longer line is not of this protocol. */
const longestLine = 1 << 20
const newLine = 10

interface Unfinished {
  readonly sid: number
  readonly natsSubject: string
  readonly reply: string
  readonly memory: Uint8Array | undefined
  readonly headLength: number
  readonly length: number
  /** Bytes that have arrived, of the payload and of the line end after it. */
  filled: number
}

export class WireParser {
  readonly #events: WireEvents
  /** The beginning of a line whose end has not arrived. */
  #line = ''
  #message: Unfinished | undefined

  constructor(events: WireEvents) {
    this.#events = events
  }

  /** Reads a chunk, whose memory may be reused afterwards. Throws when the bytes are not of this protocol. */
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
    const { sid, natsSubject, reply, headLength } = message
    if (memory !== undefined) this.#events.onMessage({ sid, natsSubject, reply, memory, headLength })
    return end
  }

  #readLine(chunk: Buffer, at: number): number {
    const end = chunk.indexOf(newLine, at)
    this.#line += chunk.toString('latin1', at, end < 0 ? chunk.length : end)
    if (this.#line.length > longestLine) throw new Error('the broker sent a line without an end')
    if (end < 0) return chunk.length
    const line = this.#line.endsWith('\r') ? this.#line.slice(0, -1) : this.#line
    this.#line = ''
    const space = line.indexOf(' ')
    const verb = (space < 0 ? line : line.slice(0, space)).toUpperCase()
    const text = space < 0 ? '' : line.slice(space + 1)
    if (verb === 'MSG' || verb === 'HMSG') this.#begin(verb === 'HMSG', text.split(/[ \t]+/))
    else this.#events.onControl(verb, text)
    return end + 1
  }

  /** `<subject> <sid> [reply] [header bytes] <bytes>` */
  #begin(hasHead: boolean, tokens: readonly string[]): void {
    const sid = Number(tokens[1])
    const length = Number(tokens.at(-1))
    const headLength = hasHead ? Number(tokens.at(-2)) : 0
    const reply = tokens.length > (hasHead ? 4 : 3) ? (tokens[2] ?? '') : ''
    if (!(sid >= 0 && length >= headLength && headLength >= 0))
      throw new Error('the broker sent what is no NATS message')
    const memory = this.#events.memoryFor(sid, length)
    const natsSubject = utf8Of(tokens[0]!)
    this.#message = { sid, natsSubject, reply, memory, headLength, length, filled: 0 }
  }
}

/** Lines are read byte by byte, since only a subject may hold more than ASCII. */
function utf8Of(latin1: string): string {
  return /^[\x20-\x7e]*$/.test(latin1) ? latin1 : Buffer.from(latin1, 'latin1').toString('utf8')
}
