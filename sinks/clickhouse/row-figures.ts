// The control figures of schemas/rows/row-figures.ts as ClickHouse computes them from the rows that it has.
// Invariant: the same rows give the same figures, whoever computes them; a test holds one against the other for every
// table and every kind of column.

import {
  columnFactors,
  mapValueWord,
  nullWord,
  type RowFigures,
  rowFigures,
  summedColumns,
} from '../../schemas/rows/row-figures.js'
import type { Column, TableDescription } from '../../schemas/table-description.js'

/** Columns of a query that answers figures: `rows`, `checksum`, and `sum_<column>` as scaled integers in text. */
export function figureColumns(table: TableDescription<unknown>): string {
  const sums = summedColumns(table).map(
    ({ name, kind }) =>
      `toString(sum(toInt256(${kind === 'decimal' ? 'reinterpretAsInt128' : ''}(t.\`${name}\`)))) AS \`sum_${name}\``,
  )
  return [
    'toString(count()) AS rows',
    `toString(sum(toUInt64(${mixed(rowWord(table))}))) AS checksum`,
    ...sums,
  ].join(',\n  ')
}

export type FigureAnswer = Readonly<Record<string, string>>

export function figuresOfAnswer(table: TableDescription<unknown>, answer: FigureAnswer): RowFigures {
  const sums = summedColumns(table).map(({ name }) => [name, BigInt(answer[`sum_${name}`] ?? 0)] as const)
  return rowFigures(Number(answer['rows']), BigInt(answer['checksum'] ?? 0), Object.fromEntries(sums))
}

/** One number of 32 bits out of all columns of a row. */
function rowWord(table: TableDescription<unknown>): string {
  const parts = table.columns.map((column, index) => columnWord(column, ...columnFactors(index)))
  return `toUInt32(${parts.join(' + ')})`
}

/** Arithmetic is modulo 2^64; only the low 32 bits count in the end. */
function columnWord({ name, kind }: Column, low: number, high: number): string {
  const column = `t.\`${name}\``
  switch (kind) {
    case 'string':
    case 'low_cardinality':
      return `toUInt64(if(${column} = '', 0, murmurHash3_32(${column}))) * ${low}`
    case 'map':
      return `arraySum((k, v) -> toUInt64(bitOr(${textWord('k')}, 1)) * bitXor(${textWord('v')}, ${mapValueWord}), mapKeys(${column}), mapValues(${column})) * ${low}`
    case 'decimal':
      return [0, 1, 2, 3]
        .map(word => {
          const factor = (word % 2 === 0 ? low : high) + (word > 1 ? 2 : 0)
          return `toUInt64(toUInt32(bitShiftRight(reinterpretAsUInt128(${column}), ${word * 32}))) * ${factor % 2 ** 32}`
        })
        .join(' + ')
    case 'uint32':
    case 'int8':
      return `toUInt64(toUInt32(${column})) * ${low}`
    case 'date':
      return `toUInt64(toUInt32(toInt32(${column}))) * ${low}`
    case 'uint64':
    case 'int64':
      return words64(`reinterpretAsUInt64(${column})`, low, high)
    default:
      if (!kind.startsWith('nullable')) return words64(`reinterpretAsUInt64(${column})`, low, high)
      return `if(isNull(${column}), toUInt64(${nullWord}) * ${low}, ${words64(`reinterpretAsUInt64(assumeNotNull(${column}))`, low, high)})`
  }
}

function textWord(text: string): string {
  return `if(${text} = '', 0, murmurHash3_32(${text}))`
}

function words64(bits: string, low: number, high: number): string {
  return `toUInt64(toUInt32(${bits})) * ${low} + bitShiftRight(${bits}, 32) * ${high}`
}

function mixed(word: string): string {
  return `arrayElement(arrayMap(x3 -> bitXor(x3, bitShiftRight(x3, 16)), arrayMap(x2 -> toUInt32(toUInt64(bitXor(x2, bitShiftRight(x2, 13))) * 3266489909), arrayMap(x1 -> toUInt32(toUInt64(bitXor(x1, bitShiftRight(x1, 16))) * 2246822507), [${word}]))), 1)`
}
