// The sections of the configuration that features bring, and with them every setting that there is.

import { settingsWith } from './config/base-settings.js'
import type { SettingsSection } from './config/setting.js'
import { connectionsSettings } from './connections/settings.js'
import { erpSettings } from './postings/settings.js'

export const sections: readonly SettingsSection[] = [erpSettings, connectionsSettings]

/** What a variable or a flag can set. */
export const settings = settingsWith(sections)
