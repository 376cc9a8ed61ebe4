// Writes schemas/json-schema/*.json anew: `node dist/schemas/write-json-schemas.js` after a build.

import { mkdirSync, writeFileSync } from 'node:fs'
import { jsonSchemas } from './json-schema.js'
import { packageRoot } from './package-root.js'

const folder = new URL('schemas/json-schema/', packageRoot)
mkdirSync(folder, { recursive: true })
for (const [name, schema] of jsonSchemas()) {
  writeFileSync(new URL(`${name}.json`, folder), `${JSON.stringify(schema, null, 2)}\n`)
}
