// Writes what was imported as files that people read, keep in Git and correct, and reads them again.
// Invariants: the same import writes the same bytes; a file that somebody changed is not written over unless asked.

import { hash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify as csvOf } from 'csv-stringify/sync'
import { Document, isMap, isSeq } from 'yaml'
import { stringifyJson } from '../../schemas/json/json-text.js'
import { oneLine } from '../terminal/harmless-text.js'
import { type CheckedImport, planToWire } from './check-import.js'
import { describeReport, type ImportReport } from './import-report.js'

export const importFiles = {
  catalog: 'catalog.yaml',
  identities: 'identities.csv',
  lifecycle: 'lifecycle.ndjson',
  usage: 'usage.ndjson',
  seen: 'usage-seen.ndjson',
  billed: 'billed.ndjson',
  report: 'import-report.json',
  text: 'import-report.txt',
} as const

const hashesFile = '.import-hashes.json'

export type Written =
  | { readonly kind: 'ok'; readonly files: readonly string[] }
  /** Files that somebody changed since they were written. */
  | { readonly kind: 'changed'; readonly files: readonly string[] }

export async function writeImport(
  folder: string,
  taken: CheckedImport,
  report: ImportReport,
  force: boolean,
): Promise<Written> {
  const files = filesOf(taken, report)
  await mkdir(folder, { recursive: true })
  const hashes = await readHashes(folder)
  const changed: string[] = []
  for (const [name, text] of files) {
    const standing = await readIfThere(join(folder, name))
    const isOurs = standing === undefined || standing === text || hashes[name] === hashOf(standing)
    if (!isOurs) changed.push(name)
  }
  if (changed.length > 0 && !force) return { kind: 'changed', files: changed }
  const written: Record<string, string> = {}
  for (const [name, text] of files) {
    await writeWhole(join(folder, name), text)
    written[name] = hashOf(text)
  }
  await writeWhole(join(folder, hashesFile), `${JSON.stringify(written, null, 2)}\n`)
  return { kind: 'ok', files: [...files.keys()] }
}

function filesOf(taken: CheckedImport, report: ImportReport): ReadonlyMap<string, string> {
  const { identities, lifecycle, usage, seen, billed } = taken
  return new Map([
    [importFiles.catalog, catalogText(taken)],
    [
      importFiles.identities,
      csvOf([...identities], { header: true, columns: ['object', 'system', 'theirs', 'ours'] }),
    ],
    [importFiles.lifecycle, lines(lifecycle)],
    [importFiles.usage, lines(usage)],
    [importFiles.seen, lines(seen)],
    [importFiles.billed, lines(billed)],
    [importFiles.report, `${JSON.stringify(report, null, 2)}\n`],
    [importFiles.text, describeReport(report)],
  ])
}

function lines(all: readonly object[]): string {
  return all.map(one => `${stringifyJson(one)}\n`).join('')
}

/** With what each thing is called there as a comment. */
function catalogText({ meters, plans }: CheckedImport): string {
  const document = new Document({ meters: meters.map(({ wire }) => wire), plans: plans.map(planToWire) })
  for (const [at, { note }] of meters.entries()) comment(document, ['meters', at], note)
  for (const [at, plan] of plans.entries()) {
    comment(document, ['plans', at], plan.note)
    for (const [index, { note }] of plan.prices.entries())
      comment(document, ['plans', at, 'prices', index], note)
  }
  return document.toString({ lineWidth: 0 })
}

function comment(document: Document, path: readonly (string | number)[], note: string | undefined): void {
  const node = document.getIn(path, true)
  if (note === undefined || note === '' || !(isMap(node) || isSeq(node))) return
  node.commentBefore = ` ${oneLine(note).slice(0, 200)}`
}

async function readHashes(folder: string): Promise<Readonly<Record<string, string>>> {
  const text = await readIfThere(join(folder, hashesFile))
  try {
    return text === undefined ? {} : (JSON.parse(text) as Record<string, string>)
  } catch (error) {
    // A list that is broken names no file as ours.
    if (!(error instanceof SyntaxError)) throw error
    return {}
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return undefined
  }
}

/** Written beside and renamed, so that a stop leaves the old one or the new one. */
async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.part`, text)
  await rename(`${file}.part`, file)
}

function hashOf(text: string): string {
  return hash('sha256', text, 'hex')
}
