// A folder with the catalog that the mapping files of the tests name.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { quoteCatalog } from './quote-files.js'

export function quoteFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'weir-quotes-'))
  writeFileSync(join(folder, 'catalog.yaml'), quoteCatalog)
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}
