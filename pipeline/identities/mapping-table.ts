// The table of mappings in the bucket `weir_identities`: which of ours a system means by its id, as people set it.
// Invariants:
// 1. One theirs has one ours per object and system: it is one key, which is written on top of the revision that was read. A
//    second claim is told and never moves it.
// 2. The key by ours (`by.`) only finds; what holds is the key by theirs (`map.`). So a crash between both loses nothing that
//    counts, and setting the same again mends it.
// 3. Which customers an id has meant is on disk (`was.`) before it means another one or none, and is never forgotten.
// 4. Of several merges and splits at the same time one is written; the others are told and decide again (`writeMerge`), so that
//    what each of them saw still holds.

import { hash } from 'node:crypto'
import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV, KvEntry } from '@nats-io/kv'
import { z } from 'zod'
import { customerToken } from '../../schemas/identifiers.js'
import { bucketKeys } from '../broker/bucket-keys.js'
import { isWrongRevision, writeOver } from '../broker/wrong-revision.js'
import { type IdentityObject, identityObjects, ownSystem } from '../feature/identity-lookup.js'

export const mappingSchema = z.object({
  object: z.enum(identityObjects),
  ours: z.string(),
  system: z.string(),
  theirs: z.string(),
  set_at: z.string(),
  set_by: z.string(),
})
export const formersSchema = z.object({
  system: z.string(),
  theirs: z.string(),
  customers: z.array(z.string()),
})
/** Customers that an id meant before. */
export type Formers = Readonly<z.infer<typeof formersSchema>>
export type Mapping = Readonly<z.infer<typeof mappingSchema>>
export type MappingKey = Pick<Mapping, 'object' | 'system' | 'theirs'>
export type MappingIds = MappingKey & Pick<Mapping, 'ours'>

export interface KeptMapping {
  readonly mapping: Mapping
  readonly revision: number
}

export interface MappingFilter {
  readonly object?: IdentityObject | undefined
  readonly ours?: string | undefined
  readonly system?: string | undefined
  readonly theirs?: string | undefined
}

const bucket = 'weir_identities'
/** Keys of customers that were merged. */
export const mergesFilter = `map.customer.${ownSystem}.*`
/** Keys of what such a customer stood for before. */
export const formerMergesFilter = `was.customer.${ownSystem}.*`
const readAtOnce = 64
/** How long the keys of a list stand for its next page: reading all keys for each page of many would take hours. */
const pagesMs = 10_000

export class MappingTable {
  readonly #kv: KV
  readonly #jsm: JetStreamManager
  readonly #nowMs: () => number
  #listed: { readonly of: string; readonly keys: readonly string[]; readonly untilMs: number } | undefined

  constructor(kv: KV, jsm: JetStreamManager, nowMs: () => number = Date.now) {
    this.#kv = kv
    this.#jsm = jsm
    this.#nowMs = nowMs
  }

