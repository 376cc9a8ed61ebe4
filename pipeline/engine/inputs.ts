// The four inputs of a partition, and the order in which they are taken.
//
// Invariants:
// 1. All catalogs, then all changes, that the streams held at the claim are processed before any usage. The
//    order never changes a result, but usage that waits for a subscription takes memory.
// 2. Nor is anything processed while a catalog that may have a say in it is not taken (catalog-gate.ts): there the order matters.
// 3. Positions advance to the last message taken, in the order of each stream.

import { jetstream } from '@nats-io/jetstream'
import type { EventStream } from '../../schemas/event/event-stream.js'
import type { ReadMessage } from '../broker/pull-protocol.js'
import { natsSubjects } from '../broker/topology.js'
import { plainLength } from '../core/decode/decompress.js'
import { type InputStream, type Positions, readLastSequence } from '../ledger/checkpoint.js'
import type { LedgerAccess } from '../ledger/commit.js'
import type { PartitionFailure } from '../ledger/failures.js'
import { CatalogGate } from './catalog-gate.js'
import type { Claim } from './claim.js'
import { InputReader } from './input-reader.js'

export interface InputEvents {
  readonly onMessage: () => void
  readonly onInterruption: (detail: string) => void
  readonly onFailure: (failure: PartitionFailure) => void
}

export interface TakenInputs {
  readonly catalog: readonly ReadMessage[]
  readonly lifecycle: readonly ReadMessage[]
  readonly metering: readonly ReadMessage[]
  readonly bytes: number
}

export interface ReadyInputs {
  readonly bytes: number
  readonly count: number
  /** When the first of them came to this process. */
  readonly oldestReadAtMs: number
  /** Catalogs or changes from before the claim are still being read: process them without lingering. */
  readonly catchingUp: boolean
}

export class PartitionInputs {
  readonly #readers: Readonly<Record<InputStream, InputReader>>
  /** Sequences of CATALOG and LIFECYCLE at the claim. */
  readonly #endsAtClaim: Readonly<Record<'CATALOG' | 'LIFECYCLE', number>>
  readonly #taken: Record<InputStream, number>
  readonly #created: Readonly<Record<InputStream, string>>
  readonly #gate: CatalogGate

  static async open(
    access: LedgerAccess,
    claim: Claim,
    partitions: number,
    events: InputEvents,
  ): Promise<PartitionInputs> {
    const { partition } = claim.checkpoint
    const ends = {
      CATALOG: await readLastSequence(access.jsm, 'CATALOG', natsSubjects.catalog),
      LIFECYCLE: await readLastSequence(access.jsm, 'LIFECYCLE', natsSubjects.lifecycle(partition)),
    }
    return new PartitionInputs(access, claim, partitions, events, ends)
  }

