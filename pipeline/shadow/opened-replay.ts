// A replay of one partition that is open in the thread of a shadow: how its input or its history gets there.
// Invariants: everything up to the copy's commit is fed, and nothing after it; changes come before usage.

import type { Catalog } from '../../schemas/catalog/catalog.js'
import type { ReadMessage } from '../broker/pull-protocol.js'
import { natsSubjects } from '../broker/topology.js'
import type { CoreConfig } from '../core/core.js'
import type { StateAccess, StateAt } from '../engine/restore.js'
import type { InputStream } from '../ledger/checkpoint.js'
import { packMessages } from '../workers/protocol.js'
import { publishedCatalog } from './published-catalog.js'
import { firstSeqFrom, readInput } from './read-input.js'
import type { ShadowThread } from './shadow-thread.js'

/** The commit of a partition that both sides of a comparison are of. */
export interface ComparedCommit {
  readonly commit: number
  /** The sequence in LEDGER of its checkpoint, and of its last message. */
  readonly checkpointSeq: number
  readonly endSeq: number
  /** How far each input had been processed. */
  readonly positions: Readonly<Record<Exclude<InputStream, 'CONTROL'>, number>>
}

export function comparedCommit({ checkpoint, seq }: StateAt): ComparedCommit {
  const { commit, positions, messages } = checkpoint
  const { CATALOG, LIFECYCLE, METERING } = positions
  return {
    commit,
    checkpointSeq: seq,
    endSeq: seq + messages.length,
    positions: { CATALOG: CATALOG.seq, LIFECYCLE: LIFECYCLE.seq, METERING: METERING.seq },
  }
}

export class OpenedReplay {
  readonly thread: ShadowThread
  /** Resolves when ClickHouse has everything up to the copy's commit. */
  readonly delivered: () => Promise<void>
  readonly #access: StateAccess
  readonly #at: ComparedCommit
  readonly #config: CoreConfig
  readonly #nowMs = Date.now()

  constructor(
    thread: ShadowThread,
    access: StateAccess,
    at: ComparedCommit,
    config: CoreConfig,
    delivered: () => Promise<void>,
  ) {
    this.thread = thread
    this.delivered = delivered
    this.#access = access
    this.#at = at
    this.#config = config
  }

  get commit(): number {
    return this.#at.commit
  }

  publishedCatalog(): Promise<Catalog> {
    return publishedCatalog(this.#access)
  }

  async placeReadings(lines: Uint8Array): Promise<void> {
    await this.thread.placeReadings({ nowMs: this.#nowMs, lines })
  }

  async endReadings(): Promise<void> {
    await this.thread.endReadings(this.#nowMs)
  }

  /** All changes, then usage: from the beginning of METERING, or where that is gone from what came for `fromNs`. */
  async feedInput(fromNs: bigint): Promise<void> {
    await this.#feedChanges()
    await this.thread.beginUsage()
    const { state } = await this.#access.jsm.streams.info('METERING')
    const fromMs = Number(fromNs / 1_000_000n) - this.#config.limits.futureToleranceMs
    const isWhole = state.first_seq <= 1
    const fromSeq = isWhole ? 1 : await firstSeqFrom(this.#access.jsm, 'METERING', fromMs)
    let nowMs = 0
    for await (const messages of this.#read(
      'METERING',
      natsSubjects.metering(this.#config.partition),
      fromSeq,
    )) {
      nowMs = Math.max(nowMs, messages.at(-1)!.arrivedAtMs)
      await this.thread.feedUsage({ nowMs, metering: packed(messages) })
    }
  }

  /** Catalogs before the changes that came after them, so that each change finds the plans that it found once. */
  async #feedChanges(): Promise<void> {
    const catalogs: ReadMessage[] = []
    for await (const messages of this.#read('CATALOG', natsSubjects.catalog, 1)) catalogs.push(...messages)
    // The clock stands still, so that no retraction is given up before its usage comes.
    let nowMs: number | undefined = catalogs[0]?.arrivedAtMs
    const natsSubject = natsSubjects.lifecycle(this.#config.partition)
    for await (const messages of this.#read('LIFECYCLE', natsSubject, 1)) {
      nowMs ??= messages[0]!.arrivedAtMs
      let run: ReadMessage[] = []
      for (const message of messages) {
        const isNewer = ({ arrivedAtMs }: ReadMessage) => arrivedAtMs > message.arrivedAtMs
        const first = catalogs.findIndex(isNewer)
        const due = catalogs.splice(0, first === -1 ? catalogs.length : first)
        if (due.length > 0) {
          await this.#apply(nowMs, [], run)
          await this.#apply(nowMs, due, [])
          run = []
        }
        run.push(message)
      }
      await this.#apply(nowMs, [], run)
    }
    await this.#apply(nowMs ?? this.#nowMs, catalogs, [])
  }

  async #apply(
    nowMs: number,
    catalog: readonly ReadMessage[],
    lifecycle: readonly ReadMessage[],
  ): Promise<void> {
    if (catalog.length + lifecycle.length === 0) return
    await this.thread.applyChanges({ nowMs, catalog: packed(catalog), lifecycle: packed(lifecycle) })
  }

  #read(stream: 'CATALOG' | 'LIFECYCLE' | 'METERING', natsSubject: string, fromSeq: number) {
    const untilSeq = this.#at.positions[stream]
    const { partitions } = this.#config
    return readInput(this.#access, { stream, natsSubject, fromSeq, untilSeq, partitions })
  }
}

function packed(messages: readonly ReadMessage[]) {
  const all = packMessages(messages)
  for (const message of messages) message.release()
  return all
}
