// How long arrivals are kept: those that have an outcome, wait for nothing and are older than the setting are purged.
// Invariant: nothing is purged that has no outcome yet, that waits, or that is younger than `arrivals.keep_days`.

import type { JetStreamManager } from '@nats-io/jetstream'
import { natsSubjects } from '../broker/topology.js'
import type { RunningSource } from './source-desk.js'

const dayMs = 86_400_000

/** Answers how many were purged. */
export async function purgeOld(
  jsm: JetStreamManager,
  { mapper, shelf, source }: RunningSource,
  keepDays: number,
  nowMs: number,
): Promise<number> {
  const filter = natsSubjects.arrivals(source.settings.name)
  const bound = Math.min(mapper.status().position + 1, shelf.oldestSequence)
  const before = await firstYoung(jsm, filter, bound, nowMs - keepDays * dayMs)
  if (before <= 1) return 0
  return (await jsm.streams.purge('ARRIVALS', { filter, seq: before })).purged
}

/** The first sequence up to the bound whose message is younger, by binary search: times grow with sequences. */
async function firstYoung(
  jsm: JetStreamManager,
  filter: string,
  bound: number,
  oldestMs: number,
): Promise<number> {
  const { state } = await jsm.streams.info('ARRIVALS')
  let low = Math.max(1, state.first_seq)
  let high = Math.min(bound, state.last_seq + 1)
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const query = { seq: middle, next_by_subj: filter }
    const found = await jsm.streams.getMessage('ARRIVALS', query)
    if (found === null || found.time.getTime() >= oldestMs) high = middle
    else low = found.seq + 1
  }
  return Math.min(low, bound)
}
