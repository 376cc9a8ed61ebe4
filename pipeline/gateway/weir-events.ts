// Checks `weir.*` events on arrival with the parser of the pipeline: an event that the pipeline would dead-letter for its
// form is refused in the answer. What depends on earlier events (an unknown plan, a conflicting version) is not checked
// here.

import { parseCatalogValue } from '../../schemas/catalog/catalog-parser.js'
import { isLifecycleType } from '../../schemas/event/event-stream.js'
import type { ValidEvent } from '../../schemas/event/usage-event.js'
import { parseLifecycleEvent } from '../../schemas/lifecycle/lifecycle-event.js'
import type { Rejection } from '../../schemas/rejection.js'
import type { ProblemError } from './problem.js'

export interface WeirEventProblem extends Rejection {
  /** For a catalog: its problems, up to `maxProblems`. */
  readonly errors?: readonly ProblemError[]
}

const maxProblems = 100

/** Why a `weir.*` event is refused; undefined for usage and for well-formed events. */
export function weirEventProblem(event: ValidEvent): WeirEventProblem | undefined {
  if (!isLifecycleType(event.type)) return undefined
  const parsed = parseLifecycleEvent(event)
  if (parsed.kind === 'ok') return undefined
  if (parsed.rejection.code !== 'invalid_catalog') return parsed.rejection
  return { ...parsed.rejection, errors: catalogProblems(event.data['catalog']) }
}

function catalogProblems(catalog: unknown): ProblemError[] {
  const parsed = parseCatalogValue(catalog, 'part')
  if (parsed.kind === 'ok') return []
  return parsed.problems
    .slice(0, maxProblems)
    .map(({ path, code, message }) => ({ pointer: `/data/catalog${path}`, code, detail: message }))
}
