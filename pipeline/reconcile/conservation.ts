// Checks the conservation law on the counters in each partition's checkpoint, and compares them with
// ClickHouse's sums.

import type { ClickHouseClient } from '@clickhouse/client'
import { conservationGap, type DispositionCounts, dispositions } from '../../schemas/event/dispositions.js'
import type { Checkpoint } from '../ledger/checkpoint.js'
import {
  type Check,
  checkOf,
  type Difference,
  type PartitionConservation,
  unreadableCheck,
} from './report.js'

const names = ['received', ...dispositions] as const

/** Both laws: received = the sum of the dispositions, and ClickHouse = checkpoint as of the checkpoint's commit. */
export async function checkConservation(
  clickhouse: ClickHouseClient,
  checkpoints: readonly Checkpoint[],
): Promise<{ readonly checks: Check[]; readonly partitions: PartitionConservation[] }> {
  const partitions = checkpoints.map(({ partition, commit, counters }) => ({
    partition,
    commit,
    counts: counters,
    gap: conservationGap(counters),
  }))
  const broken = partitions
    .filter(({ gap }) => gap !== 0)
    .map(({ partition, counts, gap }) => ({
      id: `partition ${partition}`,
      expected: String(counts.received),
      found: String(counts.received - gap),
      detail: 'received against the sum of the dispositions',
    }))
  const law = 'received = rated + applied + duplicate + conflicting + parked + dead-lettered + unmetered'
  return {
    partitions,
    checks: [
      checkOf('conservation', law, partitions.length, broken),
      await checkDispositions(clickhouse, checkpoints),
      await checkOutcomes(clickhouse, checkpoints),
    ],
  }
}

async function checkDispositions(
  clickhouse: ClickHouseClient,
  checkpoints: readonly Checkpoint[],
): Promise<Check> {
  const [check, claim] = ['dispositions', 'ClickHouse has the dispositions of every commit']
  try {
    const recorded = await Promise.all(checkpoints.map(one => recordedDifferences(clickhouse, one)))
    return checkOf(check, claim, checkpoints.length, recorded.flat())
  } catch (error) {
    return unreadableCheck(check, claim, error)
  }
}

/** The dispositions whose every event has a row in `event_outcomes`. */
const withOutcomes = ['applied', 'duplicate', 'parked', 'unmetered'] as const

async function checkOutcomes(
  clickhouse: ClickHouseClient,
  checkpoints: readonly Checkpoint[],
): Promise<Check> {
  const [check, claim] = ['outcomes', 'every duplicate, parked, applied and unmetered event is told of']
  try {
    const told = await Promise.all(checkpoints.map(one => outcomeDifferences(clickhouse, one)))
    return checkOf(check, claim, checkpoints.length, told.flat())
  } catch (error) {
    return unreadableCheck(check, claim, error)
  }
}

async function outcomeDifferences(clickhouse: ClickHouseClient, one: Checkpoint): Promise<Difference[]> {
  const sums = withOutcomes.map(name => `toInt64(sumIf(event_count, disposition = '${name}')) AS ${name}`)
  const result = await clickhouse.query({
    query: `SELECT ${sums.join(', ')} FROM event_outcomes AS o
      WHERE o.partition = {partition: UInt32} AND o.ledger_sequence <= {commit: UInt64}`,
    format: 'JSONEachRow',
    query_params: { partition: one.partition, commit: one.commit },
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  })
  const [found] = await result.json<Record<(typeof withOutcomes)[number], number>>()
  return withOutcomes
    .filter(name => found?.[name] !== one.counters[name])
    .map(name => ({
      id: `partition ${one.partition}: ${name}`,
      expected: String(one.counters[name]),
      found: String(found?.[name]),
      detail: `events counted in event_outcomes up to commit ${one.commit}`,
    }))
}

async function recordedDifferences(clickhouse: ClickHouseClient, one: Checkpoint): Promise<Difference[]> {
  const sums = names.map(name => `toInt64(sum(${name})) AS ${name}`).join(', ')
  const result = await clickhouse.query({
    query: `SELECT ${sums} FROM event_dispositions AS d
      WHERE d.partition = {partition: UInt32} AND d.ledger_sequence <= {commit: UInt64}`,
    format: 'JSONEachRow',
    query_params: { partition: one.partition, commit: one.commit },
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  })
  const [found] = await result.json<DispositionCounts>()
  return names
    .filter(name => found?.[name] !== one.counters[name])
    .map(name => ({
      id: `partition ${one.partition}: ${name}`,
      expected: String(one.counters[name]),
      found: String(found?.[name]),
      detail: `up to commit ${one.commit}`,
    }))
}
