// Reads a catalog or configuration from disk for a command; a failed read is reported like a fault of the
// file.

import { readFile } from 'node:fs/promises'
import {
  type CatalogProblem,
  type ParsedCatalog,
  parseCatalog,
} from '../../schemas/catalog/catalog-parser.js'

export type SourceFile =
  | { readonly kind: 'ok'; readonly text: string }
  | { readonly kind: 'unreadable'; readonly problem: CatalogProblem }

export async function readSourceFile(file: string): Promise<SourceFile> {
  try {
    return { kind: 'ok', text: await readFile(file, 'utf8') }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    const message = code === 'ENOENT' ? 'There is no such file.' : `The file cannot be read (${code}).`
    return {
      kind: 'unreadable',
      problem: { file, line: 0, column: 0, path: '', code: 'file_unreadable', message },
    }
  }
}

/** The catalog of a file; a file that cannot be read is invalid like one that cannot be understood. */
export async function readCatalogFile(file: string): Promise<ParsedCatalog> {
  const read = await readSourceFile(file)
  return read.kind === 'ok' ? parseCatalog(read.text, file) : { kind: 'invalid', problems: [read.problem] }
}

/** `catalog.yaml:12:7: prices/0: …`, one line for people. */
export function describeCatalogProblem({ file, line, column, path, message }: CatalogProblem): string {
  const place = line === 0 ? file : `${file}:${line}:${column}`
  return `${place}: ${path === '' ? '' : `${path}: `}${message}`
}
