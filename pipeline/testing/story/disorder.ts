// How the story is told: each thing once and in order, or twice and in an order that a seed makes, with kills in between.

import { Dice } from '../random/dice.js'

export interface Disorder {
  readonly name: string
  /** The order in which things are told, each as often as it stands there. */
  order<T>(things: readonly T[]): readonly T[]
  /** Whether what usually comes later comes first: usage before its subscription, quotes before anybody knows whose they are. */
  readonly isLateFirst: boolean
  /** Whether Weir is killed at this moment. */
  killsAt(moment: Moment): boolean
  /** How long after it, in ms. */
  afterMs(most: number): number
}

/** Between two stations: the next one has just been told of, and nothing of it has been waited for. */
export const moments = ['sold', 'used', 'upgraded', 'billed', 'failed', 'paid'] as const
export type Moment = (typeof moments)[number]

export const inOrder: Disorder = {
  name: 'each once, in order, no kill',
  order: things => things,
  isLateFirst: false,
  killsAt: () => false,
  afterMs: () => 0,
}

/** `kills`: at these moments; left out, the seed says at which. */
export function disturbed(seed: number, kills?: readonly Moment[]): Disorder {
  const dice = new Dice(seed)
  const at = new Set(kills ?? dice.shuffled(moments).slice(0, 1 + dice.below(3)))
  return {
    name: `seed ${seed}: each twice, in any order, kill -9 when ${[...at].join(', ')}`,
    order: things => dice.shuffled([...things, ...things]),
    isLateFirst: true,
    killsAt: moment => at.has(moment),
    afterMs: most => dice.below(most),
  }
}
