// Writes schemas/json-schema/*.json anew: `node dist/schemas/json-schema/write-json-schemas.js` after a build.

import { mkdirSync, writeFileSync } from 'node:fs'
import { packageRoot } from '../package-root.js'
import { jsonSchemas } from './json-schema.js'

const folder = new URL('schemas/json-schema/', packageRoot)
mkdirSync(folder, { recursive: true })
for (const [name, schema] of jsonSchemas()) {
  writeFileSync(new URL(`${name}.json`, folder), `${JSON.stringify(schema, null, 2)}\n`)
}
