// Reads what `weir catalog` compares: the files, as one catalog, and what is published, from a running Weir or from files.

import type { Catalog } from '../../schemas/catalog/catalog.js'
import { type CatalogChange, catalogChanges } from '../../schemas/catalog/catalog-changes.js'
import {
  type CatalogFile,
  type CatalogProblem,
  type ParsedCatalogFiles,
  parseCatalogFiles,
  parseCatalogValue,
} from '../../schemas/catalog/catalog-parser.js'
import { decodeUtf8, parseJson } from '../../schemas/json/json-text.js'
import { type Gateway, readGateway } from '../terminal/gateway-client.js'
import type { CliIo } from '../terminal/io.js'
import { describeCatalogProblem, readSourceFile } from '../terminal/source-file.js'

export interface Terms {
  readonly published: Catalog
  readonly files: Catalog
  readonly changes: readonly CatalogChange[]
  /** What is published and in none of the files: it stays. */
  readonly onlyPublished: number
}

/** Undefined: the faults are on stderr. Throws when the running Weir cannot be asked. */
export async function readTerms(
  files: readonly string[],
  published: { readonly gateway: () => Promise<Gateway> } | { readonly files: readonly string[] },
  io: CliIo,
): Promise<Terms | undefined> {
  const known = 'files' in published ? await catalogOf(published.files, undefined, io) : undefined
  const base = 'files' in published ? known?.catalog : await publishedAt(await published.gateway())
  if (base === undefined) return undefined
  const given = await catalogOf(files, base, io)
  if (given === undefined) return undefined
  const changes = catalogChanges(base, given.catalog, given.items)
  return {
    published: base,
    files: given.catalog,
    changes,
    onlyPublished: sizeOf(base) - changes.filter(({ outcome }) => outcome !== 'added').length,
  }
}

/** Throws when it cannot be asked. */
export async function publishedAt(gateway: Gateway): Promise<Catalog> {
  const text = decodeUtf8(await readGateway(gateway, '/v1/catalog'))
  const parsed = text === undefined ? undefined : parseJson(text)
  const body = parsed?.kind === 'ok' ? (parsed.value as { readonly catalog?: unknown }) : {}
  const catalog = parseCatalogValue(body.catalog, 'part')
  if (catalog.kind === 'ok') return catalog.catalog
  const [first] = catalog.problems
  throw new Error(
    `${gateway.url} has published what this build does not read: ${first?.path}: ${first?.message}`,
  )
}

async function catalogOf(names: readonly string[], published: Catalog | undefined, io: CliIo) {
  const texts: CatalogFile[] = []
  const problems: CatalogProblem[] = []
  for (const file of names) {
    const read = await readSourceFile(file)
    if (read.kind === 'ok') texts.push({ file, text: read.text })
    else problems.push(read.problem)
  }
  const parsed: ParsedCatalogFiles =
    problems.length > 0 ? { kind: 'invalid', problems } : parseCatalogFiles(texts, published)
  if (parsed.kind === 'ok') return parsed
  for (const one of parsed.problems) io.stderr.write(`${describeCatalogProblem(one)} (${one.code})\n`)
  return undefined
}

export function sizeOf({ meters, plans, coupons = [], schemas = [] }: Catalog): number {
  return meters.length + plans.length + coupons.length + schemas.length
}
