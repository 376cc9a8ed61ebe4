// Reads the mapping file of a source of kind `standard`: rules, each with the events that it gives, and the tests beside
// them. Every fault comes with its line and the nearest known name.
// Invariant: paths are JSONPath (RFC 9535), compiled here; nothing of the file is ever run as a program.

import { compile, type JSONPathQuery } from 'json-p3'
import { asMap, FieldReader } from '../../../schemas/catalog/catalog-reader.js'
import {
  type MapNode,
  Problems,
  readSourceText,
  type SourceNode,
} from '../../../schemas/catalog/catalog-source.js'
import { nearestHint } from '../../../schemas/nearest-name.js'
import type { ReadMapping } from '../source-kind.js'
import { sourceObjects } from '../source-kind.js'
import { readTests } from './read-tests.js'
import {
  type EventSpec,
  type ObjectSpec,
  type PathSpec,
  type Rule,
  type StandardRules,
  transforms,
  type ValueSpec,
} from './rules.js'

/** The events of contract 2 that a source may send; any other type is usage. */
const ourTypes = [
  'weir.customer.upserted',
  'weir.customer.status_changed',
  'weir.subscription.created',
  'weir.subscription.amended',
  'weir.subscription.renewed',
  'weir.subscription.suspended',
  'weir.subscription.resumed',
  'weir.subscription.cancelled',
  'weir.usage.retracted',
  'weir.usage.amended',
  'weir.charge.added',
  'weir.charge.cancelled',
  'weir.invoice.finalized',
  'weir.invoice.paid',
  'weir.invoice.voided',
  'weir.payment.succeeded',
  'weir.payment.failed',
  'weir.payment.refunded',
  'weir.payment.disputed',
  'weir.tax.committed',
  'weir.tax.adjusted',
  'weir.tax.voided',
  'weir.tax.pending',
  'weir.tax.failed',
]
const defaultType = '$.type'
const valueKeys = ['from', 'value', 'concat'] as const

export function readStandardMapping(text: string, file: string): ReadMapping<StandardRules> {
  const problems = new Problems(file)
  const root = readSourceText(text, problems)
  const map = root === undefined ? undefined : asMap(root, 'A mapping', problems)
  const rules = map === undefined ? undefined : readRoot(map, problems)
  if (rules === undefined || problems.count > 0) return { kind: 'invalid', problems: problems.inOrder() }
  return { kind: 'ok', rules }
}

function readRoot(map: MapNode, problems: Problems): StandardRules | undefined {
  const reader = new FieldReader(map, problems)
  const typeNode = reader.field('type')
  const type = typeNode === undefined ? compile(defaultType) : readPath(typeNode, 'type', problems)?.query
  const occurredAtNode = reader.field('occurred_at')
  const occurredAt = occurredAtNode && readValue(occurredAtNode, 'occurred_at', problems)
  const items = reader.list('rules', reader.requiredField('rules')) ?? []
  const rules = items.map((item, index) => readRule(item, index, problems)).filter(rule => rule !== undefined)
  const otherwise = reader.choice('otherwise', ['ignore', 'wait']) ?? 'ignore'
  const tests = readTests(reader.list('tests') ?? [], problems)
  reader.refuseOthers('a mapping')
  return type === undefined ? undefined : { type, occurredAt, rules, otherwise, tests }
}

function readRule(node: SourceNode, index: number, problems: Problems): Rule | undefined {
  const map = asMap(node, 'A rule', problems)
  if (map === undefined) return undefined
  const reader = new FieldReader(map, problems)
  const name = reader.text('name') ?? `rule ${index + 1}`
  const types = readTexts(reader.field('type'), 'type', problems)
  const where = readWhere(reader.field('where'), problems)
  const reason = reader.text('ignore')
  const eventsNode = reader.field('events')
  const isOne = reader.has('event')
  const given = [reason !== undefined, eventsNode !== undefined, isOne].filter(Boolean).length
  if (given !== 1 && !reader.has('ignore'))
    problems.add(map, 'invalid_value', 'A rule has exactly one of event, events and ignore.')
  if (reason !== undefined) {
    reader.refuseOthers('a rule that ignores')
    return { name, types, where, gives: { kind: 'ignore', reason } }
  }
  const specs = isOne
    ? [readEvent(reader, problems)]
    : (reader.list('events', eventsNode) ?? []).map(item => {
        const of = asMap(item, 'An event', problems)
        return of === undefined ? undefined : readEvent(new FieldReader(of, problems), problems, true)
      })
  if (isOne) reader.refuseOthers('a rule')
  else reader.refuseOthers('a rule with a list of events')
  return { name, types, where, gives: { kind: 'events', events: specs.filter(one => one !== undefined) } }
}

