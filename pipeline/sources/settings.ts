// The sections `sources` and `arrivals` of the configuration. What all kinds share is here; each kind brings the rest.
// Invariant: the configuration names a secret's file or variable and never holds the secret.

import type { z as Zod } from 'zod'
import type { SecretSource } from '../../sinks/connector-kind.js'
import { secretSource } from '../../sinks/settings-parts.js'
import { unionOfKinds } from '../config/kind-union.js'
import type { SettingsSection } from '../config/setting.js'
import { sourceKinds } from './kinds.js'
import type { SourceKind, SourceObject } from './source-kind.js'

/** Where ours for their id comes from; of several the first that gives one. */
export type IdRule =
  | { readonly from: 'table' }
  /** Their id itself, behind the prefix. */
  | { readonly from: 'theirs'; readonly prefix: string }
  /** A key of their metadata. */
  | { readonly from: 'metadata'; readonly key: string }

export type IdRules = Readonly<Record<SourceObject, readonly IdRule[]>>

export interface BasicLogin {
  readonly username: string
  readonly password: SecretSource
}

export interface SourceSettings extends Readonly<Record<string, unknown>> {
  readonly name: string
  readonly kind: string
  /** Secrets of signatures: one, or two while one is being replaced. */
  readonly secrets: readonly SecretSource[]
  /** Logins of basic authentication, likewise. */
  readonly auth: readonly BasicLogin[]
  /** The mapping file, relative to the configuration file. */
  readonly mapping?: string | undefined
  /** Whose ids it has. */
  readonly system: string
  readonly ids: IdRules
  readonly limits: SourceLimits
}

export interface SourceLimits {
  readonly bodyBytes: number
  /** Arrivals that are kept in a second, over ten seconds. */
  readonly perSecond: number
  /** Requests whose bodies are being read at once. */
  readonly inFlight: number
}

export interface ArrivalsSettings {
  readonly keep_days: number
  readonly max_gb: number
}

const gigabyte = 1_000_000_000

/** How long what came is kept, and how much of it. */
export const arrivalsSettings: SettingsSection<ArrivalsSettings> = {
  name: 'arrivals',
  settings: [],
  schema: z =>
    z
      .strictObject({
        keep_days: z.int().min(1).max(3_660).default(90),
        max_gb: z.number().positive().max(1_000_000).default(20),
      })
      .prefault({}) as Zod.ZodType<ArrivalsSettings>,
}

export function maxArrivalBytes({ max_gb }: ArrivalsSettings): number {
  return Math.floor(max_gb * gigabyte)
}

export const sourcesSettings: SettingsSection<readonly SourceSettings[]> = {
  name: 'sources',
  settings: [],
  schema: z =>
    z
      .array(unionOfKinds(z, sourceKinds, shared))
      .max(100)
      .superRefine(refuseSharedNames)
      .superRefine(refuseContradictions)
      .default([]) as unknown as Zod.ZodType<readonly SourceSettings[]>,
}

function shared(z: typeof Zod, kind: SourceKind) {
  return {
    name: z.string().regex(/^[a-z][a-z0-9_-]{0,39}$/, 'up to 40 of a-z, 0-9, _ and -, the first a letter'),
    secrets: secrets(z, kind),
    auth: auth(z, kind),
    mapping: mapping(z, kind),
    system: z
      .string()
      .regex(/^[a-z][a-z0-9_-]{0,39}$/)
      .default(kind.system),
    ids: ids(z),
    limits: limits(z),
  }
}

function secrets(z: typeof Zod, { kind, proof }: SourceKind) {
  if (proof === 'basic' || proof === 'none')
    return z.never(`a source of kind ${kind} signs nothing`).array().default([])
  const list = z.array(secretSource(z)).max(2, 'are at most two: the new one, and the one that it replaces')
  return proof === 'signature' ? list.min(1, 'names the secret of its signatures') : list.default([])
}

function auth(z: typeof Zod, { kind, proof }: SourceKind) {
  if (proof === 'signature' || proof === 'none')
    return z.never(`a source of kind ${kind} has no login`).array().default([])
  const login = z.strictObject({ username: z.string().min(1).max(200), password: secretSource(z) })
  const list = z.array(login).max(2, 'are at most two: the new one, and the one that it replaces')
  return proof === 'basic' ? list.min(1, 'names the login that it sends') : list.default([])
}

function mapping(z: typeof Zod, { kind, mapping: needs }: SourceKind) {
  if (needs === 'none') return z.never(`a source of kind ${kind} has no mapping`).optional()
  const file = z.string('names the mapping file').min(1)
  return needs === 'required' ? file : file.optional()
}

function ids(z: typeof Zod) {
  const one = z.union(
    [
      z.literal('table').transform(() => ({ from: 'table' }) as const),
      z.literal('theirs').transform(() => ({ from: 'theirs', prefix: '' }) as const),
      z
        .strictObject({ prefix: z.string().min(1).max(40) })
        .transform(({ prefix }) => ({ from: 'theirs', prefix }) as const),
      z
        .strictObject({ metadata: z.string().min(1).max(100) })
        .transform(({ metadata: key }) => ({ from: 'metadata', key }) as const),
    ],
    'is table, theirs, { prefix: … }, { metadata: … }, or a list of these',
  )
  const rule = z.union([one.transform(value => [value]), z.array(one).min(1).max(4)])
  const ofTable = () => rule.prefault('table')
  return z
    .strictObject({
      customer: ofTable(),
      plan: ofTable(),
      price: ofTable(),
      entity: ofTable(),
      subscription: rule.prefault('theirs'),
    })
    .prefault({})
}

function limits(z: typeof Zod) {
  return z
    .strictObject({
      body_kb: z.int().min(1).max(8_000).default(1_000),
      per_second: z.number().positive().max(10_000).default(100),
      in_flight: z.int().min(1).max(200).default(16),
    })
    .prefault({})
    .transform(
      ({ body_kb, per_second, in_flight }): SourceLimits => ({
        bodyBytes: body_kb * 1_000,
        perSecond: per_second,
        inFlight: in_flight,
      }),
    )
}

type Context = { addIssue: (issue: { code: 'custom'; path: PropertyKey[]; message: string }) => void }

function refuseSharedNames(sources: readonly unknown[], context: Context): void {
  const seen = new Set<string>()
  for (const [index, source] of sources.entries()) {
    const { name } = source as SourceSettings
    const message = 'is that of another source already'
    if (seen.has(name)) context.addIssue({ code: 'custom', path: [index, 'name'], message })
    seen.add(name)
  }
}

/** A source that may prove itself in two ways needs one of them; and what its kind says of its settings as a whole. */
function refuseContradictions(sources: readonly unknown[], context: Context): void {
  for (const [index, source] of sources.entries()) {
    const settings = source as SourceSettings
    const kind = sourceKinds.find(one => one.kind === settings.kind)
    const told = [...(kind?.faults?.(settings) ?? [])]
    if (kind?.proof === 'signature_or_basic' && settings.secrets.length + settings.auth.length === 0)
      told.push({
        key: 'secrets',
        message: 'or auth: it needs the secret of its signatures, or the login that it sends',
      })
    for (const { key, message } of told) context.addIssue({ code: 'custom', path: [index, key], message })
  }
}
