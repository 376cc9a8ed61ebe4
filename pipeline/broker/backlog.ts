// How many bytes of a stream lie behind a position, from what the broker tells of the stream as a whole now and then:
// its last sequence and its bytes. Between two readings sequences are taken to be equally large.
// Invariant: at most `mostReadings` are kept; the older the coarser, since a backlog that old is large anyway.

const mostReadings = 512

export interface StreamExtent {
  readonly firstSeq: number
  readonly lastSeq: number
  readonly bytes: number
}

export class Backlog {
  #readings: { readonly seq: number; readonly bytes: number }[] = []
  #firstSeq = 0

  /** The stream as it is now. */
  read({ firstSeq, lastSeq, bytes }: StreamExtent): void {
    const newest = this.#readings.at(-1)
    // Purged, or made anew: what was read before no longer fits.
    if (firstSeq !== this.#firstSeq || (newest !== undefined && lastSeq < newest.seq)) this.#readings = []
    this.#firstSeq = firstSeq
    if (this.#readings.length === 0) this.#readings.push({ seq: firstSeq - 1, bytes: 0 })
    if (lastSeq > this.#readings.at(-1)!.seq) this.#readings.push({ seq: lastSeq, bytes })
    if (this.#readings.length > mostReadings) {
      const half = this.#readings.length >> 1
      this.#readings = this.#readings.filter((_, index) => index > half || index % 2 === 0)
    }
  }

  get lastSeq(): number {
    return this.#readings.at(-1)?.seq ?? 0
  }

  /** Bytes of the messages after this sequence. */
  bytesBehind(seq: number): number {
    const newest = this.#readings.at(-1)
    if (newest === undefined || seq >= newest.seq) return 0
    const next = this.#readings.findIndex(reading => reading.seq > seq)
    const after = this.#readings[next]!
    const before = this.#readings[next - 1] ?? after
    const span = after.seq - before.seq
    const share = span === 0 ? 0 : (after.seq - seq) / span
    return newest.bytes - after.bytes + share * (after.bytes - before.bytes)
  }
}
