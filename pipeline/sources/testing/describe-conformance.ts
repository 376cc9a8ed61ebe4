// The checks of conformance.ts as tests of one kind.

import { describe, test } from 'vitest'
import { conformanceChecks } from './conformance.js'
import type { SourceSamples } from './samples.js'

export function describeConformance(samples: SourceSamples): void {
  describe(`a source of kind ${samples.kind.kind}`, () => {
    for (const check of conformanceChecks) test(check.name, () => check.run(samples))
  })
}
