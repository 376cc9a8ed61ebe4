// What files change in a catalog, for people: a line for each thing, and a line for each field of it.

import type { CatalogChange, FieldChange } from '../../schemas/catalog/catalog-changes.js'
import type { Terms } from './read-terms.js'

/** A value that is longer is cut; `--json` has it whole. */
const longestValue = 120

export function describeChanges({
  changes,
  onlyPublished,
}: Pick<Terms, 'changes' | 'onlyPublished'>): string {
  const shown = changes.filter(({ outcome }) => outcome !== 'unchanged')
  const count = (outcome: CatalogChange['outcome']) => changes.filter(one => one.outcome === outcome).length
  const counts = `${count('added')} to publish, ${count('unchanged')} published as they are, ${count('refused')} refused`
  const others = onlyPublished === 0 ? '' : ` ${onlyPublished} published and in none of the files: they stay.`
  return [...shown.map(describeChange), `${counts}.${others}`].map(text => `${text}\n`).join('')
}

/** For stderr: each thing that is refused, with its place and code. */
export function describeRefused(changes: readonly CatalogChange[]): string {
  return changes
    .filter(({ outcome }) => outcome === 'refused')
    .map(({ file, line, detail }) => `${file}:${line}: ${detail} (conflicting_catalog)\n`)
    .join('')
}

export function nameOf({ kind, name, version }: Pick<CatalogChange, 'kind' | 'name' | 'version'>): string {
  return `${kind} ${name}${version === null ? '' : ` version ${version}`}`
}

function describeChange(change: CatalogChange): string {
  const { outcome, file, line, from_version: from, fields, detail } = change
  const sign = outcome === 'added' ? '+' : '!'
  const what =
    outcome === 'refused' ? 'is refused' : from === null ? 'is new' : `is new, against version ${from}:`
  const lines = [
    `${sign} ${nameOf(change)} ${what} (${file}:${line})`,
    ...fields.map(one => describeField(one, file)),
  ]
  if (outcome === 'added' && from !== null && fields.length === 0) lines.push('    the same content')
  if (outcome === 'added' && detail !== null) lines.push(`    ${detail}`)
  return lines.join('\n')
}

function describeField({ path, before, after, line }: FieldChange, file: string): string {
  const sign = before === null ? '+' : after === null ? '-' : '~'
  const value =
    before === null ? shown(after) : after === null ? shown(before) : `${shown(before)} -> ${shown(after)}`
  return `    ${sign} ${path}: ${value}${after === null ? '' : `  (${file}:${line})`}`
}

function shown(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length <= longestValue ? text : `${text.slice(0, longestValue)}…`
}
