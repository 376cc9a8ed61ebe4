// What a mapping file says, once it is read: rules that match an arrival, and the events that each gives.

import type { JSONPathQuery } from 'json-p3'
import type { SourceObject } from '../source-kind.js'

export interface StandardRules {
  /** Where the vendor's word for what happened stands. */
  readonly type: JSONPathQuery
  /** When it happened; undefined: when it was sent. */
  readonly occurredAt: ValueSpec | undefined
  readonly rules: readonly Rule[]
  readonly otherwise: 'ignore' | 'wait'
  readonly tests: readonly RuleTest[]
}

export interface Rule {
  readonly name: string
  /** Types that it takes; empty: every type. */
  readonly types: readonly string[]
  readonly where: readonly { readonly path: JSONPathQuery; readonly values: readonly string[] }[]
  readonly gives:
    | { readonly kind: 'ignore'; readonly reason: string }
    | { readonly kind: 'events'; readonly events: readonly EventSpec[] }
}

export interface EventSpec {
  readonly type: string
  /** One event for each value at this path; in it, paths that begin with `@` are of that value. */
  readonly each: JSONPathQuery | undefined
  readonly key: ValueSpec | undefined
  readonly subject: ValueSpec
  readonly time: ValueSpec | undefined
  readonly version: ValueSpec | undefined
  readonly correlationId: ValueSpec | undefined
  readonly subscriptionId: ValueSpec | undefined
  readonly data: ObjectSpec
}

export interface ObjectSpec {
  readonly kind: 'object'
  readonly members: ReadonlyMap<string, ValueSpec | ObjectSpec>
}

export const transforms = [
  'text',
  'decimal',
  'whole',
  'boolean',
  'minor_units',
  'unix_seconds',
  'unix_ms',
  'instant',
  'lower',
  'upper',
  'json',
] as const
export type Transform = (typeof transforms)[number]

/** Where a value is read: in the whole body, or in the value that an event is made for. */
export interface PathSpec {
  readonly text: string
  readonly query: JSONPathQuery
  readonly isOfEach: boolean
}

export type ValueSpec =
  | { readonly kind: 'constant'; readonly value: unknown }
  | {
      readonly kind: 'from'
      readonly path: PathSpec
      readonly as: Transform | undefined
      /** Of minor units. */
      readonly currency: ValueSpec | undefined
      readonly map: ReadonlyMap<string, unknown> | undefined
      readonly id: SourceObject | undefined
      readonly metadata: PathSpec | undefined
      /** Written by the operator: what stands for a value that is not there. */
      readonly fallback: { readonly value: unknown } | undefined
      /** A value that is not there is left out. */
      readonly isOptional: boolean
    }
  | { readonly kind: 'concat'; readonly parts: readonly ValueSpec[]; readonly between: string }

/** As it stands in the file. */
export interface RuleTest {
  readonly name: string
  readonly line: number
  readonly id: string
  /** JSON text; or the file that holds it. */
  readonly body: string | { readonly file: string }
  readonly identities: ReadonlyMap<string, string>
  readonly expected:
    | { readonly kind: 'events'; readonly events: readonly Readonly<Record<string, unknown>>[] }
    | { readonly kind: 'ignored'; readonly reason?: string }
    | { readonly kind: 'waits'; readonly codes: readonly string[] }
}
