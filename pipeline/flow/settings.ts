// The section `flow` of the configuration: freeze windows as data. Those set by command are kept beside them.

import type { SettingsSection } from '../config/setting.js'
import { type FreezeWindow, freezeWindowSchema } from './window-shape.js'

export interface FlowSettings {
  readonly freeze_windows: readonly FreezeWindow[]
}

export const flowSettings: SettingsSection<FlowSettings> = {
  name: 'flow',
  settings: [],
  schema: z =>
    z
      .strictObject({
        freeze_windows: z
          .array(freezeWindowSchema(z))
          .max(200)
          .superRefine((windows, context) => {
            const seen = new Set<string>()
            for (const [index, { name }] of windows.entries()) {
              const path = [index, 'name']
              if (seen.has(name))
                context.addIssue({ code: 'custom', path, message: 'is that of another window' })
              seen.add(name)
            }
          })
          .default([]),
      })
      .prefault({}),
}
