// The port of a kind of source: how a system of record proves what it sends, and how what it sends becomes events of
// ours. A kind is a value in `<system>/kind.ts` and one line in kinds.ts; this feature does the rest: the door, the stream,
// the mapper, exceptions, running again.
// Invariants:
// 1. `verify` and `map` are pure: no I/O, no clock, nothing random. The same bytes under the same rules give the same
//    events, so that a mapping that was wrong can be mended and run again.
// 2. Nothing is accepted that is not proven; what is proven is never lost: a body that nobody can read is an arrival too,
//    and waits.
// 3. A kind.ts loads nothing heavy, since every command reads the settings; what verifies and maps may be loaded in `load`.

import type { z as Zod } from 'zod'
import type { CatalogProblem } from '../../schemas/catalog/catalog-source.js'
import type { IdentityObject } from '../feature/identity-lookup.js'

/** Whose ids a source has, where its settings do not say: as `external_ids` of a customer name them. */
export type SourceSystem = 'crm' | 'billing' | 'erp'

/** One request at the door. */
export interface WebhookRequest {
  /** Such as `/v1/webhooks/stripe`. */
  readonly path: string
  /** By name in lower case; of a repeated header the first value. */
  readonly headers: Readonly<Record<string, string>>
  /** As it came. */
  readonly body: Buffer
}

/** The secrets that are valid now: one, or two while one is being replaced. */
export interface SourceSecrets {
  readonly signing: readonly string[]
  readonly basic: readonly { readonly username: string; readonly password: string }[]
}

export const refusals = ['signature_missing', 'signature_invalid', 'signature_too_old'] as const
export type Refusal = (typeof refusals)[number]

export type Verified =
  | { readonly kind: 'proven'; readonly arrivals: readonly ArrivalDraft[] }
  /** Nothing of it is kept but a counter. */
  | { readonly kind: 'refused'; readonly code: Refusal }

/** What is to be kept. */
export interface ArrivalDraft {
  /**
   * The vendor's id of the event, or the object's id and version: 1 to 200 characters. A second one with this id is a
   * duplicate, whatever it holds.
   */
  readonly id: string
  /** The vendor's word for what happened; '' where it cannot be read. */
  readonly type: string
  /** When it happened there; undefined where it does not say. */
  readonly occurredAtMs?: number | undefined
  /** As it came; of a body with several events, the part that is this one. */
  readonly bytes: Uint8Array
  /** The headers that matter to the mapping, never one that proves or holds a secret. */
  readonly headers?: Readonly<Record<string, string>>
}

export const arrivalWays = ['webhook', 'listen', 'fetch', 'catch_up'] as const
export type ArrivalWay = (typeof arrivalWays)[number]

/** An arrival as it was kept. */
export interface Arrival extends ArrivalDraft {
  readonly source: string
  readonly via: ArrivalWay
  readonly receivedAtMs: number
  /** Its place in ARRIVALS. */
  readonly sequence: number
  readonly headers: Readonly<Record<string, string>>
}

/** What `map` works with beside the arrival. */
export interface MapContext<Rules = unknown> {
  /** The name of the source. */
  readonly source: string
  /** The settings of the source, the kind's own keys among them. */
  readonly settings: Readonly<Record<string, unknown>>
  /** What `readMapping` made of the mapping file; undefined without one. */
  readonly rules: Rules
  /**
   * Ours for their id, by the rule of the settings: from their metadata, their id itself, or the table of identities.
   * An id that nobody knows makes the arrival wait (`unknown_identity`); '' stands for it until then.
   */
  id(object: SourceObject, theirs: string, metadata?: unknown): string
  /** Something is wrong: the arrival waits, with all that is. */
  fault(code: string, detail: string, pointer?: string): void
}

/** Objects whose ids have a rule in the settings. Those that are no `IdentityObject` have no table. */
export const sourceObjects = ['customer', 'plan', 'price', 'entity', 'subscription'] as const
export type SourceObject = IdentityObject | 'subscription'

