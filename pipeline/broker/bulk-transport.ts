// The port for bulk traffic with the broker: NATS atomic batches and snapshots go out, inputs come in.
// Every implementation must pass bulk-transport.test.ts.
//
// Invariants:
// 1. The messages of one `request` are sent one after another on one connection, or none is sent. A message
//    that is too large for the broker is refused as `too_large` before anything is sent.
// 2. The transport repeats nothing. When the connection is lost, it answers each open request with
//    `no_answer` and calls `onLost` of each reading, at once; the caller asks again.
// 3. Calls made while the connection is down wait until it is back: a request until its time-out, a reading
//    until the connection is closed.

export interface OutgoingMessage {
  readonly natsSubject: string
  readonly bytes: Uint8Array
  readonly headers: Readonly<Record<string, string>>
}

export type BulkAnswer =
  | { readonly kind: 'answered'; readonly text: string }
  | { readonly kind: 'too_large'; readonly detail: string }
  /** It is not known whether the broker has the messages. */
  | { readonly kind: 'no_answer'; readonly detail: string }

/** Headers of a message, or the status that the broker sends instead of a message. */
export interface MessageHead {
  /** The status code; 0 when there is none. */
  readonly code: number
  readonly description: string
  /** The first value of a header, in any case of letters; undefined when it is missing or empty. */
  get(name: string): string | undefined
  /** The names of all headers, as they were sent. */
  names(): readonly string[]
  /** All values of the header of this name, letter by letter. */
  values(name: string): readonly string[]
}

export interface PulledMessage {
  /** The subject under which the stream holds the message. */
  readonly natsSubject: string
  /** The reply subject, which contains JetStream's sequence numbers. */
  readonly reply: string
  readonly head: MessageHead
  readonly bytes: Uint8Array
  /** Gives back the memory of `bytes`, which must not be read afterwards. What is kept is freed like any object. */
  readonly release: () => void
}

/** The callbacks of one reading. */
export interface PullReading {
  readonly onMessage: (message: PulledMessage) => void
  /** The connection is lost, and this reading has ended. */
  readonly onLost: (detail: string) => void
}

export interface OpenReading {
  /** Asks for more messages; does nothing once the connection is lost. */
  pull(natsSubject: string, request: string): void
  close(): void
}

export interface BulkTransport {
  /** Publishes the messages; returns the broker's answer to the last. Never throws if the broker fails. */
  request(messages: readonly OutgoingMessage[], timeoutMs: number): Promise<BulkAnswer>
  /** Begins a reading. Throws when the connection is closed instead of coming up. */
  open(reading: PullReading): Promise<OpenReading>
}
