// Holds the messages of one partition in LEDGER, as they are read, against the checkpoints that name them.
//
// Invariants:
// 1. A message counts only if a checkpoint names it: it lies as far behind the checkpoint as that says, on that subject,
//    with so many bytes. A batch lies in one piece, so nobody else's message can lie there.
// 2. A checkpoint counts only if our key sealed it and it is newer than the one before it: an old one that is sent again
//    is a stranger's message like any other.
// 3. What counts is whole: each checkpoint follows the one before it, and everything named that the reader asked for has
//    come before the next one. A hole throws.

import { type Checkpoint, isNewer, type OrderOfCheckpoint, parseCheckpoint } from './checkpoint.js'

/** Of the newest checkpoint that was read. */
export interface Head extends OrderOfCheckpoint {
  readonly seq: number
}

export type Seen =
  | { readonly kind: 'checkpoint'; readonly checkpoint: Checkpoint }
  /** `what`: the end of its subject. */
  | { readonly kind: 'named'; readonly what: string }
  /** No commit names it. */
  | { readonly kind: 'foreign' }

/** LEDGER lacks something that a checkpoint names. */
export class LedgerGap extends Error {
  override readonly name = 'LedgerGap'
}

export interface PartitionCommitsOptions {
  readonly partition: number
  readonly key: Uint8Array
  /** Whether messages on this end of a subject are read, beside the checkpoints. */
  readonly reads: (what: string) => boolean
  /** The first checkpoint is the one of this sequence. Default: the first of the partition. */
  readonly beginsAt?: number
}

const foreign: Seen = { kind: 'foreign' }

export class PartitionCommits {
  readonly #options: PartitionCommitsOptions
  #head: Head | undefined
  #named: Checkpoint['messages'] = []
  /** Of `#named`: what was seen, or is not read. */
  #passed = 0

  constructor(options: PartitionCommitsOptions) {
    this.#options = options
  }

  get head(): Head | undefined {
    return this.#head
  }

  /** Goes on where another reading ended: `passed` is the last sequence that it had seen. */
  resume(seq: number, checkpoint: Checkpoint, passed: number): void {
    this.#begin(seq, checkpoint)
    this.#passed = Math.min(Math.max(0, passed - seq), checkpoint.messages.length)
  }

  /** In the order of the stream. `what`: the end of the subject; undefined where the reader does not know it. */
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

  /** Invariant 3. */
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
