// Reads a stretch of an input stream beside the partition that owns it: a cursor that acknowledges and places nothing.
// Invariants: the messages come in the order of the stream and none is missing; a stretch that the stream no longer holds
// whole is refused before anything is read.

import type { JetStreamManager } from '@nats-io/jetstream'
import type { ReadMessage } from '../broker/pull-protocol.js'
import { streamInfo } from '../broker/topology.js'
import { InputReader } from '../engine/input-reader.js'
import type { StateAccess } from '../engine/restore.js'
import { Wake } from '../engine/wake.js'
import { type InputStream, readLastSequence } from '../ledger/checkpoint.js'
import { ShadowRefusal } from './shadow-refusal.js'

export interface InputStretch {
  readonly stream: InputStream
  readonly natsSubject: string
  readonly fromSeq: number
  readonly untilSeq: number
  readonly partitions: number
}

/** The most bytes that are handed out at once. */
const chunkBytes = 4 << 20
const askAgainMs = 1_000

/** Whoever takes a message releases its bytes. */
export async function* readInput(
  { bulk, jsm, limits, signal }: StateAccess,
  { stream, natsSubject, fromSeq, untilSeq, partitions }: InputStretch,
): AsyncGenerator<readonly ReadMessage[]> {
  const info = await streamInfo(jsm, stream)
  if (info === undefined || info.state.first_seq > fromSeq) {
    const held = info === undefined ? 'is gone' : `begins at ${info.state.first_seq}`
    throw new ShadowRefusal('input_purged', `${stream} ${held}; the replay reads it from ${fromSeq} on.`)
  }
  // What lies behind the stretch is read past; where nothing does, the last message of the subject ends it.
  const lastSeq = Math.min(untilSeq, await readLastSequence(jsm, stream, natsSubject))
  if (fromSeq > lastSeq) return
  const wake = new Wake()
  let failure: Error | undefined
  const reader = new InputReader({
    ...{ bulk, jsm, stream, fromSeq, limits },
    filterSubjects: [natsSubject],
    created: info.created,
    marksElsewhere: partitions,
    onMessage: () => wake.ring(),
    onInterruption: () => undefined, // it reads on by itself
    onFailure: error => {
      failure = error
      wake.ring()
    },
  })
  try {
    for (;;) {
      signal.throwIfAborted()
      if (failure !== undefined) throw failure
      const taken = reader.take(chunkBytes)
      const wanted = taken.filter(({ seq, isElsewhere }) => seq <= untilSeq && isElsewhere !== true)
      for (const message of taken) if (!wanted.includes(message)) message.release()
      if (wanted.length > 0) yield wanted
      if ((taken.at(-1)?.seq ?? 0) >= lastSeq) return
      await wake.wait(askAgainMs)
    }
  } finally {
    reader.stop()
  }
}

/** The sequence of the first message that came at or after an instant: times grow with sequences. */
export async function firstSeqFrom(
  jsm: JetStreamManager,
  stream: InputStream,
  fromMs: number,
): Promise<number> {
  const { state } = await jsm.streams.info(stream)
  let low = Math.max(1, state.first_seq)
  let high = state.last_seq + 1
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const query = { seq: middle, next_by_subj: '>' }
    const found = await jsm.streams.getMessage(stream, query)
    if (found === null || found.time.getTime() >= fromMs) high = middle
    else low = found.seq + 1
  }
  return low
}
