// Reads the tests of a mapping file: what comes, and what is to become of it.

import { asMap, FieldReader } from '../../../schemas/catalog/catalog-reader.js'
import type { MapNode, Problems, SourceNode } from '../../../schemas/catalog/catalog-source.js'
import { stringifyJson } from '../../../schemas/json/json-text.js'
import { numberOf } from '../../../schemas/money/exact-number.js'
import { sourceObjects } from '../source-kind.js'
import type { RuleTest } from './rules.js'

export function readTests(items: readonly SourceNode[], problems: Problems): readonly RuleTest[] {
  return items.map((item, index) => readTest(item, index, problems)).filter(test => test !== undefined)
}

function readTest(node: SourceNode, index: number, problems: Problems): RuleTest | undefined {
  const map = asMap(node, 'A test', problems)
  if (map === undefined) return undefined
  const reader = new FieldReader(map, problems)
  const name = reader.text('name') ?? `test ${index + 1}`
  const id = reader.text('id') ?? `msg_test_${index + 1}`
  const bodyNode = reader.field('body')
  const file = reader.text('file')
  const identities = readIdentities(reader.field('identities'), problems)
  const expectNode = reader.requiredField('expect')
  const expected = expectNode && readExpected(expectNode, problems)
  reader.refuseOthers('a test')
  if ((bodyNode === undefined) === (file === undefined))
    return problems.add(map, 'invalid_value', 'A test has exactly one of body and file.')
  if (expected === undefined) return undefined
  const body = bodyNode === undefined ? { file: file ?? '' } : stringifyJson(jsonOf(bodyNode))
  return { name, line: node.line, id, body, identities, expected }
}

function readIdentities(node: SourceNode | undefined, problems: Problems): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  const map = node && asMap(node, 'The field identities', problems)
  if (map === undefined) return found
  const reader = new FieldReader(map, problems)
  for (const object of sourceObjects) {
    const of = reader.field(object)
    const ids = of && asMap(of, `The field ${object}`, problems)
    for (const [theirs, { value }] of ids?.members ?? [])
      if (value.kind === 'scalar') found.set(`${object} ${theirs}`, value.text)
  }
  reader.refuseOthers('identities')
  return found
}

function readExpected(node: SourceNode, problems: Problems): RuleTest['expected'] | undefined {
  const map = asMap(node, 'The field expect', problems)
  if (map === undefined) return undefined
  const reader = new FieldReader(map, problems)
  const keys = ['events', 'ignored', 'waits'].filter(key => reader.hasKey(key))
  reader.refuseOthers('what is expected')
  if (keys.length !== 1)
    return problems.add(map, 'invalid_value', 'What is expected is one of events, ignored and waits.')
  return expectedOf(map, reader, keys[0]!)
}

function expectedOf(map: MapNode, reader: FieldReader, key: string): RuleTest['expected'] | undefined {
  const value = map.members.get(key)?.value
  switch (key) {
    case 'events': {
      const events = reader.list('events', value) ?? []
      return { kind: 'events', events: events.map(one => jsonOf(one) as Record<string, unknown>) }
    }
    case 'ignored':
      return value?.kind === 'scalar' && typeof value.value === 'string'
        ? { kind: 'ignored', reason: value.value }
        : { kind: 'ignored' }
    default: {
      const codes = value?.kind === 'list' ? value.items : value === undefined ? [] : [value]
      return { kind: 'waits', codes: codes.map(one => (one.kind === 'scalar' ? one.text : '')) }
    }
  }
}

/** As JSON, with every digit of its numbers. */
function jsonOf(node: SourceNode): unknown {
  switch (node.kind) {
    case 'scalar':
      return typeof node.value === 'number' ? numberOf(node.text) : node.value
    case 'list':
      return node.items.map(jsonOf)
    case 'map':
      return Object.fromEntries([...node.members].map(([name, { value }]) => [name, jsonOf(value)]))
    default:
      return node satisfies never
  }
}
