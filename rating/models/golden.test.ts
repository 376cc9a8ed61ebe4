// Every price model against vectors worked out by hand or taken from public documentation.

import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { formatScaled } from '../../schemas/money/decimal.js'
import { addSample, type ChargeBasis, newAccumulator, type UsageSample } from '../charges/accumulator.js'
import { chargeOf } from '../charges/rate.js'
import { basisOfVector, samplesOfVector, type VectorFile } from '../testing/golden-vectors.js'

// From the working directory, not from this file: the built copy has no vectors beside it.
const folder = `${process.cwd()}/rating/golden/price-models`

function amountOf(basis: ChargeBasis, samples: readonly UsageSample[]): string {
  const accumulator = newAccumulator(basis)
  for (const sample of samples) {
    addSample(basis, accumulator, sample)
    chargeOf(basis, accumulator)
  }
  return formatScaled(chargeOf(basis, accumulator).amount)
}

for (const name of readdirSync(folder).filter(file => file.endsWith('.json'))) {
  const file = JSON.parse(readFileSync(`${folder}/${name}`, 'utf8')) as VectorFile
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
