// What a source of kind `standard` verifies and maps with.

import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ArrivalDraft, Loaded, MappingTest } from '../source-kind.js'
import { draftFacts, mapStandard } from './map-standard.js'
import { readStandardMapping } from './mapping-file.js'
import type { RuleTest, StandardRules } from './rules.js'
import { proveStandard } from './signature.js'

const maxIdLength = 200

export const loadedStandard: Loaded<StandardRules> = {
  verify(request, secrets, nowMs) {
    const proof = proveStandard(request, secrets, nowMs)
    if (proof.kind === 'refused') return proof
    return { kind: 'proven', arrivals: [draftOf(proof.id, request.body, proof.sentAtMs)] }
  },
  map: mapStandard,
  readMapping: readStandardMapping,
  tests: ({ tests }, folder) => tests.map(test => testOf(test, folder)),
}

function draftOf(id: string, bytes: Uint8Array, sentAtMs: number): ArrivalDraft {
  const kept = id.length <= maxIdLength ? id : `sha256:${hash('sha256', id, 'hex')}`
  return { id: kept, occurredAtMs: sentAtMs, ...draftFacts(bytes), bytes }
}

function testOf({ name, line, id, body, identities, expected }: RuleTest, folder: string): MappingTest {
  const bytes = typeof body === 'string' ? Buffer.from(body) : readFileSync(resolve(folder, body.file))
  return { name, line, arrival: draftOf(id, bytes, 0), identities, expected }
}
