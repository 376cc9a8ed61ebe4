// The shape of a `matrix` price: cells by dimensions. Contract section 3: of several cells that match an event the one with the most
// dimensions wins, and two that could both match with equally many are refused when they are read.
// Invariant: of the cells that come out, no event matches two with equally many dimensions.

import { z } from 'zod'
import { comparableField, quantityField } from '../../json/wire-fields.js'
import type { Scaled } from '../../money/decimal.js'
import { asMap, FieldReader, readComparable } from '../catalog-reader.js'
import type { Place, Problems } from '../catalog-source.js'
import { type CellPrice, cellPriceField, cellPriceToWire, readCellPrice } from './matrix-cell.js'
import { decimal, fromZero, type ModelShape } from './model-shape.js'

type When = ReadonlyMap<string, string>

export interface Matrix {
  readonly model: 'matrix'
  readonly cells: readonly MatrixCell[]
  /** Of events that no cell matches; where both are absent they are refused. An amount for each unit, or anything else. */
  readonly defaultUnitAmount?: Scaled
  readonly default?: CellPrice
}

export function defaultPriceOf({ defaultUnitAmount, default: otherwise }: Matrix): CellPrice | undefined {
  return defaultUnitAmount === undefined ? otherwise : { unitAmount: defaultUnitAmount }
}

export type MatrixCell = CellPrice & { readonly when: When }

const cellField = cellPriceField({ when: z.record(z.string(), comparableField) })

export const matrix: ModelShape<Matrix> = {
  fields: {
    cells: z.array(cellField).meta({
      description:
        'Of several cells that match an event, the one with the most dimensions wins. Two that could match one event ' +
        'with equally many are refused.',
    }),
    default_unit_amount: quantityField.optional(),
    default: cellPriceField({}).optional().meta({ description: 'Instead of default_unit_amount.' }),
  },
  read: readMatrix,
  toWire: ({ cells, defaultUnitAmount, default: otherwise }) => ({
    cells: cells.map(cell => ({ when: Object.fromEntries(cell.when), ...cellPriceToWire(cell) })),
    ...decimal('default_unit_amount', defaultUnitAmount),
    ...(otherwise === undefined ? {} : { default: cellPriceToWire(otherwise) }),
  }),
  fault({ cells }, { meter, dimensions }) {
    const named = new Set(cells.flatMap(cell => [...cell.when.keys()]))
    const unknown = [...named].filter(name => !dimensions.includes(name))
    if (unknown.length === 0) return undefined
    const message = `The meter ${meter} has no dimension ${unknown.join(', ')}, so the cell can never match.`
    return { field: 'cells', code: 'unknown_dimension', message }
  },
}

interface ReadCell {
  readonly when: When
  readonly price: CellPrice
  /** Of its field `when`. */
  readonly place: Place
}

/** A matrix that names more different sets of dimensions than this is a mistake, and slow to check. */
const mostDimensionSets = 256

function readMatrix(reader: FieldReader, problems: Problems): Matrix | undefined {
  const items = reader.list('cells', reader.requiredField('cells'))
  const otherwise = readDefault(reader, problems)
  if (items === undefined) return undefined
  if (items.length === 0 && !reader.has('default') && !reader.has('default_unit_amount')) {
    return reader.fault('cells', 'missing_field', 'A matrix has a cell or a default_unit_amount.')
  }
  const cells: ReadCell[] = []
  for (const item of items) {
    const map = asMap(item, 'A cell', problems)
    if (map === undefined) continue
    const cell = new FieldReader(map, problems)
    const when = readWhen(cell, problems)
    const price = readCellPrice(cell, 'a cell', problems)
    if (when !== undefined && price !== undefined) cells.push({ when, price, place: cell.place('when') })
  }
  refuseAmbiguous(cells, reader.place('cells'), problems)
  if (cells.length !== items.length) return undefined
  return {
    model: 'matrix',
    cells: cells.map(({ when, price }) => ({ when, ...price })),
    ...otherwise,
  }
}

