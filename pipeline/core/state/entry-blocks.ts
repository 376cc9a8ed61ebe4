// Bytes that are appended a few at a time and taken all at once, in blocks of a megabyte, each alone in its buffer:
// nothing is copied when it grows, and what is taken can be handed to another thread.

const blockBytes = 1 << 20

export class EntryBlocks {
  #blocks: Uint8Array[] = []
  #free = 0

  add(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length; ) {
      if (this.#free === 0) {
        this.#blocks.push(new Uint8Array(blockBytes))
        this.#free = blockBytes
      }
      const part = bytes.subarray(from, from + this.#free)
      this.#blocks.at(-1)!.set(part, blockBytes - this.#free)
      this.#free -= part.length
      from += part.length
    }
  }

  take(): readonly Uint8Array[] {
    const taken = this.#blocks
    const last = taken.pop()
    if (last !== undefined) taken.push(last.slice(0, blockBytes - this.#free))
    this.#blocks = []
    this.#free = 0
    return taken
  }
}
