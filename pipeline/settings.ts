// The sections of the configuration that features bring, and all settings, theirs included.

import { approvalsSettings } from './approvals/settings.js'
import { settingsWith } from './config/base-settings.js'
import type { SettingsSection } from './config/setting.js'
import { connectionsSettings, writeBackSettings } from './connections/settings.js'
import { schemasSettings } from './event-schemas/settings.js'
import { exceptionsSettings } from './exceptions/settings.js'
import { flowSettings } from './flow/settings.js'
import { gatesSettings } from './gates/settings.js'
import { targetsSettings } from './kpi/settings.js'
import { erpSettings } from './postings/settings.js'
import { personalDataSettings } from './privacy/settings.js'
import { producersSettings } from './producers/settings.js'
import { systemsOfRecord } from './sources/owners/owner-rules.js'
import { arrivalsSettings, sourcesSettings } from './sources/settings.js'

// One section in a line, so that two features seldom touch the same one.
// biome-ignore format: see above
export const sections: readonly SettingsSection[] = [
  erpSettings,
  connectionsSettings,
  approvalsSettings,
  personalDataSettings,
  targetsSettings,
  flowSettings,
  exceptionsSettings,
  sourcesSettings,
  arrivalsSettings,
  producersSettings,
  gatesSettings,
  schemasSettings,
  systemsOfRecord,
  writeBackSettings,
]

/** The settings that a variable or a flag can set. */
export const settings = settingsWith(sections)
