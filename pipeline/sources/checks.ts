// What `weir validate` says of sources beyond their settings: secret files that hold none, and mapping files.

import { type ConfigProblem, sectionOf, type WeirConfig } from '../config/config.js'
import { mappingFileProblems, missingSecretFiles } from '../config/named-files.js'
import { secretSourcesIn } from '../config/secrets.js'
import { kindNamed } from './kinds.js'
import { sourcesSettings } from './settings.js'

/** `file` is the mapping file where the problem is in one. */
export async function sourceProblems(config: WeirConfig): Promise<readonly ConfigProblem[]> {
  const all = await Promise.all(
    sectionOf(config, sourcesSettings).map(async ({ kind, mapping, ...settings }, index) => {
      const at = `sources.${index}`
      const named = secretSourcesIn(settings)
      const { readMapping } = await kindNamed(kind).load()
      return [
        ...missingSecretFiles(named, at, config),
        ...mappingFileProblems(mapping, at, config, (text, file) => readMapping?.(text, file)),
      ]
    }),
  )
  return all.flat()
}
