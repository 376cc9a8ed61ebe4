// What a running Weir tells another build that compares itself with it: facts at the beginning, then what each partition
// owes, as lines of JSON: first the commit (`OwedHead`), then the charges as the contract has them.

import { z } from 'zod'
import type { ComparedCommit } from '../shadow/opened-replay.js'

export const comparisonSchema = z
  .object({
    partitions: z.int(),
    ledger_created: z.string().describe('When the stream LEDGER was made, by which a broker is known'),
    state_format: z
      .int()
      .describe('Of the state of a partition; a build with another one cannot copy subscriptions from it'),
    dedupe_horizon_days: z.number(),
    parked_ttl_days: z.number(),
  })
  .meta({ id: 'BuildComparison' })
export type BuildComparison = z.infer<typeof comparisonSchema>

const count = z.int().nonnegative()
export const owedHeadSchema = z.object({
  partition: count,
  commit: count,
  checkpoint_seq: count,
  end_seq: count,
  positions: z.object({ CATALOG: count, LIFECYCLE: count, METERING: count }),
})
export type OwedHead = z.infer<typeof owedHeadSchema>

export function headOf(partition: number, at: ComparedCommit): OwedHead {
  const { commit, checkpointSeq, endSeq, positions } = at
  return { partition, commit, checkpoint_seq: checkpointSeq, end_seq: endSeq, positions }
}

export function commitOf({ commit, checkpoint_seq, end_seq, positions }: OwedHead): ComparedCommit {
  return { commit, checkpointSeq: checkpoint_seq, endSeq: end_seq, positions }
}
