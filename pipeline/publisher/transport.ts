// What carries batches to Weir: the gateway or the broker itself. One attempt per call; retries are the publisher's.

/** A batch as it travels. Made once: every attempt, also after a restart, sends these very bytes. */
export interface BatchBody {
  /** Where it goes: a NATS subject; '' by way of the gateway, which sorts by customer itself. */
  readonly lane: string
  readonly count: number
  readonly contentType: string
  readonly contentEncoding: 'gzip' | undefined
  readonly bytes: Uint8Array
}

/** Why Weir refused one event. Stable codes, as schemas/rejection.ts and the gateway have them. */
export interface Refusal {
  readonly code: string
  readonly detail: string
  readonly pointer?: string
}

export interface RefusedRow extends Refusal {
  /** Place in the batch. */
  readonly index: number
  readonly id: string | null
}

export type SendOutcome =
  /** The broker has it on disk, but for the rows that were refused. */
  | { readonly kind: 'landed'; readonly refused: readonly RefusedRow[] }
  /** Nobody knows, or not now. `afterMs`: no sooner. */
  | { readonly kind: 'again'; readonly detail: string; readonly afterMs?: number }
  /** These bytes are never going to be taken. */
  | { readonly kind: 'refused'; readonly refusal: Refusal }

export interface Transport {
  /** Gets to know what it must know of the other side. Rejects when that is out of reach. */
  start(): Promise<void>
  /** Bytes of the largest batch, before it is compressed. */
  readonly maxBatchBytes: number
  readonly maxBatchEvents: number
  laneOf(subject: string): string
  /** Whether a batch of this lane, spooled by an earlier process, can be sent from here. */
  knowsLane(lane: string): boolean
  /** Never rejects. */
  send(body: BatchBody, signal: AbortSignal): Promise<SendOutcome>
  close(): Promise<void>
}
