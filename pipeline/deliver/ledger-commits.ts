// Checks the messages that a feed reads from LEDGER against the commits that name them, per partition.
// Invariants:
// 1. A sink gets all messages that a commit names, and no others: an unknown writer's message is skipped, a
//    missing one stops the feed.
// 2. The heads recorded with a position are each partition's newest checkpoint up to it. A reading goes on
//    after the position, also in the middle of a commit, but only if LEDGER still holds those heads: another
//    LEDGER, or an older state of it, stops the feed.

import type { JetStreamManager } from '@nats-io/jetstream'
import type { Genesis } from '../broker/genesis.js'
import { natsSubjects } from '../broker/topology.js'
import { parseCheckpoint } from '../ledger/checkpoint.js'
import { type Head, LedgerGap, PartitionCommits } from '../ledger/partition-commits.js'
import { FeedFailure } from './delivery-lease.js'
import type { Heads } from './delivery-record.js'
import type { FeedSource, ReadMessage } from './read-feed.js'

/** A message that no commit names. */
export interface ForeignMessage {
  readonly sequence: number
  readonly natsSubject: string
}

export interface LedgerCommitsOptions {
  readonly source: FeedSource
  readonly genesis: Genesis
  readonly heads: Heads
  /** The position that the heads were recorded with. */
  readonly position: number
  readonly onForeign: (message: ForeignMessage) => void
}

const nothing = new Uint8Array(0)

export class LedgerCommits {
  readonly #options: LedgerCommitsOptions
  readonly #reads: (what: string) => boolean
  readonly #partitions = new Map<number, PartitionCommits>()
  #seenUpTo: number
  /** Heads after the last position that `headsAt` was asked for, in the order of their sequences. */
  #later: { readonly partition: number; readonly head: Head }[] = []
  #heads: Heads

  static async open(options: LedgerCommitsOptions): Promise<LedgerCommits> {
    const commits = new LedgerCommits(options)
    for (const [partition, head] of Object.entries(options.heads)) {
      await commits.#resume(Number(partition), head, options.source.jsm)
    }
    return commits
  }

  private constructor(options: LedgerCommitsOptions) {
    this.#options = options
    this.#heads = options.heads
    this.#seenUpTo = options.position
    const ends = new Set(options.source.filterSubjects.map(subject => subject.split('.').slice(2).join('.')))
    this.#reads = what => ends.has(what)
  }

  /** The feed's source, with the checkpoints that name its messages. */
  get source(): FeedSource {
    const { source } = this.#options
    return { ...source, filterSubjects: [...source.filterSubjects, 'ledger.*.state'] }
  }

  /** The messages that commits name; others come without bytes, so that the position passes over them. */
  async *authentic(messages: AsyncIterable<ReadMessage>): AsyncGenerator<ReadMessage, void, undefined> {
    for await (const message of messages) {
      if (message.sequence <= this.#seenUpTo) continue // a checkpoint, read again after an interruption
      const kind = this.#see(message)
      this.#seenUpTo = message.sequence
      if (kind === 'named') yield message
      if (kind !== 'foreign') continue
      this.#options.onForeign({ sequence: message.sequence, natsSubject: message.natsSubject })
      yield { ...message, bytes: nothing, foreign: true }
    }
  }

  /** The heads as of a position; older heads are dropped. */
  headsAt(position: number): Heads {
    let count = 0
    const heads: Record<string, Head> = { ...this.#heads }
    for (const { partition, head } of this.#later) {
      if (head.seq > position) break
      heads[partition] = head
      count += 1
    }
    this.#later.splice(0, count)
    this.#heads = heads
    return heads
  }

  #see({ sequence, natsSubject, bytes }: ReadMessage): 'checkpoint' | 'named' | 'foreign' {
    const [, token, ...rest] = natsSubject.split('.')
    const partition = Number(token)
    const commits = this.#partition(partition)
    try {
      const { kind } = commits.see(sequence, bytes, rest.join('.'))
      if (kind === 'checkpoint') this.#later.push({ partition, head: commits.head! })
      return kind
    } catch (error) {
      throw error instanceof LedgerGap ? ledgerIncomplete(error.message) : error
    }
  }

  #partition(partition: number): PartitionCommits {
    const before = this.#partitions.get(partition)
    if (before !== undefined) return before
    const { key } = this.#options.genesis
    const made = new PartitionCommits({ partition, key, reads: this.#reads })
    this.#partitions.set(partition, made)
    return made
  }

  /** Checks that LEDGER holds the head, and goes on from it (invariant 2). */
  async #resume(partition: number, head: Head, jsm: JetStreamManager): Promise<void> {
    const stored = await jsm.streams.getMessage('LEDGER', { seq: head.seq })
    const isThere = stored?.subject === natsSubjects.ledger(partition, 'state')
    const checkpoint = isThere
      ? parseCheckpoint(stored.data, partition, this.#options.genesis.key)
      : undefined
    if (checkpoint?.epoch !== head.epoch || checkpoint.commit !== head.commit) {
      throw new FeedFailure(
        'ledger_rolled_back',
        `LEDGER does not hold commit ${head.commit} of partition ${partition} at ${head.seq}, which was delivered: it was` +
          ` purged by something other than weir retention, or restored from an older backup. Restore it from a newer one.`,
      )
    }
    this.#partition(partition).resume(head.seq, checkpoint, this.#options.position)
  }
}

function ledgerIncomplete(detail: string): FeedFailure {
  return new FeedFailure('ledger_incomplete', `${detail} Restore LEDGER from a backup.`)
}
