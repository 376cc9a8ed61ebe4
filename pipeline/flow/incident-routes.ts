// The routes of an incident: everything that leaves is stopped at once, and let out again in order, each step on record.
//
//   stop -> reconcile -> money -> state -> rest -> closed
//
// Invariants: a step is done once and in its order; the next class is released when the one before it has been delivered,
// or when somebody says `force`.

import { z } from 'zod'
import { Problem } from '../gateway/problem.js'
import { type ApiRoute, jsonBody, needs, readJson } from '../gateway/route.js'
import { changeFlow, readFlow } from './changes.js'
import { type FlowState, type Incident, type IncidentStep, incidentSteps, type Stamp } from './flow-state.js'
import {
  flowTag,
  type IncidentView,
  incidentExample,
  incidentSchema,
  reasonBody,
  stepBody,
} from './shapes.js'
import { type SinkParts, viewsOf } from './sink-routes.js'

const answer = (description: string) => ({ description, schema: incidentSchema, example: incidentExample })

export function incidentRoutes(parts: SinkParts): readonly ApiRoute[] {
  return [getRoute(parts), openRoute(parts), stepRoute(parts)]
}

function getRoute(parts: SinkParts): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/incident',
    access: needs('read'),
    operationId: 'getIncident',
    tag: flowTag,
    summary: 'The open incident',
    description:
      'The steps that are done, the next one, and what the last one released and is not delivered yet.',
    responses: { 200: answer('The incident; null: none is open.') },
    async handle() {
      return { status: 200, body: viewOf(parts, (await readFlow(parts.kv)).state) }
    },
  }
}

function openRoute(parts: SinkParts): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/incident',
    audits: ['incident.opened'],
    access: needs('operate'),
    operationId: 'openIncident',
    tag: flowTag,
    summary: 'Open an incident',
    description:
      'The first step, `stop`: from now on nothing leaves and no billing run is taken, across restarts, until the further ' +
      'steps release one class after the other. Everything is still taken, computed and kept.',
    body: jsonBody(reasonBody, { reason: 'journals with wrong accounts' }),
    responses: { 201: answer('The incident.') },
    problems: ['invalid_request', 'incident_open'],
    async handle(call) {
      const { reason } = await readJson(call, reasonBody)
      const id = `inc_${new Date(parts.nowMs()).toISOString().slice(0, 19).replace(/[-:]/g, '')}`
      const state = await changeFlow(parts, {
        caller: call.caller,
        act: 'incident.opened',
        object: { kind: 'incident', id },
        reason,
        edit(before, stamp) {
          if (before.incident !== null)
            throw new Problem(
              'incident_open',
              `The incident ${before.incident.incident_id} is open; finish it first.`,
            )
          return { ...before, incident: { incident_id: id, done: [doneOf('stop', stamp, 'nothing leaves')] } }
        },
        part: ({ incident }) => incident,
      })
      return { status: 201, body: viewOf(parts, state) }
    },
  }
}

function stepRoute(parts: SinkParts): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/incident/steps/{step}',
    audits: [
      'incident.stop_done',
      'incident.reconcile_done',
      'incident.money_done',
      'incident.state_done',
      'incident.rest_done',
    ],
    access: needs('operate'),
    operationId: 'doIncidentStep',
    tag: flowTag,
    summary: 'Do the next step of the incident',
    description:
      '`reconcile` says what GET /v1/reconciliation found; `money`, `state` and `rest` each release the connections of that ' +
      'class, and `rest` closes the incident. Batches and billing runs go on with `money`. A step is refused while ' +
      'something differs, or while what the step before released has not been delivered; `force` goes on all the same.',
    params: z.object({ step: z.enum(incidentSteps).describe('The next step of the open incident') }),
    body: jsonBody(stepBody, { differences: 0 }),
    responses: { 200: answer('The incident after the step; null: it is closed.') },
    problems: [
      'invalid_request',
      'not_found',
      'incident_step_not_next',
      'incident_differs',
      'incident_waits',
    ],
    async handle(call) {
      const step = incidentSteps.find(one => one === call.params['step'])
      if (step === undefined)
        throw new Problem('not_found', `There is no such step; they are ${incidentSteps.join(', ')}.`)
      const body = await readJson(call, stepBody)
      const { incident } = (await readFlow(parts.kv)).state
      const state = await changeFlow(parts, {
        caller: call.caller,
        act: `incident.${step}_done`,
        object: { kind: 'incident', id: incident?.incident_id ?? '' },
        reason: body.reason,
        edit: (before, stamp) => afterStep(parts, before, step, stamp, body),
        part: after => after.incident,
      })
      return { status: 200, body: viewOf(parts, state) }
    },
  }
}

function afterStep(
  parts: SinkParts,
  before: FlowState,
  step: IncidentStep,
  stamp: Stamp,
  { differences, force }: z.infer<typeof stepBody>,
): FlowState {
  const { incident } = before
  if (incident === null) throw new Problem('not_found', 'No incident is open.')
  const next = nextOf(incident)
  if (step !== next)
    throw new Problem('incident_step_not_next', `The next step of ${incident.incident_id} is ${next}.`)
  const waits = waitsFor(parts, before)
  if (step === 'reconcile' && differences === undefined)
    throw new Problem('incident_differs', 'The step reconcile says how many differences were found.')
  if (step === 'reconcile' && differences !== 0 && !force)
    throw new Problem('incident_differs', `${differences} differences were found: nothing is released.`)
  if (waits.length > 0 && !force) {
    const what = waits.map(({ sink, open }) => `${sink}: ${open}`).join(', ')
    throw new Problem('incident_waits', `What the last step released is not delivered yet: ${what}.`)
  }
  const detail = step === 'reconcile' ? `${differences} differences` : `${step} goes on`
  const forced = force && (waits.length > 0 || (differences ?? 0) > 0) ? ', forced' : ''
  const done = [...incident.done, doneOf(step, stamp, `${detail}${forced}`)]
  return { ...before, incident: step === 'rest' ? null : { ...incident, done } }
}

function doneOf(step: IncidentStep, stamp: Stamp, detail: string): Incident['done'][number] {
  return { step, detail, ...stamp }
}

function nextOf({ done }: Incident): IncidentStep {
  return incidentSteps[done.length] ?? 'rest'
}

function viewOf(parts: SinkParts, state: FlowState): IncidentView {
  const { incident } = state
  if (incident === null) return { incident: null, next: null, waits_for: [] }
  return {
    incident: { ...incident, done: [...incident.done] },
    next: nextOf(incident),
    waits_for: waitsFor(parts, state),
  }
}

/** Of the class that was released last: what is not delivered and not held for a reason of its own. */
function waitsFor(parts: SinkParts, state: FlowState): IncidentView['waits_for'] {
  const last = state.incident?.done.at(-1)?.step
  return viewsOf(parts, state).flatMap(({ sink, rollout, in_hand, behind, paused }) => {
    if (rollout === null || rollout.class !== last || paused !== null) return []
    const { incident: toBeFreed = 0, ...others } = in_hand?.held ?? {}
    const held = Object.values(others).reduce((sum, count) => sum + count, 0)
    const open = (in_hand?.open ?? 0) - held + (behind ?? 0)
    return open > 0 || toBeFreed > 0 ? [{ sink, open: Math.max(open, toBeFreed) }] : []
  })
}
