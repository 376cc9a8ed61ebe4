// The shape of a `matrix` price: cells by dimensions. Contract section 3: of several cells that match an event the one with the most
// dimensions wins, and two that could both match with equally many are refused when they are read.
// Invariant: of the cells that come out, no event matches two with equally many dimensions.

import { z } from 'zod'
import { comparableField, quantityField } from '../../json/wire-fields.js'
import type { Scaled } from '../../money/decimal.js'
import { asMap, FieldReader, readComparable } from '../catalog-reader.js'
import type { Place, Problems } from '../catalog-source.js'
import { decimal, fromZero, type ModelShape } from './model-shape.js'

type When = ReadonlyMap<string, string>

export interface Matrix {
  readonly model: 'matrix'
  readonly cells: readonly { readonly when: When; readonly unitAmount: Scaled }[]
  readonly defaultUnitAmount?: Scaled
}

const cellField = z.strictObject({ when: z.record(z.string(), comparableField), unit_amount: quantityField })

export const matrix: ModelShape<Matrix> = {
  fields: {
    cells: z.array(cellField).meta({
      description:
        'Of several cells that match an event, the one with the most dimensions wins. Two that could match one event ' +
        'with equally many are refused.',
    }),
    default_unit_amount: quantityField.optional(),
  },
  read: readMatrix,
  toWire: ({ cells, defaultUnitAmount }) => ({
    cells: cells.map(({ when, unitAmount }) => ({
      when: Object.fromEntries(when),
      ...decimal('unit_amount', unitAmount),
    })),
    ...decimal('default_unit_amount', defaultUnitAmount),
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
  readonly unitAmount: Scaled
  /** Of its field `when`. */
  readonly place: Place
}

/** A matrix that names more different sets of dimensions than this is a mistake, and slow to check. */
const mostDimensionSets = 256

function readMatrix(reader: FieldReader, problems: Problems): Matrix | undefined {
  const items = reader.list('cells', reader.requiredField('cells'))
  const defaultUnitAmount = reader.decimal('default_unit_amount', fromZero)
  if (items === undefined) return undefined
  if (items.length === 0 && defaultUnitAmount === undefined) {
    return reader.fault('cells', 'missing_field', 'A matrix has a cell or a default_unit_amount.')
  }
  const cells: ReadCell[] = []
  for (const item of items) {
    const map = asMap(item, 'A cell', problems)
    if (map === undefined) continue
    const cell = new FieldReader(map, problems)
    const when = readWhen(cell, problems)
    const unitAmount = cell.requiredDecimal('unit_amount', fromZero)
    cell.refuseOthers('a cell')
    if (when !== undefined && unitAmount !== undefined)
      cells.push({ when, unitAmount, place: cell.place('when') })
  }
  refuseAmbiguous(cells, reader.place('cells'), problems)
  if (cells.length !== items.length) return undefined
  return {
    model: 'matrix',
    cells: cells.map(({ when, unitAmount }) => ({ when, unitAmount })),
    ...(defaultUnitAmount === undefined ? {} : { defaultUnitAmount }),
  }
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
