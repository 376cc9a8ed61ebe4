// Estimates how many bytes of a stream come after a position, from occasional readings of the stream's last
// sequence and size. Messages between two readings are assumed to be of equal size.
// Invariant: at most `mostReadings` are kept. Older ones are fewer, since a backlog that old is large anyway.

const mostReadings = 512

export interface StreamExtent {
  readonly firstSeq: number
  readonly lastSeq: number
  readonly bytes: number
}

export class Backlog {
  #readings: { readonly seq: number; readonly bytes: number }[] = []
  #firstSeq = 0

  /** Adds a reading of the stream. */
  read({ firstSeq, lastSeq, bytes }: StreamExtent): void {
    const newest = this.#readings.at(-1)
    // The stream was purged or made again: earlier readings are no longer valid.
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
