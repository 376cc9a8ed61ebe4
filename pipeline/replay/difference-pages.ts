// The differences of a replay in pages, over its partitions in their order. A cursor is `<partition>-<piece>`: the piece that
// comes next.

import { endsOf, pricesOf } from './replay-report.js'
import type { DifferenceLine, ReplayStore } from './replay-store.js'

export interface DifferencesPage {
  readonly differences: readonly DifferenceLine[]
  readonly next: string | null
}

export async function pageOf(
  store: ReplayStore,
  jobId: string,
  partitions: readonly number[],
  by: DifferenceLine['by'],
  after: string | undefined,
): Promise<DifferencesPage> {
  const ends = await endsOf(store, jobId, partitions)
  if (by === 'price') return { differences: pricesOf(ends), next: null }
  const [fromPartition, fromPiece] = (after ?? '0-0').split('-').map(Number) as [number, number]
  const places = ends.flatMap(({ partition, pieces }) =>
    Array.from({ length: pieces }, (_, piece) => ({ partition, piece })),
  )
  const isAhead = ({ partition, piece }: (typeof places)[number]) =>
    partition > fromPartition || (partition === fromPartition && piece >= fromPiece)
  const ahead = places.filter(isAhead)
  for (const [index, { partition, piece }] of ahead.entries()) {
    const differences = (await store.piece(jobId, partition, piece)).filter(line => line.by === by)
    const next = ahead[index + 1]
    if (differences.length === 0 && next !== undefined) continue
    return { differences, next: next === undefined ? null : `${next.partition}-${next.piece}` }
  }
  return { differences: [], next: null }
}