function readEvent(reader: FieldReader, problems: Problems, isAlone = false): EventSpec | undefined {
  const type = reader.requiredText('event')
  if (type?.startsWith('weir.') && !ourTypes.includes(type))
    reader.fault('event', 'unknown_type', `A source sends no ${type}${nearestHint(type, ourTypes)}.`)
  const eachNode = reader.field('each')
  const each = eachNode && readPath(eachNode, 'each', problems)?.query
  const value = (name: string): ValueSpec | undefined => {
    const node = reader.field(name)
    return node && readValue(node, name, problems)
  }
  const [key, subject, time, version] = [value('key'), value('subject'), value('time'), value('version')]
  const correlationId = value('correlation_id')
  const subscriptionId = value('subscription_id')
  const dataNode = reader.requiredField('data')
  const data = dataNode && readObject(dataNode, 'data', problems)
  if (type?.startsWith('weir.subscription.') && version === undefined)
    reader.fault(
      'version',
      'missing_field',
      'The field version is missing: the order of changes is made of it.',
    )
  if (isAlone) reader.refuseOthers('an event')
  const customer = data?.members.get('customer_id')
  const about = subject ?? (customer?.kind === 'object' ? undefined : customer)
  const hasCustomer = dataNode?.kind === 'map' && dataNode.members.has('customer_id')
  if (about === undefined && !hasCustomer && !reader.has('subject'))
    reader.fault('subject', 'missing_field', 'The field subject is missing, and data has no customer_id.')
  if (about === undefined) return undefined
  if (type === undefined || data === undefined) return undefined
  return { type, each, key, subject: about, time, version, correlationId, subscriptionId, data }
}

function readObject(node: SourceNode, what: string, problems: Problems): ObjectSpec | undefined {
  const map = asMap(node, `The field ${what}`, problems)
  if (map === undefined) return undefined
  const members = new Map<string, ValueSpec | ObjectSpec>()
  for (const [name, { value }] of map.members) {
    const isObject = value.kind === 'map' && !valueKeys.some(key => value.members.has(key))
    const spec = isObject ? readObject(value, name, problems) : readValue(value, name, problems)
    if (spec !== undefined) members.set(name, spec)
  }
  return { kind: 'object', members }
}

function readValue(node: SourceNode, what: string, problems: Problems): ValueSpec | undefined {
  if (node.kind === 'scalar') {
    if (typeof node.value !== 'string' || !isPathText(node.value))
      return { kind: 'constant', value: constantOf(node) }
    const path = readPath(node, what, problems)
    return path && plainFrom(path)
  }
  if (node.kind === 'list') return { kind: 'constant', value: constantOf(node) }
  const reader = new FieldReader(node, problems)
  const kinds = valueKeys.filter(key => reader.hasKey(key))
  if (kinds.length !== 1)
    return problems.add(node, 'invalid_value', `${what} has exactly one of ${valueKeys.join(', ')}.`)
  switch (kinds[0]) {
    case 'value': {
      const value = node.members.get('value')?.value
      reader.refuseOthers('a constant')
      return value && { kind: 'constant', value: constantOf(value) }
    }
    case 'concat': {
      const parts = (reader.list('concat') ?? []).map(part => readValue(part, `${what}, a part`, problems))
      const between = node.members.get('between')?.value
      reader.hasKey('between')
      reader.refuseOthers('a concatenation')
      const text = between?.kind === 'scalar' ? between.text : ''
      return { kind: 'concat', parts: parts.filter(part => part !== undefined), between: text }
    }
    default:
      return readFrom(reader, what, problems)
  }
}

