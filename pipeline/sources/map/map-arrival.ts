// From one arrival to its outcome: runs the kind's mapping, finds the ids that it asks for, and checks the events that it
// gives, all before anything is published.
// Invariants:
// 1. The mapping is a pure function: it is run again with what it asked for until it asks for nothing new.
// 2. All events of an arrival are well-formed, or none is published: the arrival waits with everything that is wrong.

import { validateEvent } from '../../../schemas/event/cloud-event.js'
import { parseInstant } from '../../../schemas/time.js'
import type { AskedIdentity, FoundIdentity, IdentityLookup } from '../../feature/identity-lookup.js'
import { identityObjects, ownSystem } from '../../feature/identity-lookup.js'
import { weirEventProblem } from '../../gateway/weir-events.js'
import type { Homes } from '../owners/customer-homes.js'
import { combinedClaims, type ObjectClaim } from '../owners/object-claim.js'
import type { OwnerRule } from '../owners/owner-rules.js'
import type { IdRule, SourceSettings } from '../settings.js'
import type {
  Arrival,
  FetchWhat,
  Loaded,
  MapContext,
  MapOutcome,
  ObjectState,
  SourceObject,
} from '../source-kind.js'
import { atHome } from './at-home.js'
import { contentHash, type MadeEvent, type Maker, makeEvent, maxVersion } from './made-events.js'
import { ownEvent } from './own-event.js'

export interface Fault {
  readonly code: string
  readonly detail: string
  readonly pointer: string
}

export type Outcome =
  | {
      readonly kind: 'events'
      readonly events: readonly MadeEvent[]
      /** By place of the event. */
      readonly hashes: readonly string[]
      readonly state: (ObjectState & { readonly fetch?: FetchWhat }) | undefined
      /** What it says of objects that have a system of record. */
      readonly claims?: readonly ObjectClaim[]
    }
  | { readonly kind: 'ignored'; readonly reason: string; readonly claims?: readonly ObjectClaim[] }
  | { readonly kind: 'fetch'; readonly what: FetchWhat }
  | {
      readonly kind: 'waits'
      readonly faults: readonly [Fault, ...Fault[]]
      /** What would free it, where that is an id. */
      readonly needs: readonly AskedIdentity[]
    }

export interface Mapper {
  readonly settings: SourceSettings
  readonly loaded: Loaded
  readonly rules: unknown
  readonly maker: Maker
  readonly identities: IdentityLookup
  /** Absent: nothing is kept of who was told of before. */
  readonly homes?: Homes
  /** Absent: no field has an owner. */
  readonly owners?: readonly OwnerRule[]
}

/** A mapping that goes on asking is wrong. */
const mostRounds = 8
const mostFaults = 50
const mostEvents = 1_000
const mostIdLength = 256

export async function mapArrival(arrival: Arrival, mapper: Mapper): Promise<Outcome> {
  const known = new Map<string, FoundIdentity>()
  for (let round = 0; round < mostRounds; round += 1) {
    const run = runMapping(arrival, mapper, known)
    const asked = run.asked.filter(one => !known.has(keyOf(one)))
    if (asked.length === 0) return outcomeOf(arrival, mapper, run)
    const ours = await mapper.identities.ours(asked)
    for (const [index, one] of asked.entries()) known.set(keyOf(one), ours[index])
  }
  return waits([{ code: 'mapping_failed', detail: 'The mapping asks for ids without end.', pointer: '' }])
}

interface Run {
  readonly given: MapOutcome | undefined
  readonly faults: readonly Fault[]
  readonly asked: readonly AskedIdentity[]
  readonly unknown: readonly AskedIdentity[]
}

