// The published schemas of types of events, compiled, and which of them holds for an event: the highest version that was in force
// when the event arrived.
// Invariant: an event of a type without a schema costs a look into a map, and nothing at all where there is no schema.

import type { Catalog } from '../../../schemas/catalog/catalog.js'
import type { EventData } from '../../../schemas/event/event-data.js'
import {
  type CompiledSchema,
  compileSchema,
  type EventSchema,
} from '../../../schemas/event-schemas/event-schema.js'
import { shownName } from '../../../schemas/nearest-name.js'
import type { Rejection } from '../../../schemas/rejection.js'

/** A schema judges events that arrive this much after its catalog did, at the earliest. */
export const schemaLeadMs = 60_000

interface Version extends EventSchema {
  compiled?: CompiledSchema
}

export class SchemaBook {
  #known: Catalog['schemas']
  /** By type, the highest version first. */
  readonly #ofType = new Map<string, Version[]>()

  /** Takes over what the catalog has; cheap where that has not changed. */
  use({ schemas }: Pick<Catalog, 'schemas'>): void {
    if (schemas === this.#known) return
    const compiled = new Map<EventSchema['schema'], CompiledSchema>()
    for (const one of [...this.#ofType.values()].flat())
      if (one.compiled !== undefined) compiled.set(one.schema, one.compiled)
    this.#known = schemas
    this.#ofType.clear()
    for (const one of schemas ?? []) {
      const before = compiled.get(one.schema)
      const version: Version = { ...one, ...(before === undefined ? {} : { compiled: before }) }
      this.#ofType.set(one.eventType, [...(this.#ofType.get(one.eventType) ?? []), version])
    }
    for (const versions of this.#ofType.values()) versions.sort((a, b) => b.version - a.version)
  }

  get isEmpty(): boolean {
    return this.#ofType.size === 0
  }

  concerns(eventType: string): boolean {
    return this.#ofType.has(eventType)
  }

  /** Why the event does not fit; undefined: it does, or nothing is asked of it. */
  faultOf(
    eventType: string,
    data: EventData,
    arrivedAtMs: number,
  ): (Rejection & { readonly pointer: string }) | undefined {
    const version = this.#ofType.get(eventType)?.find(({ fromMs = 0 }) => fromMs <= arrivedAtMs)
    if (version === undefined) return undefined
    version.compiled ??= compileSchema(version.schema)
    // It compiled when it was published.
    const fault = version.compiled.kind === 'ok' ? version.compiled.faultOf(data) : undefined
    if (fault === undefined) return undefined
    const { pointer, detail } = fault
    return {
      code: 'schema_mismatch',
      detail: `${pointer === '' ? 'The data' : `The field ${pointer}`} ${detail}: version ${version.version} of the schema of ${shownName(eventType)}.`,
      pointer: `/data${pointer}`,
    }
  }
}
