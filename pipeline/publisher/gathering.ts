// Gathers rows into usage batches, one per lane (the NATS subject that a batch goes to). A batch is full by
// its number of events, by its bytes, or by the time that its first row has waited.
// Invariant: every row that was added is in exactly one batch handed to `onFull`, at the latest after the linger.

import {
  UsageBatchWriter,
  type UsageRow,
  usageBatchOverheadBytes,
} from '../../schemas/usage-batch/usage-batch-writer.js'
import type { Refusal } from './transport.js'

export type PublishResult =
  /** The broker has the event on disk. */
  | { readonly kind: 'landed' }
  /** The spool has the event on disk, and the event will be sent. */
  | { readonly kind: 'spooled' }
  /** Weir can never accept the event as it is. */
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** The publisher was closed before it knew whether the event had landed: publish the event again. */
  | { readonly kind: 'unsent'; readonly detail: string }

export type Settle = (result: PublishResult) => void

export interface FullBatch {
  readonly lane: string
  /** An Arrow stream. */
  readonly bytes: Uint8Array
  /** The sum of the row sizes that were counted when the rows were added. */
  readonly rowBytes: number
  /** One per row, in order. */
  readonly settle: readonly Settle[]
}

export interface GatheringOptions {
  readonly batchEvents: number
  readonly batchBytes: number
  readonly lingerMs: number
  readonly onFull: (batch: FullBatch) => void
}

interface OpenBatch {
  readonly lane: string
  readonly writer: UsageBatchWriter
  readonly settle: Settle[]
  rowBytes: number
  readonly timer: NodeJS.Timeout
}

/** How many idle writers are kept for reuse: each holds on to its memory. */
const idleWritersKept = 32

export class Gathering {
  readonly #options: GatheringOptions
  readonly #open = new Map<string, OpenBatch>()
  readonly #idle: UsageBatchWriter[] = []

  constructor(options: GatheringOptions) {
    this.#options = options
  }

  add(lane: string, row: UsageRow, rowBytes: number, settle: Settle): void {
    const { batchBytes, batchEvents } = this.#options
    let batch = this.#open.get(lane)
    if (batch !== undefined && batch.rowBytes + rowBytes + usageBatchOverheadBytes > batchBytes) {
      this.#close(batch)
      batch = undefined
    }
    batch ??= this.#begin(lane)
    batch.writer.add(row)
    batch.settle.push(settle)
    batch.rowBytes += rowBytes
    if (batch.settle.length >= batchEvents || batch.rowBytes >= batchBytes) this.#close(batch)
  }

  closeAll(): void {
    for (const batch of [...this.#open.values()]) this.#close(batch)
  }

  #begin(lane: string): OpenBatch {
    const batch: OpenBatch = {
      lane,
      writer: this.#idle.pop() ?? new UsageBatchWriter(),
      settle: [],
      rowBytes: 0,
      // The timer is not unref'd, so that a process with nothing else to do still sends the events that it
      // took.
      timer: setTimeout(() => this.#close(batch), this.#options.lingerMs),
    }
    this.#open.set(lane, batch)
    return batch
  }

  #close(batch: OpenBatch): void {
    clearTimeout(batch.timer)
    this.#open.delete(batch.lane)
    const { lane, writer, rowBytes, settle } = batch
    const bytes = writer.finish()
    if (this.#idle.length < idleWritersKept) this.#idle.push(writer)
    this.#options.onFull({ lane, bytes, rowBytes, settle })
  }
}
