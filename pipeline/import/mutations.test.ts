// Exports that are broken in one place or several: none brings the import down, and each fault is told with its object and code.
// WEIR_IMPORT_RUNS=1000 is the long run.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { differenceOf } from './compare/difference.js'
import { systems } from './systems.js'
import { compareFiles, importFiles } from './testing/imported-account.js'
import { lagoAccount, lagoFiles } from './testing/lago-account.js'
import { openmeterFiles } from './testing/openmeter-account.js'
import { equalAccount, filesOf } from './testing/stripe-account.js'

const numRuns = Number(process.env['WEIR_IMPORT_RUNS'] ?? '12')

const accounts = {
  stripe: filesOf(equalAccount()),
  lago: lagoFiles(lagoAccount),
  openmeter: openmeterFiles(),
} as const

const values = [
  ...[
    'null',
    'true',
    '""',
    '[]',
    '{}',
    '-1',
    '0',
    '1e400',
    '"__proto__"',
    '"constructor"',
    '[[[[[[[[[[[[]]]]]]]]]]]]',
  ],
  ...[
    '"999999999999999999999999999999999.1"',
    '0.0000000000000000001',
    '"2026-13-45"',
    '7258118401',
    '"\\ud800"',
    '"weir.x"',
  ],
]

/** Replaces or removes one value of a JSON text, or cuts the text off. */
function mutate(text: string, at: number, how: number): string {
  const places = [...text.matchAll(/"(?:[^"\\]|\\.)*"(?!\s*:)|-?\d+(?:\.\d+)?|\btrue\b|\bfalse\b|\bnull\b/g)]
  const place = places[at % Math.max(1, places.length)]
  if (place === undefined || how === values.length) return text.slice(0, at % (text.length + 1))
  return `${text.slice(0, place.index)}${values[how]}${text.slice(place.index + place[0].length)}`
}

const mutation = fc.record({ file: fc.nat(), at: fc.nat(), how: fc.nat(values.length) })

test.each(['stripe', 'lago', 'openmeter'] as const)('no broken export of %s brings the import down', name => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), fc.boolean(), (mutations, isCompared) => {
      const files = new Map(accounts[name])
      for (const { file, at, how } of mutations) {
        const key = [...files.keys()][file % files.size]!
        files.set(key, mutate(files.get(key)!, at, how))
      }
      const { findings } = importFiles(systems[name], files)
      for (const { object, code, detail } of findings.all) {
        expect([object !== '', /^[a-z][a-z0-9_]*$/.test(code), detail !== ''], `${object} ${code}`).toEqual([
          true,
          true,
          true,
        ])
        seen.add(code)
      }
      if (!isCompared) return
      for (const one of compareFiles(systems[name], files).compared)
        expect(one.parts.reduce((sum, { amount }) => sum + amount, 0n)).toBe(differenceOf(one))
    }),
    { numRuns },
  )
  expect(seen.size).toBeGreaterThan(2)
})
