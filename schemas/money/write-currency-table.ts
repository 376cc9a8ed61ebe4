// Writes schemas/money/currency-table.ts anew: `node dist/schemas/money/write-currency-table.js` after a build.

import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { packageRoot } from '../package-root.js'
import { currencyTableText } from './currency-source.js'

const source = createRequire(import.meta.url).resolve('currency-codes/iso-4217-list-one.xml')
writeFileSync(
  new URL('schemas/money/currency-table.ts', packageRoot),
  currencyTableText(readFileSync(source, 'utf8')),
)
