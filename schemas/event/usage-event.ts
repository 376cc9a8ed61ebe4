// A usage event after validation: the envelope's attributes as Weir keeps them, `data` as it was sent.

/** The validated CloudEvent that stages work on. Instants are epoch nanoseconds. */
export interface ValidEvent {
  readonly id: string
  readonly source: string
  readonly type: string
  /** The customer id for usage and for subscription events. */
  readonly subject: string
  /** As sent; undefined when the event had no `time`. */
  readonly timeText: string | undefined
  /** From `time`; the arrival when the event had none. */
  readonly timeNs: bigint
  readonly subscriptionId: string | undefined
  readonly correlationId: string
  readonly traceparent: string
  readonly data: Readonly<Record<string, unknown>>
}