  private constructor(
    access: LedgerAccess,
    claim: Claim,
    partitions: number,
    events: InputEvents,
    endsAtClaim: Record<'CATALOG' | 'LIFECYCLE', number>,
  ) {
    const { partition, positions } = claim.checkpoint
    const { nc, bulk, jsm, limits } = access
    const js = jetstream(nc)
    const reader = (stream: InputStream, natsSubject: string) => {
      const { created, seq } = positions[stream]
      return new InputReader({
        bulk,
        jsm,
        stream,
        filterSubjects: [natsSubject],
        created,
        fromSeq: seq + 1,
        limits,
        ...events,
        ...(stream === 'METERING' || stream === 'LIFECYCLE'
          ? { misplaced: { nc, js, partitions, stream } }
          : {}),
      })
    }
    this.#gate = new CatalogGate({
      readEnd: () => readLastSequence(jsm, 'CATALOG', natsSubjects.catalog),
      onAnswer: events.onMessage,
      onInterruption: events.onInterruption,
    })
    this.#endsAtClaim = endsAtClaim
    this.#readers = {
      CATALOG: reader('CATALOG', natsSubjects.catalog),
      CONTROL: reader('CONTROL', natsSubjects.billingRun),
      LIFECYCLE: reader('LIFECYCLE', natsSubjects.lifecycle(partition)),
      METERING: reader('METERING', natsSubjects.metering(partition)),
    }
    const each = <T>(of: (stream: InputStream) => T) => ({
      CATALOG: of('CATALOG'),
      CONTROL: of('CONTROL'),
      LIFECYCLE: of('LIFECYCLE'),
      METERING: of('METERING'),
    })
    this.#created = each(stream => positions[stream].created)
    this.#taken = each(stream => positions[stream].seq)
  }

  get lag(): { readonly metering: number; readonly lifecycle: number; readonly catalog: number } {
    const { METERING, LIFECYCLE, CATALOG } = this.#readers
    return { metering: METERING.lag, lifecycle: LIFECYCLE.lag, catalog: CATALOG.lag }
  }

  /** When the oldest change or usage that waits in this process came to the broker; undefined: none waits here. */
  get oldestArrivedAtMs(): number | undefined {
    const { METERING, LIFECYCLE } = this.#readers
    return earliest(METERING.oldestArrivedAtMs, LIFECYCLE.oldestArrivedAtMs)
  }

  /** The size and age of the messages that `take` would take from now. */
  ready(pauseMetering: boolean): ReadyInputs {
    let bytes = 0
    let count = 0
    let oldestReadAtMs = Number.POSITIVE_INFINITY
    const open = this.#open(pauseMetering)
    for (const stream of open) {
      const reader = this.#readers[stream]
      bytes += reader.bytes
      count += reader.count
      oldestReadAtMs = Math.min(oldestReadAtMs, reader.oldestReadAtMs ?? Number.POSITIVE_INFINITY)
    }
    return { bytes, count, oldestReadAtMs, catchingUp: this.#catchingUp() !== undefined }
  }

  /**
   * Takes up to so many bytes, catalogs first, then changes, then usage. Messages that were brought to another partition
   * count as taken, so that the commit moves the position past them.
   */
  take(maxBytes: number, pauseMetering: boolean): TakenInputs {
    const taken: Record<EventStream, readonly ReadMessage[]> = { CATALOG: [], LIFECYCLE: [], METERING: [] }
    let bytes = 0
    for (const stream of this.#open(pauseMetering)) {
      if (bytes >= maxBytes) break
      const messages = this.#readers[stream].take(maxBytes - bytes)
      taken[stream] = messages.some(isElsewhere) ? withoutThoseElsewhere(messages) : messages
      for (const message of messages) bytes += plainLength(message)
      this.#taken[stream] = messages.at(-1)?.seq ?? this.#taken[stream]
    }
    return { catalog: taken.CATALOG, lifecycle: taken.LIFECYCLE, metering: taken.METERING, bytes }
  }

  takeControl(): readonly ReadMessage[] {
    return this.#readers.CONTROL.take(Number.POSITIVE_INFINITY)
  }

  /** The positions of the taken messages; `control`: the position up to which orders were carried out. */
  positions(control: number): Positions {
    const at = (stream: InputStream, seq: number) => ({ created: this.#created[stream], seq })
    return {
      CATALOG: at('CATALOG', this.#taken.CATALOG),
      CONTROL: at('CONTROL', control),
      LIFECYCLE: at('LIFECYCLE', this.#taken.LIFECYCLE),
      METERING: at('METERING', this.#taken.METERING),
    }
  }

  /**
   * Moves the positions of inputs without messages for this partition past those of other partitions, so that
   * an idle partition does not keep a stream from being purged. Returns how far they moved.
   */
  async skipQuiet(): Promise<number> {
    let moved = 0
    for (const stream of ['LIFECYCLE', 'METERING'] as const) {
      const before = this.#taken[stream]
      const end = await this.#readers[stream].quietUpTo()
      if (end === undefined || this.#taken[stream] !== before || end <= before) continue
      moved += end - before
      this.#taken[stream] = end
    }
    return moved
  }

  stop(): void {
    this.#gate.stop()
    for (const reader of Object.values(this.#readers)) reader.stop()
  }

  #catchingUp(): 'CATALOG' | 'LIFECYCLE' | undefined {
    for (const stream of ['CATALOG', 'LIFECYCLE'] as const) {
      if (this.#taken[stream] < this.#endsAtClaim[stream]) return stream
    }
    return undefined
  }

  #passes(stream: 'LIFECYCLE' | 'METERING'): boolean {
    return this.#gate.letsThrough(this.#readers[stream].newestArrivedAtMs)
  }

  #open(pauseMetering: boolean): readonly EventStream[] {
    const first = this.#catchingUp()
    if (first !== undefined) return [first] // invariant 1
    const open: EventStream[] = ['CATALOG']
    if (this.#passes('LIFECYCLE')) open.push('LIFECYCLE')
    if (!pauseMetering && this.#passes('METERING')) open.push('METERING')
    return this.#taken.CATALOG < this.#gate.end ? ['CATALOG'] : open // invariant 2
  }
}

/** The earliest of the instants that are known. */
export function earliest(...instants: readonly (number | undefined)[]): number | undefined {
  const known = instants.filter(one => one !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

function withoutThoseElsewhere(messages: readonly ReadMessage[]): ReadMessage[] {
  for (const message of messages) if (isElsewhere(message)) message.release()
  return messages.filter(message => !isElsewhere(message))
}

function isElsewhere(message: ReadMessage): boolean {
  return message.isElsewhere === true
}
