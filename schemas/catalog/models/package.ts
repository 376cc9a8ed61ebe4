// The shape of a `package` price: one amount for each package of so many units.

import { positiveField, quantityField } from '../../json/wire-fields.js'
import type { Scaled } from '../../money/decimal.js'
import { decimal, fromZero, type ModelShape, positive } from './model-shape.js'

export interface Package {
  readonly model: 'package'
  readonly packageSize: Scaled
  readonly packageAmount: Scaled
}

export const packages: ModelShape<Package> = {
  fields: { package_size: positiveField, package_amount: quantityField },
  read(reader) {
    const packageSize = reader.requiredDecimal('package_size', positive)
    const packageAmount = reader.requiredDecimal('package_amount', fromZero)
    if (packageSize === undefined || packageAmount === undefined) return undefined
    return { model: 'package', packageSize, packageAmount }
  },
  toWire: ({ packageSize, packageAmount }) => ({
    ...decimal('package_size', packageSize),
    ...decimal('package_amount', packageAmount),
  }),
}
