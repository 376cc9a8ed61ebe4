// The port for bulk traffic with the broker: batches and snapshots on their way there, inputs on their way here.
// What passes it is known by the tests of bulk-transport.test.ts, which any implementation must pass.
//
// Invariants:
// 1. The messages of one `request` are sent side by side on one connection, or none of them is. A message that is larger
//    than the broker takes is refused as `too_large` before anything is sent.
// 2. Nothing is asked for twice. When the connection is lost, each request under way is answered with `no_answer` and each
//    reading is told so, at once; whoever waits for either asks again.
// 3. What is begun while the connection is down waits until it is back: a request up to its time-out, a reading until the
//    connection is closed.

export interface OutgoingMessage {
  readonly natsSubject: string
  readonly bytes: Uint8Array
  readonly headers: Readonly<Record<string, string>>
}

export type BulkAnswer =
  | { readonly kind: 'answered'; readonly text: string }
  | { readonly kind: 'too_large'; readonly detail: string }
  /** Whether the broker has the messages is not known. */
  | { readonly kind: 'no_answer'; readonly detail: string }

/** Header lines of a message, and the status that the broker gives in place of one. */
export interface MessageHead {
  /** 0 where there is no status. */
  readonly code: number
  readonly description: string
  /** The first value, whichever way its name was written; undefined when there is none, or an empty one. */
  get(name: string): string | undefined
}

export interface PulledMessage {
  /** The subject for an answer, in which JetStream numbers its messages. */
  readonly reply: string
  readonly head: MessageHead
  /** The reader's to keep. */
  readonly bytes: Uint8Array
}

/** What the broker sends for one reading. */
export interface PullReading {
  readonly onMessage: (message: PulledMessage) => void
  /** The connection is lost, and this reading with it. */
  readonly onLost: (detail: string) => void
}

export interface OpenReading {
  /** Asks for more; dropped when the connection is lost. */
  pull(natsSubject: string, request: string): void
  close(): void
}

export interface BulkTransport {
  /** Publishes the messages and says what the broker answers to the last. Never throws for what the broker may do. */
  request(messages: readonly OutgoingMessage[], timeoutMs: number): Promise<BulkAnswer>
  /** Begins a reading. Throws when the connection is closed before it is up. */
  open(reading: PullReading): Promise<OpenReading>
}
