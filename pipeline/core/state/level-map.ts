// The levels of a partition's meters, by customer, subscription and meter: how usage moved each level in each stretch of
// time.
// Invariants: the stretches of a meter are in the order of time; indexes are made from them and never stored.

import {
  dimensionsKey,
  joined,
  type LevelMove,
  type LevelStretch,
  moveSize,
} from '../../../rating/charges/levels.js'
import { compositeKey } from '../../../schemas/identifiers.js'
import type { Scaled } from '../../../schemas/money/decimal.js'
import { compareInstants, instantKey } from '../../../schemas/time.js'
import { type MapDelta, TrackedMap } from './tracked-map.js'

/** The customer, subscription and meter of a level. */
export type LevelOwner = Pick<LevelStretch, 'customerId' | 'subscriptionId' | 'meter'>

interface Level {
  readonly stretches: LevelStretch[]
  /** The magnitudes of all moves: no level at the start of any stretch is beyond it. */
  reach: Scaled
}

const none: Level = { stretches: [], reach: 0n }

export class LevelMap {
  readonly #stretches = new TrackedMap<LevelStretch>()
  /** By customer, then by subscription and meter; made at the first look-up. */
  #levels: Map<string, Map<string, Level>> | undefined

  get changed(): boolean {
    return this.#stretches.changed
  }

  of(owner: LevelOwner): readonly LevelStretch[] {
    return this.#level(owner).stretches
  }

  /** No magnitude of the level is greater than this. */
  reach(owner: LevelOwner): Scaled {
    return this.#level(owner).reach
  }

  add(owner: LevelOwner, fromNs: bigint, move: LevelMove): void {
    const key = stretchKey(owner, fromNs)
    let stretch = this.#stretches.get(key)
    const level = this.#levelOrNew(owner)
    if (stretch === undefined) {
      const { customerId, subscriptionId, meter } = owner
      stretch = { customerId, subscriptionId, meter, fromNs, moves: new Map() }
      this.#stretches.set(key, stretch)
      insert(level.stretches, stretch)
    } else this.#stretches.touch(key)
    const dimensions = dimensionsKey(move.dimensions)
    const before = stretch.moves.get(dimensions)
    const sizeBefore = moveSize(before)
    const after = joined(before, move)
    level.reach += moveSize(after) - sizeBefore
    stretch.moves.set(dimensions, after)
  }

  /** Forgets the customer's stretches that begin at or after an instant. */
  removeFrom(customerId: string, fromNs: bigint): void {
    for (const level of this.#index().get(customerId)?.values() ?? []) {
      for (let last = level.stretches.at(-1); last !== undefined; last = level.stretches.at(-1)) {
        if (last.fromNs < fromNs) break
        for (const move of last.moves.values()) level.reach -= moveSize(move)
        level.stretches.pop()
        this.#stretches.delete(stretchKey(last, last.fromNs))
      }
    }
  }

  takeDelta(): MapDelta<LevelStretch> {
    return this.#stretches.takeDelta()
  }

  dump(): IterableIterator<MapDelta<LevelStretch>> {
    return this.#stretches.dump()
  }

  apply(delta: MapDelta<LevelStretch>): void {
    this.#stretches.apply(delta)
    this.#levels = undefined
  }

  #level({ customerId, subscriptionId, meter }: LevelOwner): Level {
    return this.#index().get(customerId)?.get(compositeKey(subscriptionId, meter)) ?? none
  }

  #levelOrNew(owner: LevelOwner): Level {
    return levelIn(this.#index(), owner)
  }

  #index(): Map<string, Map<string, Level>> {
    if (this.#levels !== undefined) return this.#levels
    const levels = new Map<string, Map<string, Level>>()
    for (const stretch of this.#stretches.values()) {
      const level = levelIn(levels, stretch)
      level.stretches.push(stretch)
      for (const move of stretch.moves.values()) level.reach += moveSize(move)
    }
    for (const ofCustomer of levels.values()) {
      for (const { stretches } of ofCustomer.values())
        stretches.sort((a, b) => compareInstants(a.fromNs, b.fromNs))
    }
    this.#levels = levels
    return levels
  }
}

function levelIn(levels: Map<string, Map<string, Level>>, owner: LevelOwner): Level {
  let ofCustomer = levels.get(owner.customerId)
  if (ofCustomer === undefined) {
    ofCustomer = new Map()
    levels.set(owner.customerId, ofCustomer)
  }
  const key = compositeKey(owner.subscriptionId, owner.meter)
  let level = ofCustomer.get(key)
  if (level === undefined) {
    level = { stretches: [], reach: 0n }
    ofCustomer.set(key, level)
  }
  return level
}

function stretchKey({ subscriptionId, meter }: LevelOwner, fromNs: bigint): string {
  return compositeKey(subscriptionId, meter, instantKey(fromNs))
}

/** Usage mostly comes in order, so the end is tried first. */
function insert(stretches: LevelStretch[], stretch: LevelStretch): void {
  let at = stretches.length
  while (at > 0 && stretches[at - 1]!.fromNs > stretch.fromNs) at -= 1
  stretches.splice(at, 0, stretch)
}
