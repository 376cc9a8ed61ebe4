// The figures of a ClickHouse table, added up by its sequence (of commits or of stream messages) or by stretches of it, so that
// a subtraction gives those of any range.

import type { ClickHouseClient } from '@clickhouse/client'
import { addFigures, noFigures, type RowFigures, subtractFigures } from '../../schemas/rows/row-figures.js'
import { sequenceColumn, type TableDescription } from '../../schemas/table-description.js'
import { type FigureAnswer, figureColumns, figuresOfAnswer } from '../../sinks/clickhouse/row-figures.js'

export interface Bounds {
  /** Absent for a table without partitions. */
  readonly partition?: number
  /** The least sequence that counts; default 0. */
  readonly from?: number
  /** The greatest sequence that counts. */
  readonly until: number
  /** Sequences with the same quotient by this are kept as one, and a range must not begin or end within them. Default 1. */
  readonly step?: number
}

/** The newest sequence of any row; 0 when there is none. */
export async function newestSequence(
  clickhouse: ClickHouseClient,
  table: TableDescription<unknown>,
): Promise<number> {
  const query = `SELECT toString(max(${sequenceColumn(table)})) AS newest FROM ${table.name}`
  const result = await clickhouse.query({ query, format: 'JSONEachRow' })
  const [row] = await result.json<{ newest: string }>()
  return Number(row?.newest ?? 0)
}

export class FiguresBySequence {
  /** The sequences that have rows, ascending; the last of each stretch. */
  readonly #sequences: readonly number[]
  readonly #upTo: readonly RowFigures[]

  private constructor(sequences: readonly number[], upTo: readonly RowFigures[]) {
    this.#sequences = sequences
    this.#upTo = upTo
  }

  static async read(
    clickhouse: ClickHouseClient,
    table: TableDescription<unknown>,
    { partition, from = 0, until, step = 1 }: Bounds,
  ): Promise<FiguresBySequence> {
    const inPartition = partition === undefined ? '' : 'AND t.partition = {partition: UInt32}'
    const sequence = sequenceColumn(table)
    const query = `SELECT toString(intDiv(t.${sequence}, {step: UInt64}) AS number) AS of, ${figureColumns(table)}
      FROM ${table.name} AS t
      WHERE t.${sequence} >= {from: UInt64} AND t.${sequence} <= {until: UInt64} ${inPartition}
      GROUP BY number ORDER BY number`
    const query_params = { from, until, step, ...(partition === undefined ? {} : { partition }) }
    const result = await clickhouse.query({ query, format: 'JSONEachRow', query_params })
    const sequences: number[] = []
    const upTo: RowFigures[] = []
    let sum = noFigures
    for (const answer of await result.json<FigureAnswer>()) {
      sum = addFigures(sum, figuresOfAnswer(table, answer))
      sequences.push(Number(answer['of']) * step + step - 1)
      upTo.push(sum)
    }
    return new FiguresBySequence(sequences, upTo)
  }

  /** The figures of all rows up to a sequence. */
  upTo(sequence: number): RowFigures {
    let [low, high] = [0, this.#sequences.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#sequences[middle]! <= sequence) low = middle + 1
      else high = middle
    }
    return this.#upTo[low - 1] ?? noFigures
  }

  /** The figures of the rows from one sequence to another, both included. */
  between(from: number, to: number): RowFigures {
    return subtractFigures(this.upTo(to), this.upTo(from - 1))
  }
}
