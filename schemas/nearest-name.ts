// Finds the known name nearest to an unknown one, so that an error message can suggest it.

import { closest } from 'fastest-levenshtein'

const maxShownLength = 64

/** The known name that begins with it, else the one with the fewest letters to change; undefined when there are none. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  const names = [...known]
  // The distance costs the square of the length, so a text longer than any name is cut.
  const shown = shownName(name)
  const begun = shown.length >= 3 ? names.find(one => one.startsWith(shown)) : undefined
  return begun ?? (names.length === 0 ? undefined : closest(shown, names))
}

/** `; the nearest known name is plan`, or nothing when there is none. */
export function nearestHint(name: string, known: Iterable<string>): string {
  const nearest = nearestName(name, known)
  return nearest === undefined ? '' : `; the nearest known name is ${nearest}`
}

/** A name as messages show it: bounded, whatever was sent. */
export function shownName(name: string): string {
  return name.length <= maxShownLength ? name : `${name.slice(0, maxShownLength)}…`
}
