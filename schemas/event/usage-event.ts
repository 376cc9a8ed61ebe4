// A valid event: the envelope's attributes as Weir keeps them, and `data` as it was sent.

/** The validated CloudEvent that stages work on. Instants are epoch nanoseconds. */
export interface ValidEvent {
  readonly id: string
  readonly source: string
  readonly type: string
  /** The customer id for usage and for subscription events. */
  readonly subject: string
  /** As sent; undefined when the event had no `time`. */
  readonly timeText: string | undefined
  /** The instant of `time`; the instant of arrival when the event had no `time`. */
  readonly timeNs: bigint
  /** The sender's library stamped `time` at this try, so it is no part of the content. */
  readonly isTimeStamped: boolean
  readonly subscriptionId: string | undefined
  readonly correlationId: string
  readonly traceparent: string
  readonly data: Readonly<Record<string, unknown>>
}
