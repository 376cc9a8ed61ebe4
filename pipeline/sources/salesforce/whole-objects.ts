// Reads what belongs together: an account with those above it; what was sold with its lines, amendments and renewals, contract,
// account and opportunity. Every record has all fields that we may see (`FIELDS(ALL)`, at most 200 records a query).
// Invariant: what is read was so at or after `at_ms`, the org's time before the first query.

import type { CrmRecord } from '../quotes/deal.js'
import type { AccountDocument, SoldDocument } from './documents.js'
import { textOf } from './documents.js'
import { idToGoOn, isRecordId, type Org } from './org.js'
import type { SoldFrom, SoldObject } from './usual-fields.js'
import { soldObject } from './usual-fields.js'

const idsMost = 100
const recordsMost = 200
/** Amendments of amendments, accounts above accounts. */
const mostLevels = 20

export class WholeObjects {
  readonly #org: Org
  readonly #from: SoldFrom

  constructor(org: Org, from: SoldFrom) {
    this.#org = org
    this.#from = from
  }

  async accounts(ids: readonly string[], signal: AbortSignal): Promise<readonly AccountDocument[]> {
    const { records, atMs } = await this.#byIds('Account', 'Id', ids, signal)
    const above = await this.#above(records, signal)
    return records.map(account => ({ read: 'account', at_ms: atMs, account, above: chainOf(account, above) }))
  }

  /** What was sold to which these records belong, each once. */
  async soldOf(
    object: string,
    ids: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly SoldDocument[]> {
    const sold = soldObject(this.#from)
    const roots = sold === undefined ? [] : await this.#rootsOf(sold, object, ids, signal)
    return sold === undefined || roots.length === 0 ? [] : this.#documents(sold, roots, signal)
  }

  async #rootsOf(
    sold: SoldObject,
    object: string,
    ids: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    switch (object) {
      case sold.object:
        return this.#climb(sold, ids, signal)
      case sold.line: {
        const lines = await this.#byIds(sold.line, 'Id', ids, signal)
        return this.#climb(sold, distinct(lines.records, sold.lineParent), signal)
      }
      case 'Opportunity': {
        if (sold.opportunity === undefined) return ids
        const found = await this.#byIds(sold.object, sold.opportunity, ids, signal)
        const counts = found.records.filter(one => one['SBQQ__Primary__c'] !== false)
        return this.#climb(sold, distinct(counts, 'Id'), signal)
      }
      case 'Contract': {
        const contracts = await this.#byIds('Contract', 'Id', ids, signal)
        return this.#climb(sold, distinct(contracts.records, 'SBQQ__Quote__c'), signal)
      }
      case 'SBQQ__Subscription__c': {
        const subscriptions = await this.#byIds('SBQQ__Subscription__c', 'Id', ids, signal)
        return this.#rootsOf(sold, 'Contract', distinct(subscriptions.records, 'SBQQ__Contract__c'), signal)
      }
      default:
        return []
    }
  }

  /** From amendments and renewals to the first quote. */
  async #climb(sold: SoldObject, ids: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
    if (this.#from !== 'quote') return [...new Set(ids)]
    const roots = new Set<string>()
    let level = [...new Set(ids)]
    for (let depth = 0; depth < mostLevels && level.length > 0; depth += 1) {
      const { records } = await this.#byIds(sold.object, 'Id', level, signal)
      for (const one of records)
        if (textOf(one, 'SBQQ__MasterContract__c') === '') roots.add(textOf(one, 'Id'))
      const contracts = await this.#byIds(
        'Contract',
        'Id',
        distinct(records, 'SBQQ__MasterContract__c'),
        signal,
      )
      level = distinct(contracts.records, 'SBQQ__Quote__c')
    }
    return [...roots]
  }

