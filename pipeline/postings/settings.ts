// The section `erp` of the configuration.

import { type SettingsSection, setting } from '../config/setting.js'

interface ErpSettings {
  /** The account mapping. */
  readonly accounts?: string | undefined
  /** The folder for CSV files; absent: none are written. */
  readonly csv_dir?: string | undefined
}

export const erpSettings: SettingsSection<ErpSettings> = {
  name: 'erp',
  settings: [setting('erp.accounts', 'text', true), setting('erp.csv_dir', 'text', true)],
  schema: z =>
    z
      .strictObject({ accounts: z.string().min(1).optional(), csv_dir: z.string().min(1).optional() })
      .prefault({}),
}
