// The tests that stand in a mapping file of quotes: a document of the CRM, and what becomes of it.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { MappingTest } from '../source-kind.js'
import type { QuoteRules } from './quote-rules.js'

export function quoteTests({ tests }: QuoteRules, folder: string): readonly MappingTest[] {
  return tests.map(({ name, line, id, body, identities, expected }) => {
    const bytes = typeof body === 'string' ? Buffer.from(body) : readFileSync(resolve(folder, body.file))
    return { name, line, arrival: { id, type: '', occurredAtMs: 0, bytes }, identities, expected }
  })
}