  async #documents(
    sold: SoldObject,
    roots: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly SoldDocument[]> {
    const { records: first, atMs } = await this.#byIds(sold.object, 'Id', roots, signal)
    const { quotes, contracts, rootOf } = await this.#descend(sold, first, signal)
    const lines = await this.#byIds(sold.line, sold.lineParent, distinct(quotes, 'Id'), signal)
    const subscriptions =
      this.#from === 'quote'
        ? (await this.#byIds('SBQQ__Subscription__c', 'SBQQ__Contract__c', distinct(contracts, 'Id'), signal))
            .records
        : []
    const opportunities =
      sold.opportunity === undefined
        ? []
        : (await this.#byIds('Opportunity', 'Id', distinct(quotes, sold.opportunity), signal)).records
    const { records: accounts } = await this.#byIds('Account', 'Id', distinct(first, sold.account), signal)
    const above = await this.#above(accounts, signal)
    const opportunityOf = (quote: CrmRecord) =>
      opportunities.find(one => sold.opportunity !== undefined && one['Id'] === quote[sold.opportunity]) ??
      null
    return first.map(record => {
      const root = textOf(record, 'Id')
      const account = accounts.find(one => one['Id'] === record[sold.account]) ?? null
      const others = quotes.filter(one => one !== record && rootOf.get(textOf(one, 'Id')) === root)
      const own = contracts.filter(one => rootOf.get(textOf(one, 'SBQQ__Quote__c')) === root)
      const ofContract = new Set(own.map(one => one['Id']))
      return {
        ...{
          read: 'sold',
          at_ms: atMs,
          root,
          account,
          above: account === null ? [] : chainOf(account, above),
        },
        opportunity: opportunityOf(record),
        steps: [record, ...others].map(step => ({
          record: step,
          lines: lines.records.filter(one => one[sold.lineParent] === step['Id']),
          opportunity: opportunityOf(step),
        })),
        contracts: own,
        subscriptions: subscriptions.filter(one => ofContract.has(one['SBQQ__Contract__c'])),
      }
    })
  }

  /** From first quotes to their contracts, and to what amends or renews those. */
  async #descend(sold: SoldObject, first: readonly CrmRecord[], signal: AbortSignal) {
    const quotes = [...first]
    const contracts: CrmRecord[] = []
    const rootOf = new Map(first.map(one => [textOf(one, 'Id'), textOf(one, 'Id')]))
    let level: readonly CrmRecord[] = this.#from === 'quote' ? first : []
    for (let depth = 0; depth < mostLevels && level.length > 0; depth += 1) {
      const found = await this.#byIds('Contract', 'SBQQ__Quote__c', distinct(level, 'Id'), signal)
      contracts.push(...found.records)
      const next = await this.#byIds(
        sold.object,
        'SBQQ__MasterContract__c',
        distinct(found.records, 'Id'),
        signal,
      )
      level = next.records.filter(one => !rootOf.has(textOf(one, 'Id')))
      for (const one of level) {
        const master = found.records.find(of => of['Id'] === one['SBQQ__MasterContract__c'])
        rootOf.set(textOf(one, 'Id'), rootOf.get(textOf(master, 'SBQQ__Quote__c')) ?? '')
      }
      quotes.push(...level)
    }
    return { quotes, contracts, rootOf }
  }

  /** All accounts above these, by id. */
  async #above(accounts: readonly CrmRecord[], signal: AbortSignal): Promise<ReadonlyMap<string, CrmRecord>> {
    const found = new Map<string, CrmRecord>()
    let level = distinct(accounts, 'ParentId')
    for (let depth = 0; depth < mostLevels && level.length > 0; depth += 1) {
      for (let from = 0; from < level.length; from += idsMost) {
        const some = level.slice(from, from + idsMost).filter(isRecordId)
        const soql = `SELECT Id, ParentId, SystemModstamp FROM Account WHERE Id IN (${quoted(some)})`
        for (const one of (await this.#org.query(soql, signal)).records) found.set(textOf(one, 'Id'), one)
      }
      level = distinct([...found.values()], 'ParentId').filter(one => !found.has(one))
    }
    return found
  }

  async #byIds(
    object: string,
    field: string,
    ids: readonly string[],
    signal: AbortSignal,
  ): Promise<{ readonly records: readonly CrmRecord[]; readonly atMs: number }> {
    const records: CrmRecord[] = []
    let atMs = 0
    const good = ids.filter(isRecordId)
    const product = object === 'OrderItem' ? ', Product2.ProductCode' : ''
    for (let from = 0; from < good.length; from += idsMost) {
      const wanted = quoted(good.slice(from, from + idsMost))
      for (let last = ''; ; ) {
        const after = last === '' ? '' : ` AND Id > '${last}'`
        const soql = `SELECT FIELDS(ALL)${product} FROM ${object} WHERE ${field} IN (${wanted})${after} ORDER BY Id LIMIT ${recordsMost}`
        const page = await this.#org.query(soql, signal)
        if (atMs === 0) atMs = page.atMs
        records.push(...page.records)
        if (page.records.length < recordsMost) break
        last = idToGoOn(page.records.at(-1)!)
      }
    }
    return { records, atMs }
  }
}

/** The accounts above one, the nearest first; where it is a part of itself, up to the one that stands twice. */
function chainOf(account: CrmRecord, above: ReadonlyMap<string, CrmRecord>): readonly CrmRecord[] {
  const chain: CrmRecord[] = []
  const seen = new Set([textOf(account, 'Id')])
  let next = textOf(account, 'ParentId')
  while (next !== '') {
    const one = above.get(next) ?? (next === textOf(account, 'Id') ? account : undefined)
    if (one === undefined) break
    chain.push(one)
    if (seen.has(next)) break
    seen.add(next)
    next = textOf(one, 'ParentId')
  }
  return chain
}

function distinct(records: readonly CrmRecord[], field: string): string[] {
  return [...new Set(records.map(one => textOf(one, field)).filter(one => one !== ''))]
}

function quoted(ids: readonly string[]): string {
  return ids.map(one => `'${one}'`).join(',')
}
