// `included`: units that are free in each service period, before the model sees the quantity.
// Worked example: 100 included. q = 250: 150; q = 80: 0; q = -5: -5 (what is free never makes a quantity negative).

export function beyondIncluded(quantity: bigint, included: bigint): bigint {
  if (quantity <= 0n) return quantity
  return quantity > included ? quantity - included : 0n
}