function readFrom(reader: FieldReader, what: string, problems: Problems): ValueSpec | undefined {
  const node = reader.requiredField('from')
  const path = node && readPath(node, `${what}.from`, problems)
  const as = reader.choice('as', transforms)
  const currencyNode = reader.field('currency')
  const currency = currencyNode && readValue(currencyNode, `${what}.currency`, problems)
  if (as === 'minor_units' && currency === undefined)
    reader.fault('currency', 'missing_field', 'The field currency is missing: minor units are of a currency.')
  const map = readMap(reader.field('map'), problems)
  const id = reader.choice('id', sourceObjects)
  const metadataNode = reader.field('metadata')
  const metadata = metadataNode && readPath(metadataNode, `${what}.metadata`, problems)
  const fallbackNode = reader.hasKey('default') ? reader.node.members.get('default')?.value : undefined
  const isOptional = reader.flag('optional') ?? false
  reader.refuseOthers('a value')
  if ([as, map, id].filter(one => one !== undefined).length > 1)
    return problems.add(reader.node, 'invalid_value', `${what} has at most one of as, map and id.`)
  if (fallbackNode !== undefined && isOptional)
    problems.add(reader.node, 'invalid_value', `${what} has at most one of default and optional.`)
  if (path === undefined) return undefined
  const fallback = fallbackNode === undefined ? undefined : { value: constantOf(fallbackNode) }
  return { kind: 'from', path, as, currency, map, id, metadata, fallback, isOptional }
}

function plainFrom(path: PathSpec): ValueSpec {
  const none = { as: undefined, currency: undefined, map: undefined, id: undefined, metadata: undefined }
  return { kind: 'from', path, ...none, fallback: undefined, isOptional: false }
}

function readMap(node: SourceNode | undefined, problems: Problems): ReadonlyMap<string, unknown> | undefined {
  const map = node && asMap(node, 'The field map', problems)
  if (map === undefined) return undefined
  return new Map([...map.members].map(([from, { value }]) => [from, constantOf(value)]))
}

function readWhere(node: SourceNode | undefined, problems: Problems): Rule['where'] {
  const map = node && asMap(node, 'The field where', problems)
  if (map === undefined) return []
  return [...map.members].flatMap(([text, { key, value }]) => {
    const scalar = {
      kind: 'scalar' as const,
      value: text,
      text,
      line: key.line,
      column: key.column,
      path: key.path,
    }
    const path = readPath(scalar, 'where', problems)
    return path === undefined ? [] : [{ path: path.query, values: readTexts(value, text, problems) }]
  })
}

/** One text or a list of them. */
function readTexts(node: SourceNode | undefined, what: string, problems: Problems): readonly string[] {
  if (node === undefined) return []
  const items = node.kind === 'list' ? node.items : [node]
  return items.flatMap(item => {
    if (item.kind === 'scalar' && item.value !== null) return [item.text]
    problems.add(item, 'wrong_type', `The field ${what} is a text, or a list of texts.`)
    return []
  })
}

function isPathText(text: string): boolean {
  return /^[$@](?:$|[.[])/.test(text)
}

function readPath(node: SourceNode, what: string, problems: Problems): PathSpec | undefined {
  const text = node.kind === 'scalar' && typeof node.value === 'string' ? node.value : ''
  if (!isPathText(text))
    return problems.add(node, 'invalid_path', `The field ${what} is a JSONPath, such as $.data.id.`)
  const isOfEach = text.startsWith('@')
  try {
    const query: JSONPathQuery = compile(isOfEach ? `$${text.slice(1)}` : text)
    return { text, query, isOfEach }
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    return problems.add(node, 'invalid_path', `${text} is no JSONPath: ${detail}.`)
  }
}

/** A value as it stands in the file: numbers as their text, so that no digit is lost. */
export function constantOf(node: SourceNode): unknown {
  switch (node.kind) {
    case 'scalar':
      return typeof node.value === 'number' ? node.text : node.value
    case 'list':
      return node.items.map(constantOf)
    case 'map':
      return Object.fromEntries([...node.members].map(([name, { value }]) => [name, constantOf(value)]))
    default:
      return node satisfies never
  }
}