export interface MappedEvent {
  /** Tells it from the other events of its arrival; '' for the first or only one. */
  readonly key: string
  readonly type: string
  /** The customer, as ours. */
  readonly subject: string
  /** RFC 3339. Absent: when the arrival says that it happened. */
  readonly time?: string | undefined
  /** Without `sequence` where there is a `version`. */
  readonly data: Readonly<Record<string, unknown>>
  /**
   * Of a change of a subscription: the version or instant of the object (at most 9,000,000,000,000), from which its
   * `sequence` is made, so that the order of delivery does not matter.
   */
  readonly version?: number | undefined
  readonly correlationId?: string | undefined
  readonly subscriptionId?: string | undefined
  /**
   * The event's id, where it is not the arrival's: such as an object's id and version, of which several arrivals tell. At most
   * 200 characters.
   */
  readonly id?: string | undefined
}

/** The state of an object that an arrival tells whole. */
export interface ObjectState {
  /** The kind of object and its id there, such as `subscription sub_1`. */
  readonly object: string
  readonly version: number
  /** A hash of what of it counts. */
  readonly digest: string
}

export interface FetchWhat {
  readonly object: string
  readonly id: string
  /** When it changed, by the source's clock: what was read of it after that is new enough. */
  readonly changedMs?: number | undefined
}

export type MapOutcome =
  | {
      readonly kind: 'events'
      readonly events: readonly MappedEvent[]
      /**
       * What the events say of one object. Another arrival with the same version and another digest is not guessed at: the
       * object is fetched, as `fetch` says.
       */
      readonly state?: ObjectState & { readonly fetch?: FetchWhat }
    }
  | { readonly kind: 'ignored'; readonly reason: string }
  /** It names an object and does not hold it. */
  | { readonly kind: 'fetch'; readonly what: FetchWhat }

export type ReadMapping<Rules> =
  /** `files`: others that it was made of; when one changes it is read again. */
  | { readonly kind: 'ok'; readonly rules: Rules; readonly files?: readonly string[] }
  | { readonly kind: 'invalid'; readonly problems: readonly CatalogProblem[] }

export interface Loaded<Rules = unknown> {
  /** Who sent it, and what it holds. `nowMs` is for the age of a signature. */
  verify(
    request: WebhookRequest,
    secrets: SourceSecrets,
    nowMs: number,
    settings: Readonly<Record<string, unknown>>,
  ): Verified
  /** Throws nothing, whatever the bytes hold. */
  map(arrival: Arrival, context: MapContext<Rules>): MapOutcome
  /** Reads the mapping file, every fault with its line. Absent: the kind has none. */
  readMapping?(text: string, file: string): ReadMapping<Rules>
  /** The tests that stand in the mapping. */
  tests?(rules: Rules, folder: string): readonly MappingTest[]
}

/** A test beside a mapping. */
export interface MappingTest {
  readonly name: string
  readonly line: number
  readonly arrival: ArrivalDraft
  /** Our ids by kind of object and theirs, as `customer cus_1`. */
  readonly identities: ReadonlyMap<string, string>
  readonly expected: ExpectedOutcome
}

export type ExpectedOutcome =
  | { readonly kind: 'events'; readonly events: readonly Readonly<Record<string, unknown>>[] }
  | { readonly kind: 'ignored'; readonly reason?: string }
  | { readonly kind: 'fetch'; readonly object?: string }
  | { readonly kind: 'waits'; readonly codes: readonly string[] }

export interface SettingFault {
  readonly key: string
  readonly message: string
}

export interface SourceKind<Rules = unknown> {
  /** As `kind` in the configuration. */
  readonly kind: string
  readonly system: SourceSystem
  /** How it proves what it sends: which secrets its settings must name. `none`: nothing of it comes by the door. */
  readonly proof: 'signature' | 'basic' | 'signature_or_basic' | 'none'
  /** Raised when `map` gives something else for the same bytes and rules, so that what differs can be sent again. */
  readonly version: number
  readonly mapping: 'required' | 'optional' | 'none'
  /** Its own keys, beside the shared ones. */
  readonly settings: (z: typeof Zod) => Readonly<Record<string, Zod.ZodType>>
  /** What is wrong with settings that are well-formed one by one: the key that it is about, and why. */
  readonly faults?: (settings: Readonly<Record<string, unknown>>) => readonly SettingFault[]
  /** What its settings cannot be without, as a trial of a mapping gives it. */
  readonly trialSettings?: Readonly<Record<string, unknown>>
  readonly load: () => Promise<Loaded<Rules>>
  /** What does I/O: absent for a kind that only sends. */
  readonly reach?: (parts: ReachParts) => Promise<SourceReach>
}

