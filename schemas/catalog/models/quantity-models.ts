// The models that price a quantity, such as seats: those that a recurring price may have. Their arithmetic is that of usage.

import type { PriceModel } from './registry.js'

export const quantityModels = ['graduated', 'volume', 'stairstep', 'package'] as const

export type QuantityModel = Extract<PriceModel, { readonly model: (typeof quantityModels)[number] }>
