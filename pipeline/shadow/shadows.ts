// Copies of partitions' states, to try on what would come of something: nothing that is live is touched.
//
// Invariants:
// 1. One shadow at a time in a process, in a thread of its own with low priority. Others wait for their turn.
// 2. A shadow reads streams, snapshots and ClickHouse, and writes nothing anywhere.
// 3. The history of a copy is what ClickHouse has of the commits up to the copy's, and what the copy wrote itself.

import type { ClickHouseClient } from '@clickhouse/client'
import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Catalog } from '../../schemas/catalog/catalog.js'
import { readRatedHistory } from '../../sinks/clickhouse/rated-history.js'
import { pauseFor } from '../broker/back-off.js'
import type { BulkTransport } from '../broker/bulk-transport.js'
import type { PipelineLimits } from '../config/limits.js'
import type { CoreConfig, InputMessage } from '../core/core.js'
import type { HistoryRequest } from '../core/ports/core-io.js'
import { stateFormat } from '../core/state/partition-state.js'
import { isCovered, recordedPosition } from '../deliver/delivered.js'
import type { Feed } from '../deliver/feed.js'
import type { StateAt } from '../engine/restore.js'
import type { Checkpoint } from '../ledger/checkpoint.js'
import { packMessages } from '../workers/protocol.js'
import { type ComparedCommit, comparedCommit, OpenedReplay } from './opened-replay.js'
import type { EventIdentity, Outcome, StoredAnswer } from './protocol.js'
import { publishedCatalog } from './published-catalog.js'
import { type CopyAccess, openCopyAt, openCopyOf, openEmptyCopy } from './read-copy.js'
import type { ChangesFrom, Stretch } from './replay-protocol.js'
import { ShadowRefusal } from './shadow-refusal.js'
import { ShadowThread } from './shadow-thread.js'

export interface ShadowParts {
  readonly nc: NatsConnection
  readonly jsm: JetStreamManager
  readonly bulk: BulkTransport
  /** Its session database holds `rated_usage`. */
  readonly clickhouse: ClickHouseClient
  /** The bucket `weir_sinks`. */
  readonly sinks: KV
  /** The feed of the ledger into ClickHouse. */
  readonly feed: Feed
  readonly limits: PipelineLimits
  readonly partitions: number
}

/** Messages to be fed; what is left out is empty. They are given up to the shadow. */
export interface ShadowInput {
  readonly nowMs: number
  readonly catalog?: readonly InputMessage[]
  readonly lifecycle?: readonly InputMessage[]
  readonly metering?: readonly InputMessage[]
}

/** How long ClickHouse may be behind the copy. */
const deliveredWithinMs = 60_000
/** Charges in one page from the thread. */
const owedLinesEach = 2_000

