// Every price model against vectors worked out by hand or taken from public documentation.

import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { formatScaled } from '../../schemas/decimal.js'
import { addSample, type ChargeBasis, newAccumulator, type UsageSample } from '../accumulator.js'
import { basisOfVector, readVectors, samplesOfVector } from '../golden/vector.js'
import { chargeOf } from '../rate.js'

// From the working directory, not from this file: the built copy has no vectors beside it.
const folder = new URL(`file://${process.cwd()}/rating/golden/price-models/`)

function amountOf(basis: ChargeBasis, samples: readonly UsageSample[]): string {
  const accumulator = newAccumulator(basis)
  for (const sample of samples) {
    addSample(basis, accumulator, sample)
    chargeOf(basis, accumulator)
  }
  return formatScaled(chargeOf(basis, accumulator).amount)
}

for (const name of readdirSync(folder).filter(file => file.endsWith('.json'))) {
  const file = readVectors(new URL(name, folder))
  describe(`${name.replace('.json', '')} (${file.source})`, () => {
    for (const vector of file.vectors) {
      it(`${vector.price}: ${vector.name}: ${vector.derivation} = ${vector.amount}`, () => {
        const basis = basisOfVector(file, vector)
        const samples = samplesOfVector(basis, vector)
        expect(amountOf(basis, samples)).toBe(vector.amount)
        expect(amountOf(basis, samples.toReversed())).toBe(vector.amount)
      })
    }
  })
}
