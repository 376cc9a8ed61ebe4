// The mapping of a connection at work: the values of one record in the receiver's terms.
//
// A connector asks for all values that it needs, builds its document, and then asks `refusal`: so a record is refused
// once, with everything that its mapping lacks. The file is read again when it has changed; a file that is broken then
// stops the connection and refuses nothing.
// Invariants:
// 1. What nothing maps refuses that record alone, and never becomes a default.
// 2. Each value has the form that its field asks for, wherever it comes from: texts of records and external ids of customers
//    may hold what would be a part of a path or a query.

import { readFile, stat } from 'node:fs/promises'
import type { CatalogProblem } from '../../schemas/catalog/catalog-source.js'
import { nearestHint } from '../../schemas/nearest-name.js'
import type { ConnectorRecord, PutOutcome, Stopped } from '../connector.js'
import type { CustomerIds, ExternalSystem } from '../customer-ids.js'
import type { MappingFields } from './mapping-fields.js'
import { type MappingFile, type MappingRule, type MappingSection, parseMappingFile } from './mapping-file.js'
import { type Facts, factsOf, type LineFacts } from './record-facts.js'

export interface RecordMapping {
  /** The value of a field that the document must have; '' where nothing maps it, and then `refusal` says so. */
  value(field: string, line?: LineFacts): string
  /** Undefined where the mapping file does not have the field, or a rule says `omit`. */
  optional(field: string, line?: LineFacts): string | undefined
  /** Their account of a line: the field `accounts`. */
  account(line: LineFacts & { readonly account: string }): string
  /** Their id of the record's customer: the field `customers`, else the customer's external id. */
  customer(): string
  /** What keeps the record from being sent, after all values were asked for. */
  refusal(): PutOutcome | undefined
}

export interface RecordMappings {
  of(record: ConnectorRecord): Promise<RecordMapping>
  /** For `check`: the file as it is now. */
  problem(): Promise<Stopped | undefined>
}

export interface MappingOptions {
  /** Absolute; undefined: the connection has no mapping file. */
  readonly file: string | undefined
  readonly fields: MappingFields
  readonly customersAre?: ExternalSystem | undefined
  readonly customerIds: CustomerIds
}

type Loaded = { readonly kind: 'ok'; readonly mapping: MappingFile } | Stopped

export class MappingOfFile implements RecordMappings {
  readonly #options: MappingOptions
  #loaded: { readonly stamp: string; readonly now: Loaded } | undefined

  constructor(options: MappingOptions) {
    this.#options = options
  }

  async problem(): Promise<Stopped | undefined> {
    const loaded = await this.#load()
    return loaded.kind === 'ok' ? undefined : loaded
  }

