// The values of `data` that a scan must find: paths of keys, as a tree that the scanner follows key by key.

/** A node in the tree of paths. Its slots form a chain, because two paths may be equal. */
interface LayoutNode {
  readonly children: Map<string, number>
  /** The last path that ends here; -1 if none does. */
  slot: number
}

export class ScanLayout {
  /** By slot. */
  readonly paths: readonly (readonly string[])[]
  /** Per event. */
  readonly slots: number
  /** The next path with the same end; -1 at the end of the chain. */
  readonly nextSlot: Int32Array
  /** Node 0 means that no path leads here; node 1 is `data` itself. */
  readonly #nodes: LayoutNode[] = [newNode(), newNode()]

  /** Paths into `data`, by key; the slot of a path is its index. */
  constructor(paths: readonly (readonly string[])[]) {
    this.paths = paths
    this.slots = paths.length
    this.nextSlot = new Int32Array(paths.length).fill(-1)
    for (const [slot, path] of paths.entries()) {
      const node = this.#nodes[path.reduce((at, key) => this.#grow(at, key), layoutOfData)]!
      this.nextSlot[slot] = node.slot
      node.slot = slot
    }
  }

  /** The node that a key leads to; 0 when no path goes there. */
  child(at: number, key: string): number {
    return this.#nodes[at]!.children.get(key) ?? 0
  }

  /** The first slot that wants the value here; -1 when none does. */
  slotAt(at: number): number {
    return this.#nodes[at]!.slot
  }

  #grow(at: number, key: string): number {
    const known = this.child(at, key)
    if (known !== 0) return known
    this.#nodes[at]!.children.set(key, this.#nodes.length)
    return this.#nodes.push(newNode()) - 1
  }
}

/** The node of `data` in every layout. */
export const layoutOfData = 1

function newNode(): LayoutNode {
  return { children: new Map(), slot: -1 }
}
