// The section `schemas` of the configuration: how a new version of a schema has to go with the one before it.

import type { z as Zod } from 'zod'
import { type Compatibility, compatibilities } from '../../schemas/event-schemas/compatibility.js'
import type { SettingsSection } from '../config/setting.js'

export interface SchemasSettings {
  readonly compatibility: Compatibility
  /** By type of event, where it is another. */
  readonly types: Readonly<Record<string, Compatibility>>
}

export const schemasSettings: SettingsSection<SchemasSettings> = {
  name: 'schemas',
  settings: [],
  schema: z =>
    z
      .strictObject({
        compatibility: z.enum(compatibilities).default('backward'),
        types: z.record(z.string(), z.enum(compatibilities)).default({}),
      })
      .prefault({}) as Zod.ZodType<SchemasSettings>,
}

export function ruleOf({ compatibility, types }: SchemasSettings, eventType: string): Compatibility {
  return Object.hasOwn(types, eventType) ? types[eventType]! : compatibility
}