  async get(key: MappingKey): Promise<KeptMapping | undefined> {
    return keptIn(await this.#kv.get(keyOf(key)))
  }

  /**
   * False: somebody else wrote since `revision` was read; 0: there was none. `formers`: customers that the id meant by what
   * events said.
   */
  async write(mapping: Mapping, revision: number, formers: readonly string[] = []): Promise<boolean> {
    const before = revision === 0 ? undefined : await this.get(mapping)
    const meant = [...formers, ...(before === undefined ? [] : [before.mapping.ours])]
    await this.#remember(
      mapping,
      meant.filter(ours => ours !== mapping.ours),
    ) // invariant 3
    if (!(await writeOver(this.#kv, keyOf(mapping), JSON.stringify(mapping), revision))) return false
    if (before !== undefined && before.mapping.ours !== mapping.ours)
      await this.#kv.delete(byOurs(before.mapping))
    await this.#kv.put(byOurs(mapping), '')
    return true
  }

  /** The customers that an id meant before, those that it means again among them. */
  async formers(key: MappingKey): Promise<readonly string[]> {
    return (await this.#formersOf(key)).customers
  }

  /** The revision of the last merge or split; 0: there was none. */
  async lastMerge(): Promise<number> {
    const last_by_subj = `$KV.${bucket}.${mergesFilter}`
    return (await this.#jsm.streams.getMessage(`KV_${bucket}`, { last_by_subj }))?.seq ?? 0
  }

  /** False: somebody merged or split a customer since `last` was read. */
  async writeMerge(mapping: Mapping, last: number): Promise<boolean> {
    const expect = {
      streamName: `KV_${bucket}`,
      lastSubjectSequence: last,
      lastSubjectSequenceSubject: `$KV.${bucket}.${mergesFilter}`,
    }
    await this.#remember(mapping, [mapping.ours]) // invariant 3: known before it can be split
    try {
      const js = this.#jsm.jetstream()
      await js.publish(`$KV.${bucket}.${keyOf(mapping)}`, JSON.stringify(mapping), { expect })
    } catch (error) {
      if (isWrongRevision(error)) return false
      throw error
    }
    await this.#kv.put(byOurs(mapping), '')
    return true
  }

  async remove({ mapping, revision }: KeptMapping): Promise<boolean> {
    await this.#remember(mapping, [mapping.ours]) // invariant 3
    try {
      await this.#kv.delete(keyOf(mapping), { previousSeq: revision })
    } catch (error) {
      if (isWrongRevision(error)) return false
      throw error
    }
    await this.#kv.delete(byOurs(mapping))
    return true
  }

  async #remember(key: MappingKey, meant: readonly string[]): Promise<void> {
    if (key.object !== 'customer' || meant.length === 0) return // only customers have a partition
    for (;;) {
      const { customers, revision } = await this.#formersOf(key)
      const all = [...new Set([...customers, ...meant])]
      if (all.length === customers.length) return
      const { system, theirs } = key
      const formers: Formers = { system, theirs, customers: all }
      if (await writeOver(this.#kv, wasKey(key), JSON.stringify(formers), revision)) return
    }
  }

  async #formersOf(key: MappingKey) {
    const entry = await this.#kv.get(wasKey(key))
    const isThere = entry !== null && entry.operation === 'PUT'
    const customers = isThere ? formersSchema.parse(entry.json()).customers : []
    return { customers, revision: entry?.revision ?? 0 }
  }

  /** Those that fit, by key, behind `after`. */
  async list(
    filter: MappingFilter,
    after: string,
    most: number,
  ): Promise<readonly (KeptMapping & { readonly key: string })[]> {
    const keys = await this.#keysFor(filter, after)
    const found: (KeptMapping & { readonly key: string })[] = []
    const behind = keys.filter(key => key > after)
    for (let from = 0; from < behind.length && found.length < most; from += readAtOnce) {
      const part = behind.slice(from, from + readAtOnce)
      const kept = await Promise.all(part.map(async key => keptIn(await this.#kv.get(key))))
      for (const [index, one] of kept.entries())
        if (one !== undefined && fits(one.mapping, filter)) found.push({ ...one, key: part[index]! })
    }
    return found.slice(0, most)
  }

  /** Every mapping of one of ours. */
  of(object: IdentityObject, ours: string): Promise<readonly KeptMapping[]> {
    return this.list({ object, ours }, '', Number.POSITIVE_INFINITY)
  }

  /** A first page reads the keys anew; the pages behind it go on with them for a while. */
  async #keysFor(filter: MappingFilter, after: string): Promise<readonly string[]> {
    const of = JSON.stringify([filter.object, filter.ours, filter.system, filter.theirs])
    const listed = this.#listed
    if (after !== '' && listed?.of === of && this.#nowMs() < listed.untilMs) return listed.keys
    const keys = await this.#keysOf(filter)
    if (filter.ours === undefined) this.#listed = { of, keys, untilMs: this.#nowMs() + pagesMs }
    return keys
  }

  /** Keys of those that may fit. Keys of removed ones are among them. */
  async #keysOf({ object, ours, system, theirs }: MappingFilter): Promise<string[]> {
    const token = theirs === undefined ? '*' : tokenOf(theirs)
    if (ours === undefined)
      return bucketKeys(this.#jsm, bucket, `map.${object ?? '*'}.${system ?? '*'}.${token}`)
    const filter = `by.${object ?? '*'}.${customerToken(ours)}.${system ?? '*'}.${token}`
    const found = (await bucketKeys(this.#jsm, bucket, filter)).map(key => {
      const [, ofObject, , ofSystem, ofTheirs] = key.split('.')
      return `map.${ofObject}.${ofSystem}.${ofTheirs}`
    })
    return found.sort()
  }
}

function keptIn(entry: KvEntry | null): KeptMapping | undefined {
  if (entry === null || entry.operation !== 'PUT') return undefined
  return { mapping: mappingSchema.parse(entry.json()), revision: entry.revision }
}

function fits(mapping: Mapping, { object, ours, system, theirs }: MappingFilter): boolean {
  return (
    (object === undefined || mapping.object === object) &&
    (ours === undefined || mapping.ours === ours) &&
    (system === undefined || mapping.system === system) &&
    (theirs === undefined || mapping.theirs === theirs)
  )
}

export function keyOf({ object, system, theirs }: MappingKey): string {
  return `map.${object}.${system}.${tokenOf(theirs)}`
}

export function wasKey({ object, system, theirs }: MappingKey): string {
  return `was.${object}.${system}.${tokenOf(theirs)}`
}

function byOurs({ object, ours, system, theirs }: MappingIds): string {
  return `by.${object}.${customerToken(ours)}.${system}.${tokenOf(theirs)}`
}

function tokenOf(theirs: string): string {
  return hash('sha256', theirs, 'hex').slice(0, 32)
}