  async of(record: ConnectorRecord): Promise<RecordMapping> {
    const loaded = await this.#load()
    if (loaded.kind !== 'ok') return new AppliedMapping(record, new Map(), this.#options, loaded)
    const { customersAre, customerIds } = this.#options
    const customerId = factsOf(record)('customer')
    const section = loaded.mapping.get('customers')
    if (customersAre === undefined || customerId === undefined || has(section, factsOf(record)))
      return new AppliedMapping(record, loaded.mapping, this.#options)
    try {
      const theirs = (await customerIds.of(customerId))[customersAre]
      return new AppliedMapping(record, loaded.mapping, this.#options, undefined, theirs)
    } catch (error) {
      const detail = `the external ids of customers cannot be read: ${String(error)}`
      const wait: PutOutcome = { kind: 'throttled', code: 'identities_unavailable', detail }
      return new AppliedMapping(record, loaded.mapping, this.#options, wait)
    }
  }

  async #load(): Promise<Loaded> {
    const { file, fields } = this.#options
    if (file === undefined) return { kind: 'ok', mapping: new Map() }
    try {
      const { mtimeMs, size, ino } = await stat(file)
      const stamp = `${mtimeMs} ${size} ${ino}`
      if (this.#loaded?.stamp === stamp) return this.#loaded.now
      const parsed = parseMappingFile(await readFile(file, 'utf8'), file, fields)
      const now: Loaded =
        parsed.kind === 'ok' ? parsed : invalid(parsed.problems.map(describeMappingProblem).join(' '))
      this.#loaded = { stamp, now }
      return now
    } catch (error) {
      return invalid(`${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`)
    }
  }
}

export function describeMappingProblem({ file, line, message }: CatalogProblem): string {
  return `${file}:${line}: ${message}`
}

function invalid(detail: string): Stopped {
  return { kind: 'stopped', code: 'mapping_invalid', detail: detail.slice(0, 1_000) }
}

class AppliedMapping implements RecordMapping {
  readonly #record: ConnectorRecord
  readonly #mapping: MappingFile
  readonly #options: MappingOptions
  readonly #instead: PutOutcome | undefined
  readonly #customer: string | undefined
  readonly #missing = new Map<string, string>()

  constructor(
    record: ConnectorRecord,
    mapping: MappingFile,
    options: MappingOptions,
    instead?: PutOutcome,
    customer?: string,
  ) {
    this.#record = record
    this.#mapping = mapping
    this.#options = options
    this.#instead = instead
    this.#customer = customer
  }

  value(field: string, line?: LineFacts): string {
    return this.#find(field, line) ?? this.#lacks(field, line)
  }

  optional(field: string, line?: LineFacts): string | undefined {
    const section = this.#mapping.get(field)
    if (section === undefined) return undefined
    if (section.kind === 'rules') {
      const rule = firstRule(section.rules, factsOf(this.#record, line))
      if (rule !== undefined && 'omit' in rule.gives) return undefined
    }
    return this.value(field, line)
  }

  account(line: LineFacts & { readonly account: string }): string {
    return this.value('accounts', line)
  }

  customer(): string {
    const found = this.#find('customers')
    if (found !== undefined) return found
    const { customersAre, file } = this.#options
    const ours = factsOf(this.#record)('customer') ?? ''
    const where = file === undefined ? '' : `${file} does not name it, and `
    this.#missing.set(
      'customers',
      `the customer ${ours} is not known there: ${where}it has no external id ${customersAre ?? ''}`.trim(),
    )
    return ''
  }

  refusal(): PutOutcome | undefined {
    if (this.#instead !== undefined) return this.#instead
    if (this.#missing.size === 0) return undefined
    const isCustomerAlone = this.#missing.size === 1 && this.#missing.has('customers')
    const detail = [...this.#missing.values()].join('; ').slice(0, 1_000)
    return { kind: 'refused', code: isCustomerAlone ? 'customer_not_mapped' : 'unmapped_value', detail }
  }

  #find(field: string, line?: LineFacts): string | undefined {
    const facts = factsOf(this.#record, line)
    const section = this.#mapping.get(field)
    const ofFile = section === undefined ? undefined : valueIn(section, facts)
    const found = ofFile ?? (field === 'customers' ? this.#customer : undefined)
    const pattern = this.#options.fields[field]?.pattern
    if (found === undefined || pattern === undefined || pattern.test(found)) return found
    const words = `${field}: ${found.slice(0, 100)} is not of the form ${pattern.source}` // invariant 2
    this.#missing.set(field === 'customers' ? field : words, words)
    return ''
  }

  #lacks(field: string, line?: LineFacts): '' {
    if (field === 'customers') {
      this.customer()
      return ''
    }
    const facts = factsOf(this.#record, line)
    const section = this.#mapping.get(field)
    const { file = 'the connection has no mapping file, which' } = this.#options
    const words = section === undefined ? `the field is not in ${file}` : notMapped(section, facts, file)
    this.#missing.set(`${field} ${words}`, `${field}: ${words}`)
    return ''
  }
}

function has(section: MappingSection | undefined, facts: Facts): boolean {
  return section !== undefined && valueIn(section, facts) !== undefined
}

function valueIn(section: MappingSection, facts: Facts): string | undefined {
  if (section.kind === 'map') return section.values.get(facts(section.by) ?? '')
  const rule = firstRule(section.rules, facts)
  if (rule === undefined || 'omit' in rule.gives) return undefined
  return 'value' in rule.gives ? rule.gives.value : facts(rule.gives.from)
}

/** A rule with `from` agrees only where the record has that fact. */
function firstRule(rules: readonly MappingRule[], facts: Facts): MappingRule | undefined {
  return rules.find(
    ({ match, gives }) =>
      [...match].every(([fact, values]) => values.has(facts(fact) ?? '')) &&
      (!('from' in gives) || (facts(gives.from) ?? '') !== ''),
  )
}

function notMapped(section: MappingSection, facts: Facts, file: string): string {
  if (section.kind === 'map') {
    const ours = facts(section.by) ?? ''
    return `${section.by} ${ours === '' ? '(none)' : ours} is not in ${file}${nearestHint(ours, section.values.keys())}`
  }
  const asked = [...new Set(section.rules.flatMap(({ match }) => [...match.keys()]))]
  const has = asked.map(fact => `${fact} ${facts(fact) ?? '(none)'}`).join(', ')
  const [fact] = asked
  const known = new Set(section.rules.flatMap(({ match }) => [...(match.get(fact ?? '') ?? [])]))
  const hint = asked.length === 1 ? nearestHint(facts(fact ?? '') ?? '', known) : ''
  return `no rule in ${file} agrees with ${has === '' ? 'the record' : has}${hint}`
}
