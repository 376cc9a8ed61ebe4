// What `weir validate` says of connections beyond their settings: secret files that hold none, and mapping files.

import { parseMappingFile } from '../../sinks/mapping/mapping-file.js'
import { type ConfigProblem, sectionOf, type WeirConfig } from '../config/config.js'
import { mappingFileProblems, missingSecretFiles } from '../config/named-files.js'
import { secretSourcesIn } from '../config/secrets.js'
import { kindNamed } from './kinds.js'
import { connectionsSettings } from './settings.js'

/** `file` is the mapping file where the problem is in one. */
export function connectionProblems(config: WeirConfig): readonly ConfigProblem[] {
  return sectionOf(config, connectionsSettings).flatMap((connection, index) => {
    const { secretProblem, fields } = kindNamed(connection.kind)
    const { auth } = connection as { readonly auth?: unknown }
    const at = `connections.${index}`
    return [
      ...missingSecretFiles(secretSourcesIn(auth, ['auth']), at, config, secretProblem),
      ...mappingFileProblems(connection.mapping, at, config, (text, file) =>
        parseMappingFile(text, file, fields ?? {}),
      ),
    ]
  })
}
