// The sources of the configuration with the code of their kinds, loaded once.

import { sectionOf, type WeirConfig } from '../config/config.js'
import { kindNamed } from './kinds.js'
import { type SourceSettings, sourcesSettings } from './settings.js'
import type { Loaded, SourceKind } from './source-kind.js'

export interface OpenSource {
  readonly settings: SourceSettings
  readonly kind: SourceKind
  readonly loaded: Loaded
}

export function openSources(config: WeirConfig): Promise<readonly OpenSource[]> {
  return Promise.all(
    sectionOf(config, sourcesSettings).map(async settings => {
      const kind = kindNamed(settings.kind)
      return { settings, kind, loaded: await kind.load() }
    }),
  )
}
