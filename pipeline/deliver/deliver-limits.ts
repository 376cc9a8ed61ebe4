// The limits of one feed and the relations between them.

export interface DeliverLimits {
  /**
   * A range is cut when its messages reach this, so one insert carries at most this and one more message.
   * Ranges reach it only under load, where larger inserts mean fewer merges.
   */
  readonly rangeBytes: number
  readonly rangeMessages: number
  /**
   * Bounds of the pace: the time from one cut to the next, and the longest that a message waits for others,
   * unless a range is full. The pace is twice what the sink took for the last range: every insert makes a
   * part that ClickHouse must merge, so a busy sink gets fewer and larger inserts.
   */
  readonly paceMinMs: number
  readonly paceMaxMs: number
  /** The shortest time that a message waits, so that messages committed together are delivered together. */
  readonly settleMs: number
  /** Bytes of messages prefetched while a range is applied. */
  readonly bufferBytes: number
  /** The most bytes of one pull, unless one message alone is larger. */
  readonly pullBytes: number
  readonly pullExpiresMs: number
  readonly idleHeartbeatMs: number
  /** How long one attempt of a sink may take, or go without progress if it tells of its progress. */
  readonly applyTimeoutMs: number
  readonly retryMinMs: number
  readonly retryMaxMs: number
  /** A deliverer on standby may take over a feed whose record has not been renewed for this long. */
  readonly leaseMs: number
}

export const defaultDeliverLimits: DeliverLimits = {
  rangeBytes: 32 << 20,
  rangeMessages: 2_000,
  paceMinMs: 100,
  paceMaxMs: 250,
  settleMs: 10,
  bufferBytes: 40 << 20,
  pullBytes: 16 << 20,
  pullExpiresMs: 5_000,
  idleHeartbeatMs: 1_000,
  applyTimeoutMs: 120_000,
  retryMinMs: 100,
  retryMaxMs: 15_000,
  leaseMs: 15_000,
}

/**
 * Of a feed whose sink gains nothing from large inserts: a process has many feeds, and after a large billing run all of them
 * are behind at once.
 */
export const smallRanges: Partial<DeliverLimits> = {
  rangeBytes: 2 << 20,
  bufferBytes: 3 << 20,
  pullBytes: 2 << 20,
}

/** More than the largest message that our streams take (`max_payload` of the embedded server, 9 MB). */
export const largestPullBytes = 10 << 20

export function assertDeliverLimits(limits: DeliverLimits): void {
  const relations: [boolean, string][] = [
    [limits.bufferBytes >= limits.rangeBytes, 'the buffer must hold a range'],
    [limits.pullExpiresMs >= 1_000, 'a pull lasts at least a second'],
    [limits.idleHeartbeatMs * 2 < limits.pullExpiresMs, 'two heartbeats fit into a pull'],
    [limits.retryMinMs <= limits.retryMaxMs, 'back-off grows'],
    [limits.paceMinMs >= 0 && limits.paceMinMs <= limits.paceMaxMs, 'the pace has bounds'],
    [limits.rangeMessages > 0, 'a range has room'],
  ]
  for (const [holds, relation] of relations) if (!holds) throw new Error(`deliver limits: ${relation}`)
}
