// Where the parts of Weir ask about exceptions: the list with all its sources, read anew for each question. Routes,
// redriving and metrics use it, so that all of them mean the same exceptions.

import type { FeatureParts } from '../feature/feature.js'
import type { ExceptionFilter } from './exception-filter.js'
import type { ExceptionSources } from './exceptions-sql.js'
import { type GroupRule, shippedRules } from './group-rules.js'
import { KnownCatalog, meterNamesOf } from './known-catalog.js'
import { type OwnerRule, shippedOwners } from './owner-rules.js'
import { type Exception, type PageRequest, readAll, readPage } from './read-exceptions.js'
import { readSetAside } from './set-aside-rows.js'

export interface ExceptionRules {
  readonly groups: readonly GroupRule[]
  readonly owners: readonly OwnerRule[]
}

export type DeskParts = Pick<FeatureParts, 'js' | 'jsm' | 'queries'> & {
  readonly buckets: Pick<FeatureParts['buckets'], 'sinks'>
}

export class ExceptionDesk {
  readonly rules: ExceptionRules
  readonly catalog: KnownCatalog
  readonly #parts: DeskParts

  constructor(parts: DeskParts, rules: ExceptionRules = { groups: shippedRules, owners: shippedOwners }) {
    this.rules = rules
    this.#parts = parts
    this.catalog = new KnownCatalog(parts.js, parts.jsm)
  }

  async sources(): Promise<ExceptionSources> {
    const [setAside, index] = await Promise.all([
      readSetAside(this.#parts.buckets.sinks),
      this.catalog.index(),
    ])
    return { setAside, owners: this.rules.owners, meters: meterNamesOf(index) }
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
}
