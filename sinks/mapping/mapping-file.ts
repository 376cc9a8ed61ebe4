// Reads the mapping file of a connection: for each field of its kind a map or rules in order. Every fault comes with
// its line and the nearest known name.
// Invariant: there is no default value. The first rule whose `match` agrees decides; when none does, the record that
// asks is refused.

import { FieldReader } from '../../schemas/catalog/catalog-reader.js'
import {
  type CatalogProblem,
  type MapNode,
  Problems,
  readSourceText,
  type SourceNode,
} from '../../schemas/catalog/catalog-source.js'
import { nearestHint } from '../../schemas/nearest-name.js'
import {
  type MappingFact,
  type MappingField,
  type MappingFields,
  mappingFacts,
  segmentPrefix,
} from './mapping-fields.js'

/** What a rule gives: a text, the value of a fact as it is, or that the field is left out. */
export type Given = { readonly value: string } | { readonly from: string } | { readonly omit: true }

export interface MappingRule {
  /** By fact, the values that agree. Empty: it always agrees. */
  readonly match: ReadonlyMap<string, ReadonlySet<string>>
  readonly gives: Given
}

export type MappingSection =
  | { readonly kind: 'map'; readonly by: MappingFact; readonly values: ReadonlyMap<string, string> }
  | { readonly kind: 'rules'; readonly rules: readonly MappingRule[] }

export type MappingFile = ReadonlyMap<string, MappingSection>

export type ParsedMappingFile =
  | { readonly kind: 'ok'; readonly mapping: MappingFile }
  | { readonly kind: 'invalid'; readonly problems: readonly CatalogProblem[] }

export function parseMappingFile(text: string, fileName: string, fields: MappingFields): ParsedMappingFile {
  const problems = new Problems(fileName)
  const root = readSourceText(text, problems)
  const sections = new Map<string, MappingSection>()
  if (root !== undefined && root.kind !== 'map')
    problems.add(root, 'wrong_type', 'A mapping is a map of fields.')
  if (root?.kind === 'map') readSections(root, fields, sections, problems)
  if (problems.count > 0) return { kind: 'invalid', problems: problems.inOrder() }
  return { kind: 'ok', mapping: sections }
}

function readSections(
  root: MapNode,
  fields: MappingFields,
  sections: Map<string, MappingSection>,
  problems: Problems,
): void {
  for (const [name, { key, value }] of root.members) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (field === undefined) {
      const hint = nearestHint(name, Object.keys(fields))
      problems.add(key, 'unknown_key', `This kind of connection has no field ${name}${hint}.`)
      continue
    }
    const section = readSection(name, field, value, problems)
    if (section !== undefined) sections.set(name, section)
  }
  for (const [name, { required, description }] of Object.entries(fields)) {
    if (required && !root.members.has(name))
      problems.add(root, 'missing_field', `The field ${name} is missing: ${description}.`)
  }
}

function readSection(
  name: string,
  field: MappingField,
  node: SourceNode,
  problems: Problems,
): MappingSection | undefined {
  const { keyedBy } = field
  if (node.kind === 'list') {
    const rules = node.items.map((item, index) =>
      readRule(name, field, item, index === node.items.length - 1, problems),
    )
    return { kind: 'rules', rules: rules.filter(rule => rule !== undefined) }
  }
  if (node.kind !== 'map' || keyedBy === undefined) {
    const words = keyedBy === undefined ? 'a list of rules' : `a map by ${keyedBy}, or a list of rules`
    return problems.add(node, 'wrong_type', `The field ${name} is ${words}.`)
  }
  const values = new Map<string, string>()
  for (const [key, { value }] of node.members) {
    const text = readValue(`${name}.${key}`, field, value, problems)
    if (text !== undefined) values.set(key, text)
  }
  return { kind: 'map', by: keyedBy, values }
}

function readRule(
  name: string,
  field: MappingField,
  node: SourceNode,
  isLast: boolean,
  problems: Problems,
): MappingRule | undefined {
  if (node.kind !== 'map') return problems.add(node, 'wrong_type', `A rule of ${name} is a map.`)
  const reader = new FieldReader(node, problems)
  const match = readMatch(reader, problems)
  const given = ['value', 'from', 'omit'].filter(key => reader.has(key))
  const gives = readGiven(name, field, reader, given, problems)
  reader.refuseOthers('a rule')
  if (given.length !== 1)
    return problems.add(node, 'invalid_value', 'A rule has exactly one of value, from and omit.')
  if (match.size === 0 && !isLast && gives !== undefined && !('from' in gives))
    return problems.add(
      node,
      'rule_never_reached',
      'This rule always agrees, so those after it never decide.',
    )
  return gives === undefined ? undefined : { match, gives }
}

function readGiven(
  name: string,
  field: MappingField,
  reader: FieldReader,
  given: readonly string[],
  problems: Problems,
): Given | undefined {
  const node = reader.field(given[0] ?? '')
  if (node === undefined) return undefined
  switch (given[0]) {
    case 'value': {
      const value = readValue(name, field, node, problems)
      return value === undefined ? undefined : { value }
    }
    case 'from': {
      const from = node.kind === 'scalar' ? node.text : ''
      return isFact(from) ? { from } : unknownFact(from, node, problems)
    }
    default:
      if (node.kind === 'scalar' && node.value === true && !field.required) return { omit: true }
      return problems.add(node, 'invalid_value', `omit is true, and not for a field that must be there.`)
  }
}

function readMatch(reader: FieldReader, problems: Problems): Map<string, ReadonlySet<string>> {
  const match = new Map<string, ReadonlySet<string>>()
  const node = reader.field('match')
  if (node === undefined) return match
  if (node.kind !== 'map') {
    problems.add(node, 'wrong_type', 'match is a map of what the record must have.')
    return match
  }
  for (const [fact, { key, value }] of node.members) {
    if (!isFact(fact)) unknownFact(fact, key, problems)
    const items = value.kind === 'list' ? value.items : [value]
    const texts = items.flatMap(item => (item.kind === 'scalar' && item.value !== null ? [item.text] : []))
    if (texts.length === items.length && texts.length > 0) match.set(fact, new Set(texts))
    else problems.add(value, 'wrong_type', `${fact} is a text, or a list of texts.`)
  }
  return match
}

function readValue(
  name: string,
  { pattern }: MappingField,
  node: SourceNode,
  problems: Problems,
): string | undefined {
  if (node.kind !== 'scalar' || node.value === null || node.text === '')
    return problems.add(node, 'wrong_type', `The value of ${name} is a text.`)
  if (pattern === undefined || pattern.test(node.text)) return node.text
  return problems.add(node, 'invalid_value', `The value of ${name} must be of the form ${pattern.source}.`)
}

function isFact(name: string): boolean {
  return (
    (mappingFacts as readonly string[]).includes(name) ||
    (name.startsWith(segmentPrefix) && name.length > segmentPrefix.length)
  )
}

function unknownFact(
  name: string,
  place: SourceNode | { path: string; line: number; column: number },
  problems: Problems,
): undefined {
  const hint = nearestHint(name, mappingFacts)
  return problems.add(
    place,
    'unknown_key',
    `There is no ${name} in a record; there is ${mappingFacts.join(', ')} and segment.<name>${hint}.`,
  )
}
