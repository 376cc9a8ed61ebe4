// Reads the files of an import again, as people may have corrected them. Every fault is told with file and line.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Catalog } from '../../../schemas/catalog/catalog.js'
import { compositeKey } from '../../../schemas/identifiers.js'
import { isRecord, parseJson } from '../../../schemas/json/json-text.js'
import { parseInstant } from '../../../schemas/time.js'
import { describeCatalogProblem, readCatalogFile } from '../../terminal/source-file.js'
import { objectIn, textIn } from '../fields.js'
import { type BilledLine, billedKinds, type Finding, type ImportedEvent, type Period } from '../imported.js'
import { parsePeriod } from '../period.js'
import { importFiles } from '../write-import.js'
import { scaled } from './their-side.js'

export interface ReadImport {
  readonly system: string
  readonly period: Period
  readonly catalog: Catalog
  readonly lifecycle: readonly ImportedEvent[]
  readonly usage: readonly ImportedEvent[]
  readonly seen: ReadonlyMap<string, bigint>
  readonly billed: readonly BilledLine[]
  readonly findings: readonly Finding[]
}

/** Throws with every fault of the files. */
export async function readImport(folder: string, periodText: string | undefined): Promise<ReadImport> {
  const faults: string[] = []
  const report = await reportIn(folder)
  const period = parsePeriod(periodText ?? textIn(report['period']))
  if (period === undefined) throw new Error('--period is a month such as 2026-10, or FROM/UNTIL.')
  const catalog = await readCatalogFile(join(folder, importFiles.catalog))
  if (catalog.kind === 'invalid') throw new Error(catalog.problems.map(describeCatalogProblem).join('\n'))
  const lifecycle = await objectsIn(folder, importFiles.lifecycle, faults, isEvent)
  const usage = await objectsIn(folder, importFiles.usage, faults, isEvent)
  const seen = await objectsIn(folder, importFiles.seen, faults, isSeen)
  const billed = await objectsIn(folder, importFiles.billed, faults, billedFault)
  if (faults.length > 0) throw new Error(faults.slice(0, 20).join('\n'))
  return {
    system: textIn(report['system']),
    period,
    catalog: catalog.catalog,
    lifecycle: lifecycle as unknown as ImportedEvent[],
    usage: usage as unknown as ImportedEvent[],
    seen: new Map(
      seen.map(one => [
        compositeKey(textIn(one['source']), textIn(one['id'])),
        parseInstant(textIn(one['seen_at'])) ?? 0n,
      ]),
    ),
    billed: billed as unknown as BilledLine[],
    findings: Array.isArray(report['findings']) ? (report['findings'] as Finding[]) : [],
  }
}

async function reportIn(folder: string): Promise<Readonly<Record<string, unknown>>> {
  const file = join(folder, importFiles.report)
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new Error(
      `${folder} holds no import: there is no ${importFiles.report}. Run \`weir import … --out ${folder}\` first.`,
    )
  }
  const parsed = parseJson(text)
  if (parsed.kind !== 'ok') throw new Error(`${file}: ${parsed.detail}`)
  return objectIn(parsed.value)
}

type Row = Readonly<Record<string, unknown>>

/** `faultOf` answers what is wrong with a row. */
async function objectsIn(
  folder: string,
  name: string,
  faults: string[],
  faultOf: (row: Row) => string | undefined,
): Promise<Row[]> {
  const file = join(folder, name)
  const rows: Row[] = []
  for (const [index, line] of (await readFile(file, 'utf8')).split('\n').entries()) {
    if (line.trim() === '') continue
    const parsed = parseJson(line)
    const fault =
      parsed.kind !== 'ok'
        ? parsed.detail
        : isRecord(parsed.value)
          ? faultOf(parsed.value)
          : 'It is no object.'
    if (fault !== undefined) faults.push(`${file}:${index + 1}: ${fault}`)
    else if (parsed.kind === 'ok') rows.push(parsed.value as Row)
  }
  return rows
}

function isEvent(row: Row): string | undefined {
  const missing = ['id', 'source', 'type', 'subject', 'time'].find(name => textIn(row[name]) === '')
  return missing === undefined ? undefined : `${missing} is missing or no text.`
}

function isSeen(row: Row): string | undefined {
  return parseInstant(textIn(row['seen_at'])) === undefined ? 'seen_at is no instant.' : undefined
}

function billedFault(row: Row): string | undefined {
  const missing = ['id', 'invoice', 'customer', 'currency'].find(name => textIn(row[name]) === '')
  if (missing !== undefined) return `${missing} is missing or no text.`
  if (!(billedKinds as readonly unknown[]).includes(row['kind']))
    return `kind is one of ${billedKinds.join(', ')}.`
  const time = ['from', 'until'].find(name => parseInstant(textIn(row[name])) === undefined)
  if (time !== undefined) return `${time} is no instant.`
  const number = ['amount', 'exact', 'quantity', 'unit_amount'].find(
    name => (name === 'amount' || row[name] !== undefined) && scaled(textIn(row[name])) === undefined,
  )
  return number === undefined ? undefined : `${number} is no decimal in a text.`
}