function runMapping(
  arrival: Arrival,
  { settings, loaded, rules }: Mapper,
  known: ReadonlyMap<string, FoundIdentity>,
): Run {
  const faults: Fault[] = []
  const asked = new Map<string, AskedIdentity>()
  const unknown = new Map<string, AskedIdentity>()
  const fault = (code: string, detail: string, pointer = '') => {
    const isTold = faults.some(one => one.code === code && one.detail === detail && one.pointer === pointer)
    if (!isTold && faults.length < mostFaults) faults.push({ code, detail, pointer })
  }
  const context: MapContext = {
    source: settings.name,
    settings,
    rules,
    fault,
    id(object, theirs, metadata) {
      const needs: AskedIdentity[] = []
      const claimedBy: string[] = []
      const look = (one: AskedIdentity): string | undefined => {
        asked.set(keyOf(one), one)
        const found = known.get(keyOf(one))
        if (typeof found === 'object') claimedBy.push(...found.claimedBy)
        return typeof found === 'object' ? undefined : found
      }
      const ours = idBy(settings.ids[object], { object, system: settings.system, theirs, metadata }, one => {
        needs.push(one)
        return look(one)
      })
      if (ours !== undefined && ours !== '')
        return object === 'customer' ? (look({ object, system: ownSystem, id: ours }) ?? ours) : ours
      for (const one of needs) unknown.set(keyOf(one), one)
      if (claimedBy.length === 0) fault('unknown_identity', unknownWords(object, theirs, settings))
      else fault('identity_taken', takenWords(object, theirs, settings, claimedBy))
      return ''
    },
  }
  try {
    const given = loaded.map(arrival, context)
    return { given, faults, asked: [...asked.values()], unknown: [...unknown.values()] }
  } catch (error) {
    // A bug in a kind stops its arrival, never its source.
    fault('mapping_failed', `The mapping failed: ${error instanceof Error ? error.message : String(error)}`)
    return { given: undefined, faults, asked: [...asked.values()], unknown: [...unknown.values()] }
  }
}

interface Theirs {
  readonly object: SourceObject
  readonly system: string
  readonly theirs: string
  readonly metadata: unknown
}

function idBy(
  rules: readonly IdRule[],
  { object, system, theirs, metadata }: Theirs,
  look: (one: AskedIdentity) => string | undefined,
): string | undefined {
  for (const rule of rules) {
    const found = (() => {
      switch (rule.from) {
        case 'metadata':
          return textIn(metadata, rule.key)
        case 'theirs':
          return theirs === '' ? undefined : `${rule.prefix}${theirs}`
        case 'table': {
          const named = identityObjects.find(one => one === object)
          return named === undefined || theirs === ''
            ? undefined
            : look({ object: named, system, id: theirs })
        }
        default:
          return rule satisfies never
      }
    })()
    if (found !== undefined && found !== '') return found
  }
  return undefined
}

function textIn(metadata: unknown, key: string): string | undefined {
  if (typeof metadata !== 'object' || metadata === null) return undefined
  const value = Object.hasOwn(metadata, key) ? (metadata as Record<string, unknown>)[key] : undefined
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}

function unknownWords(object: SourceObject, theirs: string, { ids, system }: SourceSettings): string {
  const tried = ids[object].map(rule => {
    switch (rule.from) {
      case 'metadata':
        return `metadata ${rule.key}`
      case 'table':
        return `the identities of ${system}`
      case 'theirs':
        return 'their id'
      default:
        return rule satisfies never
    }
  })
  const named =
    theirs === '' ? `The ${object} has no id.` : `No ${object} of ours is known for ${theirs.slice(0, 100)}.`
  return `${named} Looked at: ${tried.join(', ')}.`
}

function takenWords(
  object: SourceObject,
  theirs: string,
  { system }: SourceSettings,
  claimedBy: readonly string[],
): string {
  const whose = claimedBy.slice(0, 10).join(', ')
  return `${theirs.slice(0, 100)} of ${system} is claimed by several of ours: ${whose}. Say which ${object} it is: weir identities set.`
}