export interface ReachParts {
  readonly source: string
  readonly settings: Readonly<Record<string, unknown>>
  /** Reads a secret at each use; throws a `SourceTrouble` where there is none. */
  readonly secret: (named: { readonly file: string } | { readonly variable: string }) => string
  readonly nowMs: () => number
}

/** The source cannot be asked now; it is asked again later. `code` is stable; the text holds no secret. */
export class SourceTrouble extends Error {
  override readonly name = 'SourceTrouble'
  readonly code: string
  readonly retryAfterMs: number | undefined
  constructor(code: string, detail: string, retryAfterMs?: number) {
    super(detail)
    this.code = code
    this.retryAfterMs = retryAfterMs
  }
}

export type Fetched =
  | { readonly kind: 'found'; readonly arrival: ArrivalDraft }
  /** The source has no such object any more. */
  | { readonly kind: 'gone'; readonly detail: string }

/** What was missed is taken in this order: money first, then the state of subscriptions, then the rest. */
export const catchUpStages = ['money', 'subscriptions', 'rest'] as const
export type CatchUpStage = (typeof catchUpStages)[number]

export interface CatchUpRequest {
  /** Of the source's own time; epoch milliseconds. */
  readonly fromMs: number
  readonly untilMs: number
  readonly stage: CatchUpStage
  /** `undelivered`: only what the source itself knows that it could not deliver, where it can tell. */
  readonly which: 'undelivered' | 'all'
  /** Where an earlier part of the stage ended; undefined at the beginning. It is kept as JSON. */
  readonly position: unknown
}

/** A part of what was missed, in the order of the source's own time. */
export interface CaughtUp {
  readonly arrivals: readonly ArrivalDraft[]
  /** Where the next part of the stage begins; undefined: there is no more. */
  readonly position: unknown
}

/** One object as the source has it now. */
export interface SourceObjectState {
  readonly object: 'customer' | 'subscription' | 'invoice' | 'payment'
  /** As people find it there. */
  readonly id: string
  /** What would bring us to this state, as `fetch` gives it. */
  readonly arrival: ArrivalDraft
}

export interface ObjectsRequest {
  readonly stage: CatchUpStage
  /** Those that have changed since, where the source can tell; absent: every one. */
  readonly sinceMs?: number
  /** Where an earlier part of the stage ended; undefined at the beginning. It is kept as JSON. */
  readonly position: unknown
}

export interface SourceObjects {
  readonly objects: readonly SourceObjectState[]
  /** Where the next part of the stage begins; undefined: there is no more. */
  readonly position: unknown
}

export interface SourceReach {
  /** Reads one object. Its arrival has an id made of the object and its version. */
  fetch?(what: FetchWhat, signal: AbortSignal): Promise<Fetched>
  /**
   * Listens until the signal fires, and hands over what comes; `position` is as `keep` was told last, and what `keep` was told
   * is on disk when it resolves. `tell` is told what of the source cannot be listened to while the rest can; undefined: all can.
   */
  listen?(
    position: unknown,
    keep: (arrivals: readonly ArrivalDraft[], position: unknown) => Promise<void>,
    signal: AbortSignal,
    tell: (trouble: SourceTrouble | undefined) => void,
  ): Promise<void>
  /** How far back `catchUp` reads; absent: as far as the source goes. What is older is taken from `objects`. */
  readonly keepsMs?: number
  catchUp?(request: CatchUpRequest, signal: AbortSignal): Promise<CaughtUp>
  /** The objects that it has, in parts: what an outage that is too long is mended with, and what ours is compared with. */
  objects?(request: ObjectsRequest, signal: AbortSignal): Promise<SourceObjects>
  close?(): Promise<void>
}

/** Makes a kind of one whose rules have a type of their own. */
export function sourceKind<Rules>(kind: SourceKind<Rules>): SourceKind {
  return kind as unknown as SourceKind // its own readMapping makes the rules that its own map gets
}
