// The section `personal_data` of the configuration: which fields of which events are personal.

import { type FieldKind, type FieldRule, fieldKinds } from '../../schemas/personal-data/field-rules.js'
import type { SettingsSection } from '../config/setting.js'

interface FieldSettings {
  readonly event_type: string
  readonly path: string
  readonly kind: FieldKind
}

interface PersonalDataSettings {
  readonly fields: readonly FieldSettings[]
}

export const personalDataSettings: SettingsSection<PersonalDataSettings> = {
  name: 'personal_data',
  settings: [],
  schema: z =>
    z
      .strictObject({
        fields: z
          .array(
            z.strictObject({
              event_type: z.string().min(1).max(256),
              path: z.string().regex(/^[^.]+(\.[^.]+)*$/, 'is a path into data, such as user.email'),
              kind: z.enum(fieldKinds, `is one of ${fieldKinds.join(', ')}`).default('sealed'),
            }),
          )
          .superRefine((fields, context) => {
            const seen = new Set<string>()
            for (const [index, { event_type, path }] of fields.entries()) {
              const name = `${event_type} ${path}`
              const message = `is listed twice: ${path} of ${event_type}`
              if (seen.has(name)) context.addIssue({ code: 'custom', path: [index, 'path'], message })
              seen.add(name)
            }
          })
          .default([]),
      })
      .prefault({}),
}

export function fieldRulesOf({ fields }: PersonalDataSettings): readonly FieldRule[] {
  return fields.map(({ event_type, path, kind }) => ({ eventType: event_type, path: path.split('.'), kind }))
}
