// The limits of one feed and the relations between them.

export interface DeliverLimits {
  /**
   * A range is cut when its messages reach this. The most that one insert carries, give or take a message. Reached only
   * under load, where larger inserts mean fewer merges.
   */
  readonly rangeBytes: number
  readonly rangeMessages: number
  /**
   * From cut to cut, and the most that a message waits for others, unless a range is full: twice what the last range took
   * the sink, within these bounds. Every insert is a part that has to be merged; a sink that is busy gets fewer and larger
   * ones.
   */
  readonly paceMinMs: number
  readonly paceMaxMs: number
  /** The least that a message waits: what was committed together is delivered together. */
  readonly settleMs: number
  /** Read ahead of the range being applied. */
  readonly bufferBytes: number
  /** One pull: at least the largest message. */
  readonly pullBytes: number
  readonly pullExpiresMs: number
  readonly idleHeartbeatMs: number
  /** One attempt of a sink. */
  readonly applyTimeoutMs: number
  readonly retryMinMs: number
  readonly retryMaxMs: number
  /** A record that nobody has renewed for this long may be taken over by a deliverer on standby. */
  readonly leaseMs: number
}

export const defaultDeliverLimits: DeliverLimits = {
  rangeBytes: 64 << 20,
  rangeMessages: 2_000,
  paceMinMs: 100,
  paceMaxMs: 250,
  settleMs: 10,
  bufferBytes: 80 << 20,
  pullBytes: 16 << 20,
  pullExpiresMs: 5_000,
  idleHeartbeatMs: 1_000,
  applyTimeoutMs: 120_000,
  retryMinMs: 100,
  retryMaxMs: 15_000,
  leaseMs: 15_000,
}

/** The largest message that our streams take (`max_payload` of the embedded server). */
const largestMessageBytes = 9 << 20

export function assertDeliverLimits(limits: DeliverLimits): void {
  const relations: [boolean, string][] = [
    [limits.pullBytes > largestMessageBytes, 'a pull must hold the largest message'],
    [limits.bufferBytes >= limits.rangeBytes, 'the buffer must hold a range'],
    [limits.pullExpiresMs >= 1_000, 'a pull lasts at least a second'],
    [limits.idleHeartbeatMs * 2 < limits.pullExpiresMs, 'two heartbeats fit into a pull'],
    [limits.retryMinMs <= limits.retryMaxMs, 'back-off grows'],
    [limits.paceMinMs >= 0 && limits.paceMinMs <= limits.paceMaxMs, 'the pace has bounds'],
    [limits.rangeMessages > 0, 'a range has room'],
  ]
  for (const [holds, relation] of relations) if (!holds) throw new Error(`deliver limits: ${relation}`)
}
