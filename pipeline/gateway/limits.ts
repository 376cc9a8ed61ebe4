// Every bound of the gateway in one place, and the relations between them.

export interface GatewayLimits {
  /** Events in one request. Default 10,000; contract section 7. */
  readonly maxEvents: number
  /** Bytes of one body, on the wire and after decompression. Default 8 MB (8,000,000). */
  readonly maxBodyBytes: number
  /** A body must have come by then. Default 30 s. */
  readonly bodyTimeoutMs: number
  /** A body of which nothing comes for so long is given up. Default 10 s. */
  readonly bodyIdleMs: number
  /** The headers of a request must have come by then. Default 10 s. */
  readonly headersTimeoutMs: number
  /** Open connections; beyond, the one without a request for longest makes room. Default 1,000. */
  readonly maxConnections: number
  /** Event requests at work at once. Default 256; beyond: 429. */
  readonly maxInFlightRequests: number
  /** Bytes of bodies at work at once. Default 128 MB; beyond: 429. */
  readonly maxInFlightBytes: number
  /** How much of the two one API key may hold. Default one half. */
  readonly callerShare: number
  /** Larger bodies are read one at a time, callers taking turns. Default 64 KiB. */
  readonly largeBodyBytes: number
  /** Events of many requests share a message up to this size. Default 1 MiB, less where the broker takes less. */
  readonly messageBytes: number
  /** One try to publish. Default 5 s. */
  readonly publishAttemptMs: number
  /** All tries of one message, from the moment the request asked for it. Default 15 s; then 503. */
  readonly publishDeadlineMs: number
  /** `Retry-After` when the broker is out of reach or too much is at work. Default 2 s. */
  readonly retryAfterSeconds: number
  /** How long `drain` waits for requests at work. Default 20 s. */
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
