// Finds what differs in a table of one partition: first the commits, by halving the ledger; then the rows, by
// comparing the ledger's rows of these commits with ClickHouse's.
//
// Invariant: the result explains a difference and never changes the verdict of the check; a commit whose
// checkpoint or rows the ledger no longer holds is named by its range.

import { isSame, subtractFigures } from '../../schemas/rows/row-figures.js'
import type { TableDescription } from '../../schemas/table-description.js'
import { checkpointFrom } from '../ledger/checkpoint.js'
import { compareRows } from './compare-rows.js'
import { FiguresBySequence } from './figures-by-sequence.js'
import { figuresAt, type PlacedCheckpoint, type TableSource } from './ledger-cut.js'
import type { Difference } from './report.js'

/** A range of commits that differ, after `after` and up to `upTo`. */
interface Stretch {
  readonly after: PlacedCheckpoint
  readonly upTo: PlacedCheckpoint
}

const maxStretches = 8

export async function locate(
  source: TableSource,
  table: TableDescription<unknown>,
  partition: number,
  cut: PlacedCheckpoint,
): Promise<Difference[]> {
  const first = await checkpointFrom(source.jsm, partition, 1)
  if (first === undefined) return []
  const found = await FiguresBySequence.read(source.clickhouse, table, {
    partition,
    until: cut.checkpoint.commit,
  })
  const differences: Difference[] = []
  if (!isSame(found.upTo(first.checkpoint.commit), figuresAt(first.checkpoint, table.name))) {
    const commits = `up to ledger_sequence ${first.checkpoint.commit}`
    differences.push(named(table, partition, commits, 'older than what the ledger still holds'))
  }
  const stretches: Stretch[] = []
  await halve(source, table, found, { after: first, upTo: cut }, stretches)
  for (const { after, upTo } of stretches.slice(0, maxStretches)) {
    const [from, until] = [after.checkpoint.commit + 1, upTo.checkpoint.commit]
    const commits = from === until ? `ledger_sequence ${from}` : `ledger_sequence ${from} to ${until}`
    const rows = await compareRows(source, table, partition, { after, upTo }).catch(error => [
      { id: commits, expected: 'rows that can be compared', found: 'an error', detail: String(error) },
    ])
    differences.push(...(rows.length > 0 ? rows : [named(table, partition, commits, 'differs')]))
  }
  return differences
}

function named(
  table: TableDescription<unknown>,
  partition: number,
  commits: string,
  detail: string,
): Difference {
  return { id: `${table.name}, partition ${partition}, ${commits}`, expected: '', found: '', detail }
}

async function halve(
  source: TableSource,
  table: TableDescription<unknown>,
  found: FiguresBySequence,
  { after, upTo }: Stretch,
  out: Stretch[],
): Promise<void> {
  if (out.length > maxStretches) return
  const [low, high] = [after.checkpoint, upTo.checkpoint]
  const expected = subtractFigures(figuresAt(high, table.name), figuresAt(low, table.name))
  if (isSame(expected, subtractFigures(found.upTo(high.commit), found.upTo(low.commit)))) return // or they cancel out
  const middle = high.commit - low.commit <= 1 ? undefined : await between(source, after, upTo)
  if (middle === undefined) {
    out.push({ after, upTo })
    return
  }
  await halve(source, table, found, { after, upTo: middle }, out)
  await halve(source, table, found, { after: middle, upTo }, out)
}

/** The checkpoint in the middle of a range, or another one within it. */
async function between(
  { jsm }: TableSource,
  after: PlacedCheckpoint,
  upTo: PlacedCheckpoint,
): Promise<PlacedCheckpoint | undefined> {
  const { partition } = after.checkpoint
  for (let seq = Math.floor((after.seq + upTo.seq) / 2); ; seq = Math.floor((after.seq + seq) / 2)) {
    const middle = await checkpointFrom(jsm, partition, Math.max(seq, after.seq + 1))
    if (middle !== undefined && middle.seq < upTo.seq) return middle
    if (seq <= after.seq + 1) return undefined
  }
}
