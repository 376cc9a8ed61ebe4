// Collects what could not be said, once each. An object that is broken is a finding and never an exception.

import type { Finding, FindingEffect } from './imported.js'

/** More of one code and kind of object are counted and not kept one by one. */
const keptOfEach = 1_000

export class Findings {
  readonly #kept: Finding[] = []
  readonly #counts = new Map<string, number>()
  readonly #known = new Set<string>()

  add(effect: FindingEffect, object: string, id: string, field: string, code: string, detail: string): void {
    const key = JSON.stringify([object, id, field, code, detail])
    if (this.#known.has(key)) return
    const group = `${effect} ${object} ${code}`
    const count = (this.#counts.get(group) ?? 0) + 1
    this.#counts.set(group, count)
    if (count > keptOfEach) return
    this.#known.add(key)
    this.#kept.push({ object, id, field, code, effect, detail })
  }

  leftOut(object: string, id: string, field: string, code: string, detail: string): undefined {
    this.add('left_out', object, id, field, code, detail)
    return undefined
  }

  differs(object: string, id: string, field: string, code: string, detail: string): void {
    this.add('differs', object, id, field, code, detail)
  }

  note(object: string, id: string, field: string, code: string, detail: string): void {
    this.add('note', object, id, field, code, detail)
  }

  /** In the order in which they were found. */
  get all(): readonly Finding[] {
    return this.#kept
  }

  /** All of them, also those that are not kept, by effect, object and code. */
  get counts(): readonly { effect: FindingEffect; object: string; code: string; count: number }[] {
    return [...this.#counts].map(([group, count]) => {
      const [effect = '', object = '', code = ''] = group.split(' ')
      return { effect: effect as FindingEffect, object, code, count }
    })
  }
}
