// The columns `input_stream` and `input_sequence` of a chunk: which message brought the event of each row.
// The trick: rows of one message follow one another, so that only where the message changes is noted, and the columns
// are made when the chunk is written.

import { DictionaryColumn, putCodes } from '../../../schemas/arrow/arrow-dictionary.js'
import type { IpcBatch, IpcDictionary } from '../../../schemas/arrow/arrow-ipc.js'
import { NumberDictionary } from '../../../schemas/arrow/arrow-number-dictionary.js'
import { type EventInput, noInput } from '../../../schemas/event/event-input.js'

/** Two codes of two bytes are counted with the row; this is for the value in the dictionary. */
const bytesOfRun = 8

export class InputColumns {
  /** The messages in the order of the rows, and the first row of each. */
  readonly #inputs: EventInput[] = []
  readonly #firstRows: number[] = []
  #last: EventInput = noInput
  #rows = 0

  /** Bytes of the dictionaries. */
  get size(): number {
    return this.#inputs.length * bytesOfRun
  }

  append(input: EventInput): void {
    if (input !== this.#last || this.#rows === 0) {
      this.#inputs.push(input)
      this.#firstRows.push(this.#rows)
      this.#last = input
    }
    this.#rows += 1
  }

  putStreams(batch: IpcBatch, id: number, rows: number): IpcDictionary {
    const streams = new DictionaryColumn()
    const codes = this.#codes(rows, ({ stream }) => streams.codeOf(stream))
    for (const code of codes) streams.appendCode(code)
    return streams.put(batch, id, rows)
  }

  putSequences(batch: IpcBatch, id: number, rows: number): IpcDictionary {
    const sequences = new NumberDictionary()
    const codes = this.#codes(rows, ({ sequence }) => sequences.codeOf(sequence))
    batch.node(rows)
    putCodes(batch, codes, rows)
    return sequences.put(id, 'uint64')
  }

  clear(): void {
    this.#inputs.length = 0
    this.#firstRows.length = 0
    this.#last = noInput
    this.#rows = 0
  }

  #codes(rows: number, codeOf: (input: EventInput) => number): Uint16Array {
    const codes = new Uint16Array(rows)
    for (let run = 0; run < this.#inputs.length; run += 1) {
      const from = this.#firstRows[run]!
      // A last row that did not fit into the chunk has no place in it.
      if (from < rows) codes.fill(codeOf(this.#inputs[run]!), from, this.#firstRows[run + 1] ?? rows)
    }
    return codes
  }
}
