// Every bound of a publisher, and the relations between them.

export interface PublisherLimits {
  /** A usage batch is sent when it has this many events. Default 10,000, which is also the maximum. */
  readonly batchEvents: number
  /** A batch is sent when it has this many bytes before compression. Default 1,000,000. */
  readonly batchBytes: number
  /** A batch is sent when its first event has waited this long. Default 20 ms. */
  readonly lingerMs: number
  /** Events that were taken and have no outcome yet. Default 200,000. */
  readonly maxBufferedEvents: number
  /** Bytes of events in memory. Default 64 MB. */
  readonly maxBufferedBytes: number
  /** Bytes of batches in the spool. Default 1 GB. */
  readonly maxSpoolBytes: number
  /** Batches being sent at once. Default 4. */
  readonly maxInFlight: number
  /** Time-out of one attempt to send. Default 30 s. */
  readonly attemptMs: number
  /** The first pause after a failed attempt; it doubles, with jitter. Default 100 ms. */
  readonly retryMinMs: number
  /** The longest pause between attempts. Default 10 s. */
  readonly retryMaxMs: number
  /** How long `close` waits for batches that have not landed. Default 30 s. */
  readonly closeMs: number
}

const defaults: PublisherLimits = {
  batchEvents: 10_000,
  batchBytes: 1_000_000,
  lingerMs: 20,
  maxBufferedEvents: 200_000,
  maxBufferedBytes: 64_000_000,
  maxSpoolBytes: 1_000_000_000,
  maxInFlight: 4,
  attemptMs: 30_000,
  retryMinMs: 100,
  retryMaxMs: 10_000,
  closeMs: 30_000,
}

/** Throws when the limits contradict each other. */
export function publisherLimits(overrides: Partial<PublisherLimits> = {}): PublisherLimits {
  const limits = { ...defaults, ...overrides }
  const demand = (holds: boolean, relation: string): void => {
    if (!holds) throw new Error(`publisher limits: ${relation}`)
  }
  for (const [name, value] of Object.entries(limits)) {
    demand(value > 0 || name === 'lingerMs', `${name} must be above 0`)
  }
  demand(limits.batchEvents <= defaults.batchEvents, `batchEvents must be at most ${defaults.batchEvents}`)
  demand(limits.maxBufferedBytes >= 2 * limits.batchBytes, 'the buffer must hold two batches')
  demand(limits.maxBufferedEvents >= limits.batchEvents, 'the buffer must hold the events of a batch')
  demand(limits.maxSpoolBytes >= limits.batchBytes, 'the spool must hold a batch')
  demand(limits.retryMinMs <= limits.retryMaxMs, 'the pause grows')
  return limits
}
