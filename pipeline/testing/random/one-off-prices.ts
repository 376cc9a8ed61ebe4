// Random one-off prices. Their ids are also those of other kinds, because an id that is owed once may be recurring elsewhere.

import fc from 'fast-check'

const oneOffPrice = fc
  .record({
    price: fc.constantFrom('setup', 'setup', 'base', 'seats', 'ub'),
    amount: fc.constantFrom('0.37', '0', '20', '99.99', '0.333333333333', '10.005'),
    discount_percent: fc.constantFrom(undefined, undefined, '10', '33.3', '100'),
    default_quantity: fc.constantFrom(undefined, undefined, '3', '0'),
  })
  .map(({ discount_percent: off, default_quantity: units, ...rest }) => ({
    own: undefined,
    wire: {
      kind: 'one_off',
      ...rest,
      timing: 'at_start',
      ...(off === undefined ? {} : { discount_percent: off }),
      per: rest.price === 'seats' ? 'unit' : 'subscription',
      ...(rest.price === 'seats' && units !== undefined ? { default_quantity: units } : {}),
    },
  }))

/** One of these prices, or now and then a one-off price. */
export function orOneOff<T>(price: fc.Arbitrary<T>) {
  return fc.oneof({ weight: 3, arbitrary: price }, { weight: 1, arbitrary: oneOffPrice })
}
