// Every bound of the gateway in one place, and the relations between them.

export interface GatewayLimits {
  /** Events in one request. Default 10,000; contract section 7. */
  readonly maxEvents: number
  /** Bytes of one body, on the wire and after decompression. Default 8 MB (8,000,000). */
  readonly maxBodyBytes: number
  /** The time within which a whole body must arrive. Default 30 s. */
  readonly bodyTimeoutMs: number
  /** A body that receives no bytes for this long is given up. Default 10 s. */
  readonly bodyIdleMs: number
  /** The time within which the headers of a request must arrive. Default 10 s. */
  readonly headersTimeoutMs: number
  /** Open connections; above the limit the one idle for longest is closed. Default 1,000. */
  readonly maxConnections: number
  /** Event requests under way at once; above the limit: 429. Default 256. */
  readonly maxInFlightRequests: number
  /** Bytes of their bodies at once; above the limit: 429. Default 128 MB. */
  readonly maxInFlightBytes: number
  /** The fraction of these two limits that one API key may hold. Default one half. */
  readonly callerShare: number
  /** Larger bodies are read one at a time, callers taking turns. Default 64 KiB. */
  readonly largeBodyBytes: number
  /**
   * Events of many requests share a message up to this size. Default 1 MiB, less if the broker accepts less.
   */
  readonly messageBytes: number
  /** One attempt to publish. Default 5 s. */
  readonly publishAttemptMs: number
  /** All attempts for one message, counted from the request; after that the answer is 503. Default 15 s. */
  readonly publishDeadlineMs: number
  /** `Retry-After` when the broker is out of reach or too many requests are under way. Default 2 s. */
  readonly retryAfterSeconds: number
  /** How long `drain` waits for requests under way. Default 20 s. */
  readonly drainMs: number
}

const defaults: GatewayLimits = {
  maxEvents: 10_000,
  maxBodyBytes: 8_000_000,
  bodyTimeoutMs: 30_000,
  bodyIdleMs: 10_000,
  headersTimeoutMs: 10_000,
  maxConnections: 1_000,
  maxInFlightRequests: 256,
  maxInFlightBytes: 128_000_000,
  callerShare: 0.5,
  largeBodyBytes: 64 * 1024,
  messageBytes: 1 << 20,
  publishAttemptMs: 5_000,
  publishDeadlineMs: 15_000,
  retryAfterSeconds: 2,
  drainMs: 20_000,
}

export function gatewayLimits(overrides: Partial<GatewayLimits> = {}): GatewayLimits {
  const limits = { ...defaults, ...overrides }
  const demand = (holds: boolean, relation: string) => {
    if (!holds) throw new Error(`gateway limits: ${relation}`)
  }
  for (const [name, value] of Object.entries(limits)) demand(value > 0, `${name} must be above 0`)
  demand(limits.callerShare <= 1, 'callerShare is a part of the whole')
  demand(
    limits.maxInFlightBytes * limits.callerShare >= limits.maxBodyBytes,
    'the share of a caller must hold one body',
  )
  demand(limits.publishDeadlineMs >= limits.publishAttemptMs, 'publishDeadlineMs must hold one attempt')
  return limits
}
