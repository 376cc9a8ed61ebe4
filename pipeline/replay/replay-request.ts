// What a replay is asked for: read from a request, checked, and kept in the record of its job.
// Invariant: what cannot be answered exactly is refused with a code before the job begins, as far as it is known then.

import { z } from 'zod'
import { isLevel } from '../../rating/aggregations/registry.js'
import type { Catalog } from '../../schemas/catalog/catalog.js'
import {
  catalogToWire,
  mergeCatalogs,
  parseCatalogValue,
  rejectionOf,
} from '../../schemas/catalog/catalog-parser.js'
import { hashOfValue } from '../../schemas/event/event-hash.js'
import type { Rejection } from '../../schemas/rejection.js'
import { formatInstant, parseInstant } from '../../schemas/time.js'
import { Problem } from '../gateway/problem.js'
import { metersWithoutHistory, plansNotPublished, whatIfCatalog } from '../shadow/what-if-catalog.js'

export const purposes = ['replay', 'catalog_diff'] as const
export const sources = ['input', 'history'] as const
export type ReplaySource = (typeof sources)[number]

/** The request as the record of the job keeps it. */
export const keptRequestSchema = z.object({
  purpose: z.enum(purposes),
  from: z.string(),
  until: z.string(),
  source: z
    .enum(sources)
    .describe('`input`: the streams METERING, LIFECYCLE, CATALOG; `history`: the rated rows'),
  customer_id: z.string().nullable(),
  catalog: z.unknown().describe('The terms that are tried; null: those that are published'),
  catalog_hash: z.string().nullable(),
  plans: z
    .array(z.object({ plan: z.string(), version: z.int() }))
    .describe('Whose terms are tried, in the place of every published version of the plan'),
  notes: z.array(z.string()),
})
export type KeptRequest = z.infer<typeof keptRequestSchema>

export interface AskedReplay {
  readonly purpose: (typeof purposes)[number]
  readonly from: string
  readonly until: string
  readonly source: ReplaySource | 'auto'
  readonly customerId?: string
  readonly catalog?: unknown
}

/** What the inputs still hold. */
export interface HeldInput {
  /** Whether CATALOG and LIFECYCLE hold all that ever came. */
  readonly changesWhole: boolean
  readonly usageWhole: boolean
  /** When the first usage that METERING holds came; undefined: it holds none. */
  readonly usageFromMs: number | undefined
}

/** Events may be so much ahead of their arrival; usage of a stretch came at the earliest so long before it. */
const toleranceMs = 5 * 60_000

/** Throws a `Problem`. */
export function resolveRequest(asked: AskedReplay, published: Catalog, held: HeldInput): KeptRequest {
  const [from, until] = [instantOf(asked.from, '/from'), instantOf(asked.until, '/until')]
  if (from >= until) throw new Problem('invalid_request', '`from` lies before `until`.')
  const tried = asked.catalog === undefined ? undefined : readTried(asked.catalog)
  if (tried !== undefined) assertTried(asked, tried, published)
  const notes: string[] = []
  const source = sourceOf(asked, tried, published, held, from)
  if (source === 'input' && !held.usageWhole) {
    notes.push(
      'METERING no longer holds its beginning: an event without a `time` that came again counts as new.',
    )
  }
  const wire = tried === undefined ? null : catalogToWire(tried)
  const ofPlans =
    asked.purpose === 'catalog_diff' ? plansNotPublished(published, tried!) : (tried?.plans ?? [])
  return {
    purpose: asked.purpose,
    from: formatInstant(from),
    until: formatInstant(until),
    source,
    customer_id: asked.customerId ?? null,
    catalog: wire,
    catalog_hash: wire === null ? null : hashOfValue(wire),
    plans: newestOf(ofPlans),
    notes,
  }
}

/** The terms of a replay, whole; undefined: those that are published. */
export function catalogOf({ catalog, plans }: KeptRequest, published: Catalog): Catalog | undefined {
  if (catalog === null) return undefined
  const tried = readTried(catalog)
  const isTried = (plan: string, version: number) =>
    plans.some(one => one.plan === plan && one.version === version)
  return whatIfCatalog(published, {
    ...tried,
    plans: tried.plans.filter(one => isTried(one.plan, one.version)),
  })
}

/** The terms that are tried, as they were given. */
export function catalogIn({ catalog }: KeptRequest): Catalog | undefined {
  return catalog === null ? undefined : readTried(catalog)
}

function newestOf(plans: Catalog['plans']): KeptRequest['plans'] {
  const newest = new Map<string, number>()
  for (const { plan, version } of plans) newest.set(plan, Math.max(version, newest.get(plan) ?? version))
  return [...newest].map(([plan, version]) => ({ plan, version }))
}

export function instantOf(text: string, pointer: string): bigint {
  const instant = parseInstant(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text)
  if (instant !== undefined) return instant
  throw new Problem(
    'invalid_request',
    `${pointer}: ${JSON.stringify(text)} is no instant, such as 2026-10-01T00:00:00Z.`,
  )
}

function readTried(value: unknown): Catalog {
  const parsed = parseCatalogValue(value, 'part')
  if (parsed.kind === 'ok') return parsed.catalog
  throw refusal(rejectionOf(parsed.problems, '/catalog'))
}

/** As publishing would refuse it; a replay may also try other content under a published number. */
function assertTried({ purpose }: AskedReplay, tried: Catalog, published: Catalog): void {
  const meters = whatIfCatalog(published, tried).meters
  const merged =
    purpose === 'catalog_diff'
      ? mergeCatalogs(published, tried)
      : mergeCatalogs({ meters, plans: [] }, { meters: [], plans: tried.plans })
  if (merged.kind === 'conflict') throw refusal(merged.rejection)
}

function refusal({ code, detail, pointer }: Rejection): Problem {
  const at = pointer === undefined ? '' : ` (${pointer})`
  return new Problem(code === 'conflicting_catalog' ? code : 'invalid_catalog', `${detail}${at}`)
}

function sourceOf(
  { source }: AskedReplay,
  tried: Catalog | undefined,
  published: Catalog,
  held: HeldInput,
  fromNs: bigint,
): ReplaySource {
  const unread = tried === undefined ? [] : metersWithoutHistory(published, tried).map(({ meter }) => meter)
  const lack = lackOfInput(held, whatIfCatalog(published, tried ?? published), fromNs)
  if (source === 'input' || (source === 'auto' && (tried === undefined || unread.length > 0))) {
    if (lack === undefined) return 'input'
    if (source === 'input') throw new Problem('input_purged', lack)
  }
  if (unread.length === 0) return 'history'
  const names = unread.join(', ')
  throw new Problem(
    'meter_not_in_history',
    `History has no readings of ${names}, which is not published as it stands here. ${lack ?? 'Replay the input.'}`,
  )
}

/** Why the input cannot be replayed; undefined: it can. */
function lackOfInput(held: HeldInput, catalog: Catalog, fromNs: bigint): string | undefined {
  if (!held.changesWhole) return 'LIFECYCLE or CATALOG no longer holds its beginning.'
  if (held.usageWhole) return undefined
  const level = catalog.meters.find(({ aggregation }) => isLevel(aggregation))
  if (level !== undefined) {
    return `METERING no longer holds its beginning, which the level of the meter ${level.meter} comes from.`
  }
  const fromMs = Number(fromNs / 1_000_000n) - toleranceMs
  if (held.usageFromMs !== undefined && held.usageFromMs <= fromMs) return undefined
  return 'METERING no longer holds the usage of that stretch.'
}