export class Shadows {
  /** A state of another format cannot be copied. */
  readonly stateFormat = stateFormat
  readonly #parts: ShadowParts
  /** Resolves when the shadow before has ended. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(parts: ShadowParts) {
    this.#parts = parts
  }

  /** Runs `work` on a copy of the partition's newest state; the copy ends with it, and with the signal. */
  copyOf<T>(partition: number, signal: AbortSignal, work: (copy: ShadowCopy) => Promise<T>): Promise<T> {
    return this.inThread(signal, async thread => {
      const at = await openCopyOf(this.#access(signal), this.#config(partition), thread, 'loaded')
      return work(new ShadowCopy(thread, at, requests => this.#stored(requests, at, signal)))
    })
  }

  /** Runs `work` on a replay of the partition beside a copy of its newest state. */
  replayOf<T>(
    partition: number,
    signal: AbortSignal,
    work: (replay: OpenedReplay) => Promise<T>,
  ): Promise<T> {
    return this.inThread(signal, async thread => {
      const [access, config] = [this.#access(signal), this.#config(partition)]
      const at = comparedCommit(await openCopyOf(access, config, thread, 'left_out'))
      const delivered = () => this.delivered(at.endSeq, signal)
      return work(new OpenedReplay(thread, access, at, config, delivered))
    })
  }

  /**
   * Runs `work` on a replay of the partition as of a commit of which another build tells what is owed. Undefined: the
   * snapshot of that commit was replaced meanwhile, so that its subscriptions cannot be copied.
   */
  replayAt<T>(
    partition: number,
    at: ComparedCommit,
    changes: ChangesFrom,
    signal: AbortSignal,
    work: (replay: OpenedReplay) => Promise<T>,
  ): Promise<T | undefined> {
    return this.inThread(signal, async thread => {
      const [access, config] = [this.#access(signal), this.#config(partition)]
      if (changes === 'read') await openEmptyCopy(config, thread)
      else if (!(await openCopyAt(access, config, thread, at.checkpointSeq))) return undefined
      const delivered = () => this.delivered(at.endSeq, signal)
      return work(new OpenedReplay(thread, access, at, config, delivered))
    })
  }

  /** What the partition owes as of its newest commit, which is answered: lines of charges for `write`. */
  owedBy(
    partition: number,
    stretch: Stretch,
    signal: AbortSignal,
    write: (lines: Uint8Array) => Promise<void>,
  ): Promise<ComparedCommit> {
    return this.inThread(signal, async thread => {
      const at = await openCopyOf(this.#access(signal), this.#config(partition), thread, 'left_out')
      for (let isLast = false; !isLast; ) {
        const page = await thread.owedCharges({ stretch, linesEach: owedLinesEach })
        await write(page.lines)
        isLast = page.isLast
      }
      return comparedCommit(at)
    })
  }

  publishedCatalog(signal: AbortSignal): Promise<Catalog> {
    return publishedCatalog(this.#access(signal))
  }

  /** Runs `work` with the thread, when it is its turn. The thread ends with it, and with the signal. */
  inThread<T>(signal: AbortSignal, work: (thread: ShadowThread) => Promise<T>): Promise<T> {
    const mine = this.#turn.then(async () => {
      signal.throwIfAborted()
      const thread = new ShadowThread()
      const end = (): void => void thread.end()
      signal.addEventListener('abort', end, { once: true })
      try {
        return await work(thread)
      } finally {
        signal.removeEventListener('abort', end)
        await thread.end()
      }
    })
    this.#turn = mine.catch(() => undefined)
    return mine
  }

  #access(signal: AbortSignal): CopyAccess {
    const { nc, jsm, bulk, limits } = this.#parts
    return { nc, jsm, bulk, signal, limits: limits.engine, onRetry: () => undefined }
  }

  #config(partition: number): CoreConfig {
    const { limits, partitions } = this.#parts
    return { partition, partitions, limits: limits.core }
  }

  /** What ClickHouse has for each request, of the commits up to the copy's (invariant 3). */
  async #stored(
    requests: readonly HistoryRequest[],
    at: StateAt,
    signal: AbortSignal,
  ): Promise<StoredAnswer[]> {
    const { partition, commit } = at.checkpoint
    await this.delivered(comparedCommit(at).endSeq, signal)
    const answers: StoredAnswer[] = []
    for (const request of requests) {
      const query = { customerId: request.customerId, fromNs: request.fromNs, upTo: { partition, commit } }
      answers.push({ request, rows: await readRatedHistory(this.#parts.clickhouse, query, signal) })
    }
    return answers
  }

  /** Resolves when ClickHouse has the ledger up to a sequence. */
  async delivered(sequence: number, signal: AbortSignal): Promise<void> {
    const { jsm, sinks, feed } = this.#parts
    const deadlineMs = performance.now() + deliveredWithinMs
    for (;;) {
      const position = await recordedPosition(sinks, feed.key)
      if (position >= sequence || (await isCovered({ jsm, ...feed }, position, sequence))) return
      signal.throwIfAborted()
      if (performance.now() > deadlineMs) {
        const detail = `ClickHouse has LEDGER up to ${position}, and ${sequence} is needed. Ask again when it has caught up.`
        throw new ShadowRefusal('history_not_delivered', detail)
      }
      await pauseFor(100, signal)
    }
  }
}

/** A copy of a partition's state. */
export class ShadowCopy {
  /** Of the commit that the copy is of. */
  readonly checkpoint: Checkpoint
  readonly #thread: ShadowThread
  readonly #stored: (requests: readonly HistoryRequest[]) => Promise<readonly StoredAnswer[]>

  constructor(
    thread: ShadowThread,
    { checkpoint }: StateAt,
    stored: (requests: readonly HistoryRequest[]) => Promise<readonly StoredAnswer[]>,
  ) {
    this.checkpoint = checkpoint
    this.#thread = thread
    this.#stored = stored
  }

  /** Feeds messages as the pipeline would; history that they need is read and handed in. */
  async feed(input: ShadowInput): Promise<void> {
    const { nowMs, catalog = [], lifecycle = [], metering = [] } = input
    let requests = await this.#thread.feed({
      nowMs,
      catalog: packMessages(catalog),
      lifecycle: packMessages(lifecycle),
      metering: packMessages(metering),
      stored: [],
    })
    while (requests.length > 0) {
      const stored = await this.#stored(requests)
      requests = await this.#thread.feed({ nowMs, ...nothing(), stored })
    }
  }

  /** What came of everything that was fed since the last call, and of the events that are asked about. */
  outcome(asked: readonly EventIdentity[] = []): Promise<Outcome> {
    return this.#thread.take(asked)
  }
}

function nothing() {
  return { catalog: packMessages([]), lifecycle: packMessages([]), metering: packMessages([]) }
}
