// Control figures in SQL against those that the worker takes.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { query } from 'chdb'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { encodeRows } from '../../schemas/arrow/arrow-rows.js'
import {
  addFigures,
  figuresOfStream,
  noFigures,
  type RowFigures,
  subtractFigures,
} from '../../schemas/rows/row-figures.js'
import {
  type ColumnKind,
  clickhouseStructure,
  type TableDescription,
} from '../../schemas/table-description.js'
import { paymentsTable, tables } from '../../schemas/tables.js'
import { figureColumns, figuresOfAnswer } from './row-figures.js'

const folder = mkdtempSync(join(tmpdir(), 'weir-figures-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function clickhouseFigures(table: TableDescription<unknown>, bytes: Uint8Array): RowFigures {
  const path = join(folder, `${table.name}.arrow`)
  writeFileSync(path, bytes)
  const structure = clickhouseStructure(table).replaceAll("'", "\\'")
  const text = query(
    `SELECT ${figureColumns(table)} FROM file('${path}', 'ArrowStream', '${structure}') AS t`,
    'JSONEachRow',
  )
  return figuresOfAnswer(table, JSON.parse(text) as Record<string, string>)
}

const text = fc.oneof(
  fc.constant(''),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constant('😀\u0000x'),
)
const decimal = fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n })
const instant = arbitraryOf('instant')

function arbitraryOf(kind: string): fc.Arbitrary<unknown> {
  if (kind === 'instant_ms' || kind === 'instant') return fc.integer({ min: 0, max: 7_258_118_399_999 })
  if (kind === 'instant_ns') return fc.bigInt({ min: 0n, max: 7_258_118_399_999_999_999n })
  if (kind.startsWith('nullable'))
    return fc.option(arbitraryOf(kind.slice('nullable_'.length)), { nil: undefined })
  const values: Partial<Record<ColumnKind, fc.Arbitrary<unknown>>> = {
    string: text,
    low_cardinality: text,
    date: fc.constantFrom('1970-01-01', '2026-02-28', '2199-12-31'),
    decimal,
    uint32: fc.nat(2 ** 32 - 1),
    uint64: fc.maxSafeNat(),
    int8: fc.integer({ min: -128, max: 127 }),
    int64: fc.maxSafeInteger(),
    map: fc.array(fc.tuple(text, text), { maxLength: 3 }).map(entries => new Map(entries)),
  }
  return values[kind as ColumnKind] ?? instant
}

function rowsOf(table: TableDescription<unknown>, minLength = 0): fc.Arbitrary<Record<string, unknown>[]> {
  const fields = Object.fromEntries(table.columns.map(({ field, kind }) => [field, arbitraryOf(kind)]))
  return fc.array(fc.record(fields), { minLength, maxLength: 12 })
}

// No rows, and then random ones: a column that is computed otherwise differs in nearly every row.
const perTable = Number(process.env['WEIR_FIGURE_RUNS'] ?? 3)

test.each(tables)('figures of $name are what ClickHouse computes from the same rows', table => {
  fc.assert(
    fc.property(rowsOf(table, 4), rows => {
      const bytes = encodeRows(table, rows)
      expect(clickhouseFigures(table, bytes)).toEqual(figuresOfStream(table, bytes))
    }),
    { numRuns: perTable, endOnFailure: true, examples: [[[]]] },
  )
})

test.each(tables)('a change of any column of $name changes its figures', table => {
  fc.assert(
    fc.property(rowsOf(table), rowsOf(table), fc.nat(), (rows, others, pick) => {
      const [row, other] = [rows[0], others[0]]
      const column = table.columns[pick % table.columns.length]!
      fc.pre(row !== undefined && other !== undefined)
      const changed = { ...row, [column.field]: other[column.field] }
      const [before, after] = [encodeRows(table, [row]), encodeRows(table, [changed])]
      fc.pre(Buffer.compare(before, after) !== 0)
      expect(figuresOfStream(table, after).checksum).not.toBe(figuresOfStream(table, before).checksum)
    }),
    { numRuns: 60, endOnFailure: true },
  )
})

test('values that change places between two rows change the checksum, although no sum moves', () => {
  const rows = rowsOf(paymentsTable)
  fc.assert(
    fc.property(rows, all => {
      const [a, b] = [all[0], all[1]]
      fc.pre(
        a !== undefined &&
          b !== undefined &&
          a['amount'] !== b['amount'] &&
          a['paymentId'] !== b['paymentId'],
      )
      const swapped = [
        { ...a, amount: b['amount'] },
        { ...b, amount: a['amount'] },
      ]
      const [before, after] = [[a, b], swapped].map(two =>
        figuresOfStream(paymentsTable, encodeRows(paymentsTable as TableDescription<unknown>, two)),
      )
      expect(after!.sums).toEqual(before!.sums)
      expect(after!.checksum).not.toBe(before!.checksum)
    }),
  )
})

test('figures add up whatever the order and the chunks, and what was added can be taken off', () => {
  fc.assert(
    fc.property(rowsOf(paymentsTable), fc.nat(12), (rows, cut) => {
      const of = (some: readonly unknown[]) =>
        figuresOfStream(paymentsTable, encodeRows(paymentsTable as TableDescription<unknown>, some))
      const [head, rest] = [of(rows.slice(0, cut)), of(rows.slice(cut).reverse())]
      const whole = of(rows)
      expect(addFigures(head, rest)).toEqual(whole)
      expect(addFigures(subtractFigures(whole, rest), rest)).toEqual(whole)
      expect(addFigures(noFigures, whole)).toEqual(whole)
    }),
  )
})
