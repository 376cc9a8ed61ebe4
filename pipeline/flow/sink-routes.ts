// The routes of sinks: the list, pause and resume of a feed or a connection, and the rollout of a connection.

import { z } from 'zod'
import type { DeliveryStatus } from '../deliver/delivery-status.js'
import type { Feed } from '../deliver/feed.js'
import type { Hold } from '../deliver/flow-gate.js'
import { Problem } from '../gateway/problem.js'
import { type ApiCall, type ApiRoute, jsonBody, needs, readJson } from '../gateway/route.js'
import { changeFlow, type FlowParts, readFlow } from './changes.js'
import type { FlowState } from './flow-state.js'
import {
  flowTag,
  optionalReasonBody,
  reasonBody,
  rolloutBody,
  type SinkView,
  sinkExample,
  sinkSchema,
} from './shapes.js'

export interface SinkParts extends FlowParts {
  readonly feeds: readonly Feed[]
  readonly feedStatus: () => readonly DeliveryStatus[]
}

const params = z.object({
  sink: z
    .string()
    .describe('The key of a feed, such as `clickhouse`, or the name of a connection')
    .meta({ examples: ['books'] }),
})
const answer = (description: string) => ({ 200: { description, schema: sinkSchema, example: sinkExample } })

export function sinkRoutes(parts: SinkParts): readonly ApiRoute[] {
  return [listRoute(parts), pauseRoute(parts), resumeRoute(parts), rolloutRoute(parts)]
}

function listRoute(parts: SinkParts): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/sinks',
    access: needs('read'),
    operationId: 'listSinks',
    tag: flowTag,
    summary: 'All feeds and connections',
    description: 'How far each is, what holds it and why, and what a connection has in hand.',
    responses: {
      200: {
        description: 'The sinks.',
        schema: z.object({ sinks: z.array(sinkSchema) }),
        example: { sinks: [sinkExample] },
      },
    },
    async handle() {
      const { state } = await readFlow(parts.kv)
      return { status: 200, body: { sinks: viewsOf(parts, state) } }
    },
  }
}

function pauseRoute(parts: SinkParts): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/sinks/{sink}/pause',
    audits: ['sinks.paused'],
    access: needs('operate'),
    operationId: 'pauseSink',
    tag: flowTag,
    summary: 'Pause a feed or a connection',
    description:
      'From the next range or record on, also across restarts. What is under way is finished. A connection that is paused ' +
      'takes nothing in; everything waits in its stream.',
    params,
    body: jsonBody(reasonBody, { reason: 'the ERP is migrated' }),
    responses: answer('Paused.'),
    problems: ['invalid_request', 'not_found'],
    async handle(call) {
      const { reason } = await readJson(call, reasonBody)
      const { key } = feedOfCall(parts, call)
      const state = await changeFlow(parts, {
        caller: call.caller,
        act: 'sinks.paused',
        object: { kind: 'sink', id: key },
        reason,
        edit: (before, stamp) => ({ ...before, paused: { ...before.paused, [key]: stamp } }),
        part: ({ paused }) => paused[key],
      })
      return { status: 200, body: viewOf(parts, state, key) }
    },
  }
}

function resumeRoute(parts: SinkParts): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/sinks/{sink}/resume',
    audits: ['sinks.resumed'],
    access: needs('operate'),
    operationId: 'resumeSink',
    tag: flowTag,
    summary: 'Resume a feed or a connection',
    description: 'It goes on from where it was. Of one that is not paused nothing changes.',
    params,
    body: jsonBody(optionalReasonBody, { reason: 'the migration is done' }),
    responses: answer('Not paused any more; something else may hold it still.'),
    problems: ['invalid_request', 'not_found'],
    async handle(call) {
      const { reason } = await readJson(call, optionalReasonBody)
      const { key } = feedOfCall(parts, call)
      const state = await changeFlow(parts, {
        caller: call.caller,
        act: 'sinks.resumed',
        object: { kind: 'sink', id: key },
        reason,
        edit(before) {
          const { [key]: was, ...paused } = before.paused
          return was === undefined ? before : { ...before, paused }
        },
        part: ({ paused }) => paused[key],
      })
      return { status: 200, body: viewOf(parts, state, key) }
    },
  }
}