/** An amount for each unit alone is `defaultUnitAmount`, however it was written. */
function readDefault(
  reader: FieldReader,
  problems: Problems,
): Pick<Matrix, 'default' | 'defaultUnitAmount'> | undefined {
  const defaultUnitAmount = reader.decimal('default_unit_amount', fromZero)
  const node = reader.field('default')
  if (node === undefined) return defaultUnitAmount === undefined ? undefined : { defaultUnitAmount }
  if (reader.has('default_unit_amount')) {
    const message = 'A matrix has default_unit_amount or default, not both.'
    return reader.fault('default', 'invalid_value', message)
  }
  const map = asMap(node, 'The field default', problems)
  const price = map && readCellPrice(new FieldReader(map, problems), 'the default', problems)
  if (price === undefined) return undefined
  return price.model === undefined && price.flatAmount === undefined
    ? { defaultUnitAmount: price.unitAmount }
    : { default: price }
}

function readWhen(cell: FieldReader, problems: Problems): When | undefined {
  const node = cell.requiredField('when')
  const map = node === undefined ? undefined : asMap(node, 'The field when', problems)
  if (map === undefined) return undefined
  if (map.members.size === 0)
    return problems.add(map, 'missing_field', 'A cell names at least one dimension.')
  const when = new Map<string, string>()
  for (const [name, member] of map.members) {
    const text = readComparable(member.value, 'A dimension value', problems)
    if (text !== undefined) when.set(name, text)
  }
  return when.size === map.members.size ? when : undefined
}

/** The cells that name the same dimensions. */
interface DimensionSet {
  readonly names: readonly string[]
  readonly cells: ReadCell[]
}

/** Each cell is refused once: as the same as one before it, or as one of two that an event could match alike. */
function refuseAmbiguous(cells: readonly ReadCell[], list: Place, problems: Problems): void {
  const sets = setsOf(cells)
  if (sets.length > mostDimensionSets) {
    const message = `The cells name ${sets.length} different sets of dimensions; at most ${mostDimensionSets} are taken.`
    problems.add(list, 'value_out_of_range', message)
    return
  }
  const refused = new Set<ReadCell>()
  for (const [index, set] of sets.entries()) {
    refuseSame(set, refused, problems)
    for (const earlier of sets.slice(0, index)) {
      if (earlier.names.length === set.names.length) refuseOverlap(earlier, set, refused, problems)
    }
  }
}

function setsOf(cells: readonly ReadCell[]): DimensionSet[] {
  const sets = new Map<string, DimensionSet>()
  for (const cell of cells) {
    const names = [...cell.when.keys()].sort()
    const key = JSON.stringify(names)
    const known = sets.get(key)
    if (known === undefined) sets.set(key, { names, cells: [cell] })
    else known.cells.push(cell)
  }
  return [...sets.values()]
}

function refuseSame({ names, cells }: DimensionSet, refused: Set<ReadCell>, problems: Problems): void {
  const seen = new Set<string>()
  for (const cell of cells) {
    const key = valuesOf(cell, names)
    if (seen.has(key)) {
      refused.add(cell)
      problems.add(cell.place, 'duplicate_cell', 'Another cell has the same dimension values.')
    }
    seen.add(key)
  }
}

/** Two cells exclude each other by another value in a dimension that both name, and by nothing else. */
function refuseOverlap(
  earlier: DimensionSet,
  later: DimensionSet,
  refused: Set<ReadCell>,
  problems: Problems,
): void {
  const shared = earlier.names.filter(name => later.names.includes(name))
  const known = new Map<string, ReadCell>()
  for (const cell of earlier.cells) {
    const key = valuesOf(cell, shared)
    if (!known.has(key)) known.set(key, cell)
  }
  for (const cell of later.cells) {
    const other = known.get(valuesOf(cell, shared))
    if (other === undefined || refused.has(cell)) continue
    refused.add(cell)
    const message =
      `An event can match {${textOf(cell.when)}} and {${textOf(other.when)}}, which name equally many dimensions; ` +
      'only the cell with the most dimensions wins.'
    problems.add(cell.place, 'ambiguous_cells', message)
  }
}

function valuesOf({ when }: ReadCell, names: readonly string[]): string {
  return JSON.stringify(names.map(name => when.get(name)))
}

function textOf(when: When): string {
  return [...when].map(([name, value]) => `${name}: ${value}`).join(', ')
}
