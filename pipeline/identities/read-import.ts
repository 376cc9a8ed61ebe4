// Reads a file of identities: CSV with a header, or a YAML list of the same members. Every fault is told with its line.

import { parse as parseCsv } from 'csv-parse/sync'
import { LineCounter, parseDocument } from 'yaml'
import { type IdentityObject, identityObjects } from '../feature/identity-lookup.js'

export interface ImportedIdentity {
  readonly object: IdentityObject
  readonly system: string
  readonly theirs: string
  readonly ours: string
}

export type ReadImport =
  /** `lines`: where each of them stands. */
  | {
      readonly kind: 'ok'
      readonly identities: readonly ImportedIdentity[]
      readonly lines: readonly number[]
    }
  | { readonly kind: 'invalid'; readonly problems: readonly string[] }

const members = ['object', 'system', 'theirs', 'ours'] as const
const mostProblems = 20

export function readImport(file: string, text: string): ReadImport {
  const problems: string[] = []
  const identities: ImportedIdentity[] = []
  const rows = /\.ya?ml$/i.test(file) ? rowsOfYaml(text, problems) : rowsOfCsv(text, problems)
  const lines: number[] = []
  for (const { line, value, fault } of rows) {
    const wrong = fault === undefined ? faultsOf(value) : [fault]
    if (wrong.length > 0) problems.push(`${file}:${line}: ${wrong.join('; ')}`)
    else {
      identities.push(value as unknown as ImportedIdentity)
      lines.push(line)
    }
  }
  if (problems.length > mostProblems)
    problems.splice(
      mostProblems,
      problems.length,
      `${file}: ${problems.length - mostProblems} more lines are wrong.`,
    )
  if (problems.length > 0) return { kind: 'invalid', problems }
  if (identities.length === 0) return { kind: 'invalid', problems: [`${file}: there is no identity in it.`] }
  return { kind: 'ok', identities, lines }
}

/** What the parser says of a record; `error`: its values are not as many as the header's. */
interface CsvInfo {
  readonly lines: number
  readonly error?: unknown
}

interface Row {
  readonly line: number
  readonly fault?: string
  readonly value: Readonly<Record<string, unknown>>
}

function rowsOfCsv(text: string, problems: string[]): Row[] {
  try {
    const read = parseCsv(text, {
      columns: true,
      bom: true,
      trim: true,
      skip_empty_lines: true,
      relax_column_count: true,
      info: true,
    }) as unknown
    return (read as { record: Record<string, string>; info: CsvInfo }[]).map(({ record, info }) => {
      const { error, lines: line } = info
      if (error !== undefined)
        return { line, value: {}, fault: 'it has more or fewer values than the header' }
      return { line, value: { object: 'customer', ...record } }
    })
  } catch (error) {
    problems.push(`It is no CSV: ${(error as Error).message}`)
    return []
  }
}

function rowsOfYaml(text: string, problems: string[]): Row[] {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const [error] = document.errors
  const value: unknown = error === undefined ? document.toJS() : undefined
  if (!Array.isArray(value)) {
    problems.push(error === undefined ? 'It is no list of identities.' : `It is no YAML: ${error.message}`)
    return []
  }
  return value.map((one: unknown, index): Row => {
    const node = document.getIn([index], true) as { range?: [number, number, number] } | undefined
    const line = lines.linePos(node?.range?.[0] ?? 0).line
    const isObject = typeof one === 'object' && one !== null && !Array.isArray(one)
    return { line, value: isObject ? { object: 'customer', ...one } : {} }
  })
}

function faultsOf(value: Readonly<Record<string, unknown>>): string[] {
  const faults = members
    .filter(name => typeof value[name] !== 'string' || value[name] === '')
    .map(name => `${name} is missing or no text`)
  const unknown = Object.keys(value).filter(name => !(members as readonly string[]).includes(name))
  if (unknown.length > 0)
    faults.push(`there is no member ${unknown.join(', ')}; there are ${members.join(', ')}`)
  const isKind = (identityObjects as readonly unknown[]).includes(value['object'])
  if (faults.length === 0 && !isKind)
    faults.push(`${String(value['object'])} is no kind of object: ${identityObjects.join(', ')}`)
  return faults
}
