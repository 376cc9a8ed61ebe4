// What one cell of a `matrix` price comes to: units x unit amount + flat amount, or the amount of its own model.
// Worked example: {unit_amount 0.03, flat_amount 10}: 50 units are 11.5, none are 10. {graduated, up to 100 at 2, then 1}: 150
// units are 250. Source: Lago, charge filters, each of which has properties of its own for the charge's model; Orb, "Matrix".
// Invariant: what a cell without units comes to is what the catalog says is due without usage.

import type { CellModel, CellPrice } from '../../../schemas/catalog/models/matrix-cell.js'
import { magnitude, type Scaled } from '../../../schemas/money/decimal.js'
import { graduated } from '../graduated/model.js'
import type { Bound, TotalModel } from '../model.js'
import { packages } from '../package/model.js'
import { flatAmountOf, type Scale } from '../scale.js'
import { stairstep } from '../stairstep/model.js'
import { volume } from '../volume/model.js'

const parts = { graduated, volume, stairstep, package: packages }

export function partOfCell({ model }: CellModel): TotalModel<CellModel, unknown> {
  return parts[model] as TotalModel<CellModel, unknown>
}

/** From units beyond the included ones to an amount, both at the scale of the models. */
export type CellAmount = (units: bigint) => bigint

export function compileCell(price: CellPrice, scale: Scale): CellAmount {
  const { model } = price
  if (model !== undefined) {
    const part = partOfCell(model)
    const terms = part.compile(model, scale)
    return units => part.amountOf(units, terms)
  }
  const { unitAmount, flatAmount } = price
  if (flatAmount === undefined) return units => units * unitAmount
  const flat = flatAmountOf(scale, flatAmount)
  return units => units * unitAmount + flat
}

export function boundOfCell({ model, ...price }: CellPrice): Bound {
  if (model !== undefined) return partOfCell(model).bound(model)
  const { unitAmount = 0n, flatAmount = 0n } = price as Partial<Record<'unitAmount' | 'flatAmount', Scaled>>
  return { unit: magnitude(unitAmount), flat: magnitude(flatAmount) }
}

export function dueUnusedOfCell(price: CellPrice): Scaled {
  const { model } = price
  return model === undefined ? (price.flatAmount ?? 0n) : (partOfCell(model).dueUnused?.(model) ?? 0n)
}

export function withoutFlatAmountOfCell<C extends CellPrice>(price: C): C {
  const { model } = price
  if (model !== undefined) return { ...price, model: partOfCell(model).withoutFlatAmounts?.(model) ?? model }
  const { flatAmount: _, ...rest } = price
  return rest as C
}
