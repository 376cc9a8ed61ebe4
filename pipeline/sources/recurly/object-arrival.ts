// An object that was read from Recurly, as an arrival. Its id is made of the object, its version and its content, so that what was
// read before is a duplicate, and another state of one second is none.

import { hash } from 'node:crypto'
import { stringifyJson } from '../../../schemas/json/json-text.js'
import { formatInstantMs } from '../../../schemas/time.js'
import { type ForeignObject, msOfInstant, textOf } from '../map/object-fields.js'
import type { ArrivalDraft } from '../source-kind.js'
import { readType } from './map-recurly.js'

export function arrivalOfObject(object: ForeignObject, readMs: number): ArrivalDraft {
  const [kind, id, updated] = [textOf(object['object']), textOf(object['id']), textOf(object['updated_at'])]
  const text = stringifyJson(object)
  const occurredAtMs = msOfInstant(updated)
  return {
    id: `${kind}/${id}@${updated}/${hash('sha256', text, 'hex').slice(0, 16)}`,
    type: `${readType}.${kind}`,
    ...(occurredAtMs === undefined ? {} : { occurredAtMs }),
    bytes: Buffer.from(`{"type":"${readType}","read_at":"${formatInstantMs(readMs)}","object":${text}}`),
  }
}
