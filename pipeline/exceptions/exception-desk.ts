// Where the parts of Weir ask about exceptions: the list with all its sources, read anew for each question. Routes,
// redriving and metrics use it, so that all of them mean the same exceptions.

import { FieldRules } from '../../schemas/personal-data/field-rules.js'
import { sectionOf, type WeirConfig } from '../config/config.js'
import type { FeatureParts } from '../feature/feature.js'
import { readConflicts } from './conflict-rows.js'
import type { ExceptionFilter } from './exception-filter.js'
import { type ExceptionGroup, groupValues, readGroups } from './exception-groups.js'
import type { ExceptionSources } from './exceptions-sql.js'
import { type GroupRule, groupKeyText, shippedRules } from './group-rules.js'
import { KnownCatalog, meterNamesOf } from './known-catalog.js'
import { type AtStake, MoneyAtStake } from './money/money-at-stake.js'
import { MoneySums, type MoneyView } from './money/money-sums.js'
import { type Original, originalsOf } from './originals.js'
import { type OwnerRule, shippedOwners } from './owner-rules.js'
import { type Exception, type PageRequest, readAll, readPage } from './read-exceptions.js'
import { readSetAside } from './set-aside-rows.js'
import { exceptionsSettings } from './settings.js'
import { readTaxTroubles } from './tax-rows.js'

export interface ExceptionRules {
  readonly groups: readonly GroupRule[]
  readonly owners: readonly OwnerRule[]
}

export type DeskParts = Pick<FeatureParts, 'js' | 'jsm' | 'queries'> & {
  readonly buckets: Pick<FeatureParts['buckets'], 'sinks'> &
    Partial<Pick<FeatureParts['buckets'], 'arrivals' | 'taxes'>>
  /** Absent: no status of a customer is an exception. */
  readonly gates?: Pick<FeatureParts['gates'], 'statusWords'>
  /** Absent: no field is personal. */
  readonly personal?: FieldRules
}

/** Exceptions whose money is summed for one answer; the others are counted as such. */
const maxValued = 5_000
const pageSize = 500

/** Rules of the configuration first. */
export function rulesOf(config: WeirConfig): ExceptionRules {
  const { group_rules, owner_rules } = sectionOf(config, exceptionsSettings)
  const isOwn = (rule: GroupRule): boolean => group_rules.some(own => own.rule === rule.rule)
  return {
    groups: [...group_rules, ...shippedRules.filter(rule => !isOwn(rule))],
    owners: [...owner_rules, ...shippedOwners],
  }
}

export class ExceptionDesk {
  readonly rules: ExceptionRules
  readonly personal: FieldRules
  readonly #parts: DeskParts
  readonly #catalog: KnownCatalog
  readonly #money: MoneyAtStake

  constructor(parts: DeskParts, rules: ExceptionRules = { groups: shippedRules, owners: shippedOwners }) {
    this.rules = rules
    this.personal = parts.personal ?? new FieldRules([])
    this.#parts = parts
    this.#catalog = new KnownCatalog(parts.js, parts.jsm)
    this.#money = new MoneyAtStake(parts.queries, parts.jsm, this.#catalog)
  }

  async page(request: PageRequest): Promise<readonly Exception[]> {
    return readPage(this.#parts.queries, await this.sources(), request)
  }

  /** One by one, in pages of `limit`, in the order of the first failure. */
  async *all(request: PageRequest): AsyncGenerator<readonly Exception[], void, undefined> {
    yield* readAll(this.#parts.queries, await this.sources(), request)
  }

  async one(id: string): Promise<Exception | undefined> {
    const filter: ExceptionFilter = { id: [id] }
    return (await this.page({ filter, limit: 1, withPayload: true }))[0]
  }

  /** The whole event of each, by place; they were read with their payload. */
  originals(exceptions: readonly Exception[]): Promise<readonly Original[]> {
    return originalsOf(this.#parts.jsm, exceptions)
  }

  /** What each is worth, by place; they were read with their payload. */
  atStake(exceptions: readonly Exception[]): Promise<readonly AtStake[]> {
    return this.#money.of(exceptions)
  }

  async groups(filter: ExceptionFilter, rule: GroupRule, nowMs: number): Promise<readonly ExceptionGroup[]> {
    return readGroups(this.#parts.queries, await this.sources(), { filter, rule, nowMs })
  }

  /** The money at stake of each group, by its key; of the oldest exceptions when there are very many. */
  async moneyByGroup(filter: ExceptionFilter, rule: GroupRule): Promise<ReadonlyMap<string, MoneySums>> {
    const sums = new Map<string, MoneySums>()
    let count = 0
    for await (const page of this.all({ filter, limit: pageSize, withPayload: true })) {
      const stakes = await this.atStake(page)
      for (const [index, exception] of page.entries()) {
        const key = groupKeyText({ rule, values: groupValues(exception, rule) })
        const ofGroup = sums.get(key) ?? new MoneySums()
        ofGroup.add(stakes[index]!)
        sums.set(key, ofGroup)
      }
      count += page.length
      if (count >= maxValued) break
    }
    return sums
  }

  /** The money at stake of all of them; of the oldest when there are very many. */
  async money(filter: ExceptionFilter): Promise<MoneyView> {
    const sums = new MoneySums()
    let count = 0
    for await (const page of this.all({ filter, limit: pageSize, withPayload: true })) {
      if (count < maxValued) for (const stake of await this.atStake(page)) sums.add(stake)
      count += page.length
    }
    return sums.view(count)
  }

  async sources(): Promise<ExceptionSources> {
    const { gates, buckets, jsm } = this.#parts
    const [setAside, index, conflicts, taxTroubles] = await Promise.all([
      readSetAside(buckets.sinks),
      this.#catalog.index(),
      buckets.arrivals === undefined ? [] : readConflicts(buckets.arrivals, jsm),
      buckets.taxes === undefined ? [] : readTaxTroubles(buckets.taxes, jsm),
    ])
    const statusWords = gates === undefined ? {} : { statusWords: gates.statusWords() }
    return {
      setAside,
      owners: this.rules.owners,
      meters: meterNamesOf(index),
      conflicts,
      taxTroubles,
      ...statusWords,
    }
  }
}
