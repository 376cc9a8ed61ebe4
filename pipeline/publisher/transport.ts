// The interface that sends usage batches to Weir, over the gateway or directly to the broker. One call is one
// attempt; the publisher retries.

/** An encoded usage batch. It is encoded once: every attempt, also after a restart, sends the same bytes. */
export interface BatchBody {
  /** The NATS subject that the batch goes to; '' over the gateway, which sorts by customer itself. */
  readonly lane: string
  readonly count: number
  readonly contentType: string
  readonly contentEncoding: 'gzip' | undefined
  readonly bytes: Uint8Array
}

/** Why Weir refused one event. The codes are the stable ones of schemas/rejection.ts and the gateway. */
export interface Refusal {
  readonly code: string
  readonly detail: string
  readonly pointer?: string
}

export interface RefusedRow extends Refusal {
  /** Index of the row in the batch. */
  readonly index: number
  readonly id: string | null
}

export type SendOutcome =
  /** The broker has the batch on disk, except for the refused rows. */
  | { readonly kind: 'landed'; readonly refused: readonly RefusedRow[] }
  /**
   * The outcome is unknown, or the failure is temporary. `afterMs`: wait at least this long before the next
   * attempt.
   */
  | { readonly kind: 'again'; readonly detail: string; readonly afterMs?: number }
  /** Weir can never accept these bytes. */
  | { readonly kind: 'refused'; readonly refusal: Refusal }

export interface Transport {
  /**
   * Reads the settings of the other side that the transport needs. Rejects when the other side is out of
   * reach.
   */
  start(): Promise<void>
  /** Bytes of the largest batch before compression. */
  readonly maxBatchBytes: number
  readonly maxBatchEvents: number
  laneOf(subject: string): string
  /** Whether a batch of this lane, spooled by an earlier process, can be sent from here. */
  knowsLane(lane: string): boolean
  /** Never rejects. */
  send(body: BatchBody, signal: AbortSignal): Promise<SendOutcome>
  close(): Promise<void>
}