function rolloutRoute(parts: SinkParts): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/sinks/{sink}/mode',
    audits: ['sinks.mode_changed'],
    access: needs('operate'),
    operationId: 'setRollout',
    tag: flowTag,
    summary: 'How far a connection is let out',
    description:
      '`read_only`: every record is held. `controlled`: records of the entities and customers on the allow-list go, the ' +
      'others are held. `automatic`: every record goes. What is held and may go now follows by itself, in order. The change ' +
      'goes before the configuration, across restarts, until the mode is `configured` again.',
    params,
    body: jsonBody(rolloutBody, { mode: 'controlled', allow: { entities: ['de'] }, reason: 'pilot' }),
    responses: answer('The connection.'),
    problems: ['invalid_request', 'not_found', 'not_a_connection', 'allow_list_missing'],
    async handle(call) {
      const { mode, allow, reason } = await readJson(call, rolloutBody)
      const feed = feedOfCall(parts, call)
      if (feed.ofRecords === undefined)
        throw new Problem(
          'not_a_connection',
          `${feed.key} is a feed; only connections are let out in stages.`,
        )
      const { connection, rollout } = feed.ofRecords
      const state = await changeFlow(parts, {
        caller: call.caller,
        act: 'sinks.mode_changed',
        object: { kind: 'sink', id: feed.key },
        reason,
        edit(before, stamp) {
          const { [connection]: was, ...others } = before.rollouts
          if (mode === 'configured') return was === undefined ? before : { ...before, rollouts: others }
          const list = allow ?? was?.allow ?? rollout.allow
          if (mode === 'controlled' && list.entities.length + list.customers.length === 0)
            throw new Problem(
              'allow_list_missing',
              'The mode controlled needs an allow-list: entities or customers.',
            )
          const allowed = { entities: [...list.entities], customers: [...list.customers] }
          return { ...before, rollouts: { ...others, [connection]: { mode, allow: allowed, ...stamp } } }
        },
        part: ({ rollouts }) => rollouts[connection],
      })
      return { status: 200, body: viewOf(parts, state, feed.key) }
    },
  }
}

function feedOfCall({ feeds }: SinkParts, call: ApiCall): Feed {
  const name = call.params['sink'] ?? ''
  const found =
    feeds.find(({ key }) => key === name) ?? feeds.find(({ ofRecords }) => ofRecords?.connection === name)
  if (found !== undefined) return found
  const known = feeds.map(({ key }) => key).join(', ')
  throw new Problem('not_found', `There is no sink ${name}; there are ${known}.`)
}

function viewOf(parts: SinkParts, state: FlowState, key: string): SinkView {
  return viewsOf(parts, state).find(({ sink }) => sink === key)!
}

export function viewsOf({ feeds, feedStatus, flow }: SinkParts, state: FlowState): SinkView[] {
  const statuses = new Map(feedStatus().map(status => [status.key, status]))
  return feeds.map(feed => {
    const { key, stream, ofRecords } = feed
    const status = statuses.get(key)
    const trouble = status?.trouble
    return {
      sink: key,
      kind: ofRecords === undefined ? 'feed' : 'connection',
      stream,
      state: status?.state ?? 'stopped',
      detail: trouble === undefined ? '' : `${trouble.code}: ${trouble.detail}`,
      position: status?.position ?? 0,
      behind: status?.behind ?? null,
      refused: status?.refused ?? 0,
      hold: holdView(flow.feed(feed)),
      paused: state.paused[key] ?? null,
      rollout: ofRecords === undefined ? null : rolloutView(ofRecords, state),
      in_hand: inHandOf(status),
    }
  })
}

function inHandOf(status: DeliveryStatus | undefined): SinkView['in_hand'] {
  const { byState, heldBy } = status?.open ?? {}
  if (byState === undefined || heldBy === undefined) return null
  return { open: Object.values(byState).reduce((sum, count) => sum + count, 0), held: { ...heldBy } }
}

function holdView(hold: Hold | undefined): SinkView['hold'] {
  if (hold === undefined) return null
  const { code, detail, untilMs } = hold
  return { code, detail, until: untilMs === undefined ? null : new Date(untilMs).toISOString() }
}

function rolloutView(
  { connection, rollout }: NonNullable<Feed['ofRecords']>,
  { rollouts }: FlowState,
): SinkView['rollout'] {
  const set = Object.hasOwn(rollouts, connection) ? rollouts[connection] : undefined
  const { mode, allow } = set ?? rollout
  return {
    mode,
    allow: { entities: [...allow.entities], customers: [...allow.customers] },
    class: rollout.class,
    configured: rollout.mode,
    set: set === undefined ? null : { reason: set.reason, by: set.by, at: set.at },
  }
}
