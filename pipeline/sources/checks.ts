// What `weir validate` says of sources beyond their settings: secret files that hold none, mapping files, and owners of fields that
// are no source.

import { type ConfigProblem, sectionOf, type WeirConfig } from '../config/config.js'
import { mappingFileProblems, missingSecretFiles } from '../config/named-files.js'
import { secretSourcesIn } from '../config/secrets.js'
import { kindNamed } from './kinds.js'
import { apiSystem, systemsOfRecord } from './owners/owner-rules.js'
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
  return [...all.flat(), ...ownerProblems(config)]
}

/** A rule whose owner never speaks would hold back what all others say. */
function ownerProblems(config: WeirConfig): readonly ConfigProblem[] {
  const known = new Set([apiSystem, ...sectionOf(config, sourcesSettings).map(({ name }) => name)])
  return sectionOf(config, systemsOfRecord).flatMap(({ owner }, index) =>
    owner
      .filter(name => !known.has(name))
      .map(name => ({
        path: `systems_of_record.${index}.owner`,
        code: 'unknown_source',
        message: `${name} is no source; there are ${[...known].join(', ')}`,
      })),
  )
}
