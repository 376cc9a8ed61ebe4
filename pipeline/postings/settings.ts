// The section `erp` of the configuration.

import { type SettingsSection, setting } from '../config/setting.js'

interface ErpSettings {
  /** The account mapping. */
  readonly accounts?: string | undefined
  /** The accounting calendars; absent: calendar months in UTC for every entity. */
  readonly calendars?: string | undefined
  /** The folder for CSV files; absent: none are written. */
  readonly csv_dir?: string | undefined
}

export const erpSettings: SettingsSection<ErpSettings> = {
  name: 'erp',
  settings: ['accounts', 'calendars', 'csv_dir'].map(name => setting(`erp.${name}`, 'text', true)),
  schema: z => {
    const path = z.string().min(1).optional()
    return z.strictObject({ accounts: path, calendars: path, csv_dir: path }).prefault({})
  },
}
