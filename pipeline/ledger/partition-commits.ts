// Compares the messages of one partition in LEDGER, as they are read, with the checkpoints that name them.
//
// Invariants:
// 1. A message counts only if a checkpoint names its offset after the checkpoint, its subject and its size. A
//    NATS atomic batch has consecutive sequences, so no other writer's message can be among its messages.
// 2. A checkpoint counts only if our key sealed it and it is newer than the one before it. An old checkpoint
//    that is sent again is foreign, like any message of an unknown writer.
// 3. Nothing is missing: each checkpoint follows the one before it, and all named messages that the reader
//    reads come before the next checkpoint. A gap throws `LedgerGap`.

import { type Checkpoint, isNewer, type OrderOfCheckpoint, parseCheckpoint } from './checkpoint.js'

/** The position of the newest checkpoint that was read. */
export interface Head extends OrderOfCheckpoint {
  readonly seq: number
}

export type Seen =
  | { readonly kind: 'checkpoint'; readonly checkpoint: Checkpoint }
  /** A message that a checkpoint names; `what` is the last token of its subject. */
  | { readonly kind: 'named'; readonly what: string }
  /** A message that no checkpoint names. */
  | { readonly kind: 'foreign' }

/** LEDGER lacks a message that a checkpoint names. */
export class LedgerGap extends Error {
  override readonly name = 'LedgerGap'
}

export interface PartitionCommitsOptions {
  readonly partition: number
  readonly key: Uint8Array
  /** Whether the reader reads messages whose subject ends in `what`, besides the checkpoints. */
  readonly reads: (what: string) => boolean
  /** The sequence of the first checkpoint to read. Default: the first of the partition. */
  readonly beginsAt?: number
}

const foreign: Seen = { kind: 'foreign' }

export class PartitionCommits {
  readonly #options: PartitionCommitsOptions
  #head: Head | undefined
  #named: Checkpoint['messages'] = []
  /** How many messages of `#named` were seen or are not read. */
  #passed = 0

  constructor(options: PartitionCommitsOptions) {
    this.#options = options
  }

  get head(): Head | undefined {
    return this.#head
  }

  /** Continues an earlier reading; `passed` is the last sequence that it saw. */
  resume(seq: number, checkpoint: Checkpoint, passed: number): void {
    this.#begin(seq, checkpoint)
    this.#passed = Math.min(Math.max(0, passed - seq), checkpoint.messages.length)
  }

  /** Takes the next message of the stream. `what`: last token of its subject, if the reader knows it. */
  see(seq: number, bytes: Uint8Array, what?: string): Seen {
    const index = this.#head === undefined ? -1 : seq - this.#head.seq - 1
    const named = this.#named[index]
    if (named !== undefined) return this.#seeNamed(seq, index, named, bytes, what)
    if (what !== undefined && what !== 'state') return foreign
    const { partition, key, beginsAt } = this.#options
    const checkpoint = parseCheckpoint(bytes, partition, key)
    if (checkpoint === undefined) return foreign
    if (this.#head === undefined) {
      if (beginsAt === undefined ? checkpoint.follows !== 0 : seq !== beginsAt) {
        throw this.#gap(`the first checkpoint that is there lies at ${seq} and follows ${checkpoint.follows}`)
      }
    } else {
      if (!isNewer(checkpoint, this.#head)) return foreign // invariant 2
      if (checkpoint.follows !== this.#head.seq) {
        throw this.#gap(`the checkpoint ${seq} follows ${checkpoint.follows}, which is not there`)
      }
      this.#assertPassed(this.#named.length)
    }
    this.#begin(seq, checkpoint)
    return { kind: 'checkpoint', checkpoint }
  }

  #begin(seq: number, checkpoint: Checkpoint): void {
    this.#head = { seq, epoch: checkpoint.epoch, commit: checkpoint.commit }
    this.#named = checkpoint.messages
    this.#passed = 0
  }

  #seeNamed(
    seq: number,
    index: number,
    [name, length]: Checkpoint['messages'][number],
    bytes: Uint8Array,
    what: string | undefined,
  ): Seen {
    if (bytes.byteLength !== length || (what !== undefined && what !== name)) {
      const found = `${bytes.byteLength} bytes of ${what ?? 'something'}`
      throw this.#gap(`at ${seq} its commit has ${length} bytes of ${name}, and there are ${found}`)
    }
    this.#assertPassed(index)
    this.#passed = index + 1
    return { kind: 'named', what: name }
  }

  /** Throws when a message before `index` that the reader reads has not been seen (invariant 3). */
  #assertPassed(index: number): void {
    for (let at = this.#passed; at < index; at += 1) {
      const [name] = this.#named[at]!
      if (!this.#options.reads(name)) continue
      throw this.#gap(
        `the message ${this.#head!.seq + 1 + at} (${name}) of commit ${this.#head!.commit} is gone`,
      )
    }
  }

  #gap(detail: string): LedgerGap {
    return new LedgerGap(`LEDGER has a hole in partition ${this.#options.partition}: ${detail}.`)
  }
}