async function outcomeOf(arrival: Arrival, mapper: Mapper, run: Run): Promise<Outcome> {
  const { given, faults, unknown } = run
  const [first, ...others] = faults
  if (first !== undefined || given === undefined) return waits([first ?? nothingGiven, ...others], unknown)
  if (given.kind !== 'events') return given
  if (given.events.length === 0) return waits([nothingGiven])
  if (given.events.length > mostEvents)
    return waits([
      { code: 'too_many_events', detail: `The mapping gives more than ${mostEvents} events.`, pointer: '' },
    ])
  const wrong: Fault[] = []
  const events: MadeEvent[] = []
  const seen = new Set<string>()
  for (const [index, mapped] of given.events.entries()) {
    const { version } = mapped
    if (version !== undefined && !(Number.isSafeInteger(version) && version >= 0 && version <= maxVersion))
      wrong.push({
        code: 'invalid_version',
        detail: `Event ${index + 1}: the version ${version} is no whole number from 0 to ${maxVersion}.`,
        pointer: '',
      })
    const event = makeEvent(arrival, mapped, mapper.maker)
    wrong.push(...faultsOf(event, index, seen, arrival.receivedAtMs))
    events.push(event)
  }
  const [bad, ...more] = wrong
  if (bad !== undefined) return waits([bad, ...more]) // invariant 2
  const { owners = [], settings } = mapper
  const { through, claims } =
    owners.length > 0
      ? ownedEvents(events, settings.name, owners)
      : { through: [...events.entries()], claims: [] }
  if (through.length === 0) return { kind: 'ignored', reason: 'owned_by_another', claims }
  const kept = through.map(([, event]) => event)
  const homed =
    mapper.homes === undefined
      ? { events: kept, said: kept, faults: [] }
      : await atHome(kept, mapper.homes, (one, other) => wereOne(one, other, mapper.identities, run))
  const [elsewhere, ...alike] = homed.faults
  if (elsewhere !== undefined) return waits([elsewhere, ...alike])
  return {
    kind: 'events',
    events: homed.events,
    hashes: homed.said.map((event, at) => contentHash(event, given.events[through[at]![0]]!)),
    state: given.state,
    claims,
  }
}

/** Two customers that an id of the arrival has meant, or that were merged at some time. */
async function wereOne(
  one: string,
  other: string,
  identities: IdentityLookup,
  { asked }: Run,
): Promise<boolean> {
  const customers = asked.filter(({ object }) => object === 'customer')
  for (const id of [one, other]) customers.push({ object: 'customer', system: ownSystem, id })
  return (await identities.ever(customers)).some(all => all.includes(one) && all.includes(other))
}

/** What goes through by the rules of systems of record, by the place it had, and what is claimed. */
function ownedEvents(events: readonly MadeEvent[], source: string, rules: readonly OwnerRule[]) {
  const owned = events.map(event => ownEvent(event, source, rules, parseInstant(event.time) ?? 0n))
  const claims = combinedClaims(owned.flatMap(({ claim }) => claim ?? []))
  const through = owned.flatMap(({ event }, index): [number, MadeEvent][] =>
    event === undefined ? [] : [[index, event]],
  )
  return { through, claims }
}

function faultsOf(event: MadeEvent, index: number, seen: Set<string>, receivedAtMs: number): Fault[] {
  const where = `Event ${index + 1} (${event.type})`
  if (seen.has(event.id) || event.id.length > mostIdLength) {
    const detail = `${where}: its id ${event.id.slice(0, 100)} is that of another event, or too long.`
    return [{ code: 'invalid_mapping', detail, pointer: '' }]
  }
  seen.add(event.id)
  const parsed = validateEvent(event, receivedAtMs)
  if (parsed.kind === 'rejected') return [faultOf(where, parsed.rejection)]
  const problem = weirEventProblem(parsed.value)
  return problem === undefined ? [] : [faultOf(where, problem)]
}

function faultOf(
  where: string,
  { code, detail, pointer }: { readonly code: string; readonly detail: string; readonly pointer?: string },
): Fault {
  return { code, detail: `${where}: ${detail}`, pointer: pointer ?? '' }
}

const nothingGiven: Fault = { code: 'mapping_failed', detail: 'The mapping gives nothing.', pointer: '' }

function waits(faults: readonly [Fault, ...Fault[]], needs: readonly AskedIdentity[] = []): Outcome {
  return { kind: 'waits', faults, needs }
}

function keyOf({ object, system, id }: AskedIdentity): string {
  return `${object} ${system} ${id}`
}
