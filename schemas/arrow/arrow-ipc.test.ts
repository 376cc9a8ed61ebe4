// Tests streams that are written into reused memory.

import { tableFromIPC } from 'apache-arrow'
import { expect, test } from 'vitest'
import type { TableDescription } from '../table-description.js'
import { Int64Column, TextColumn } from './arrow-columns.js'
import { DictionaryColumn } from './arrow-dictionary.js'
import { IpcBatch, type IpcDictionary, ipcStream, type TakeMemory } from './arrow-ipc.js'
import { codedSchema } from './arrow-schema.js'

const table = {
  name: 'things',
  columns: [
    { name: 'id', kind: 'string' },
    { name: 'colour', kind: 'low_cardinality' },
    { name: 'seen', kind: 'instant_ms' },
  ],
} as unknown as TableDescription<unknown>
const schema = codedSchema(table, ['id'])

function streamOf(ids: readonly string[], memory?: TakeMemory): Uint8Array {
  const [id, colour, seen] = [new TextColumn(), new DictionaryColumn(), new Int64Column()]
  ids.forEach((text, i) => {
    id.append(text)
    colour.append(i % 2 === 0 ? 'red' : 'green')
    seen.append(1_700_000_000_000 + i)
  })
  const batch = new IpcBatch(ids.length)
  const dictionaries: IpcDictionary[] = []
  id.put(batch, ids.length)
  dictionaries.push(colour.put(batch, schema.dictionaryIds.get('colour')![0]!, ids.length))
  seen.put(batch, ids.length)
  return ipcStream(schema.message, dictionaries, batch, memory)
}

test('a stream in memory that was used before, and that threads share, has the same bytes as one in fresh memory', () => {
  const dirty: TakeMemory = length => new Uint8Array(new SharedArrayBuffer(length + 64), 0, length).fill(0xa5)
  for (const ids of [['a'], ['one', 'three', 'seventeen'], ['', '', 'ü', 'twelve bytes']]) {
    const stream = streamOf(ids)
    expect(Buffer.from(streamOf(ids, dirty)).equals(Buffer.from(stream))).toBe(true)
    const read = tableFromIPC(stream)
    expect(read.numRows).toBe(ids.length)
    expect(read.toArray().map(row => row['id'])).toEqual(ids)
    expect(read.getChild('colour')?.get(0)).toBe('red')
  }
})
