// The routes of the mode of Weir and of its freeze windows.

import { z } from 'zod'
import { Problem } from '../gateway/problem.js'
import { type ApiRoute, jsonBody, needs, readJson } from '../gateway/route.js'
import { changeFlow, type FlowParts, readFlow } from './changes.js'
import type { FlowState, Stamp } from './flow-state.js'
import { windowAt } from './freeze-window.js'
import { flowTag, modeBody, modeSchema, stampExample, windowSchema } from './shapes.js'
import { type FreezeWindow, windowFaults, windowReader, windowShapes } from './window-shape.js'

export interface ModeParts extends FlowParts {
  /** The windows of the configuration. */
  readonly windows: readonly FreezeWindow[]
}

const mostWindows = 200
const windowExample = {
  name: 'close-de',
  entity: 'de',
  mode: 'frozen',
  reason: 'month-end close',
  time_zone: 'Europe/Berlin',
  every_month: { from: { day: -1, at: '18:00' }, until: { day: 3, at: '09:00' } },
}
const windowViewExample = {
  ...windowExample,
  is_open: false,
  changes_at: '2026-02-28T17:00:00.000Z',
  set: stampExample,
}
const modeExample = { mode: 'read_only', set: stampExample, open_windows: [], notes: ['read_only since …'] }
const shapes = windowShapes(z)
const windowBody = z.union([shapes.once, shapes.everyMonth]).meta({ id: 'NewFreezeWindow' })
const windowOfBody = windowReader(z)

export function modeRoutes(parts: ModeParts): readonly ApiRoute[] {
  return [
    getModeRoute(parts),
    setModeRoute(parts),
    listWindowsRoute(parts),
    addWindowRoute(parts),
    removeWindowRoute(parts),
  ]
}

function getModeRoute(parts: ModeParts): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/mode',
    access: needs('read'),
    operationId: 'getMode',
    tag: flowTag,
    summary: 'The mode of Weir',
    description: 'And the freeze windows and the incident that hold it beside the mode.',
    responses: { 200: { description: 'The mode.', schema: modeSchema, example: modeExample } },
    async handle() {
      const { state } = await readFlow(parts.kv)
      return { status: 200, body: modeView(parts, state) }
    },
  }
}

function setModeRoute(parts: ModeParts): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/mode',
    audits: ['mode.changed'],
    access: needs('operate'),
    operationId: 'setMode',
    tag: flowTag,
    summary: 'Change the mode of Weir',
    description:
      '`read_only`: everything is taken, computed and kept, and nothing leaves: connections hold their records, and batches are ' +
      'sealed and not handed out. `frozen`: no billing run is taken either. What was held goes on by itself, in order, once ' +
      'the mode is `normal`. The mode is kept across restarts.',
    body: jsonBody(modeBody, { mode: 'read_only', reason: 'the ERP is migrated' }),
    responses: { 200: { description: 'The mode.', schema: modeSchema, example: modeExample } },
    problems: ['invalid_request'],
    async handle(call) {
      const { mode, reason } = await readJson(call, modeBody)
      const state = await changeFlow(parts, {
        caller: call.caller,
        act: 'mode.changed',
        object: { kind: 'mode', id: 'weir' },
        reason,
        edit: (before, stamp) => ({ ...before, mode: { mode, ...stamp } }),
        part: state => state.mode,
      })
      return { status: 200, body: modeView(parts, state) }
    },
  }
}

function modeView({ flow }: ModeParts, { mode: { mode, reason, by, at } }: FlowState) {
  const { openWindows, notes } = flow.summary()
  return { mode, set: { reason, by, at }, open_windows: openWindows, notes }
}

function listWindowsRoute(parts: ModeParts): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/freeze-windows',
    access: needs('read'),
    operationId: 'listFreezeWindows',
    tag: flowTag,
    summary: 'All freeze windows',
    description:
      'Those of the configuration and those set by command, whether each is open, and when that changes.',
    responses: {
      200: {
        description: 'The windows.',
        schema: z.object({ freeze_windows: z.array(windowSchema) }),
        example: { freeze_windows: [windowViewExample] },
      },
    },
    async handle() {
      const { state } = await readFlow(parts.kv)
      const nowMs = parts.nowMs()
      const views = [
        ...parts.windows.map(window => windowView(window, null, nowMs)),
        ...state.windows.map(({ window, set }) => windowView(window, set, nowMs)),
      ]
      return { status: 200, body: { freeze_windows: views } }
    },
  }
}

function addWindowRoute(parts: ModeParts): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/freeze-windows',
    audits: ['freeze_window.added'],
    access: needs('operate'),
    operationId: 'addFreezeWindow',
    tag: flowTag,
    summary: 'Add a freeze window',
    description:
      'Once, with `from` and `until`; or every month, with `every_month` and `time_zone`. While it is open nothing of its ' +
      'entity leaves (`read_only`) and no billing run of it is taken either (`frozen`, the default). What waited goes on by ' +
      'itself when it ends. One of the same name that was set by command is replaced.',
    body: jsonBody(windowBody, windowExample),
    responses: { 201: { description: 'The window.', schema: windowSchema, example: windowViewExample } },
    problems: ['invalid_request', 'invalid_window', 'window_is_configured', 'too_many_windows'],
    async handle(call) {
      const window = await readJson(call, windowOfBody)
      const fault = windowFaults(window)[0]
      if (fault !== undefined)
        throw new Problem('invalid_window', `${fault.path.join('.')} ${fault.message}.`)
      refuseConfigured(parts, window.name)
      const state = await changeFlow(parts, {
        caller: call.caller,
        act: 'freeze_window.added',
        object: { kind: 'freeze_window', id: window.name },
        reason: window.reason,
        edit(before, set) {
          const others = before.windows.filter(one => one.window.name !== window.name)
          if (others.length >= mostWindows)
            throw new Problem('too_many_windows', `There are ${mostWindows} windows; remove one first.`)
          return { ...before, windows: [...others, { window, set }] }
        },
        part: ({ windows }) => windows.find(one => one.window.name === window.name)?.window,
      })
      const added = state.windows.find(one => one.window.name === window.name)!
      return { status: 201, body: windowView(added.window, added.set, parts.nowMs()) }
    },
  }
}

function removeWindowRoute(parts: ModeParts): ApiRoute {
  return {
    method: 'DELETE',
    path: '/v1/freeze-windows/{name}',
    audits: ['freeze_window.removed'],
    access: needs('operate'),
    operationId: 'removeFreezeWindow',
    tag: flowTag,
    summary: 'Remove a freeze window',
    description:
      'One that was set by command; what it held goes on. One of the configuration is removed there.',
    params: z.object({
      name: z
        .string()
        .describe('The name of a window')
        .meta({ examples: ['close-de'] }),
    }),
    responses: {
      200: { description: 'The window that was.', schema: windowSchema, example: windowViewExample },
    },
    problems: ['not_found', 'window_is_configured'],
    async handle(call) {
      const name = call.params['name'] ?? ''
      refuseConfigured(parts, name)
      let removed: FlowState['windows'][number] | undefined
      await changeFlow(parts, {
        caller: call.caller,
        act: 'freeze_window.removed',
        object: { kind: 'freeze_window', id: name },
        reason: '',
        edit(before) {
          removed = before.windows.find(({ window }) => window.name === name)
          if (removed === undefined) throw new Problem('not_found', `There is no freeze window ${name}.`)
          return { ...before, windows: before.windows.filter(one => one !== removed) }
        },
        part: ({ windows }) => windows.find(({ window }) => window.name === name)?.window,
      })
      return { status: 200, body: windowView(removed!.window, removed!.set, parts.nowMs()) }
    },
  }
}

function refuseConfigured({ windows }: ModeParts, name: string): void {
  if (!windows.some(window => window.name === name)) return
  throw new Problem('window_is_configured', `The window ${name} is in the configuration; change it there.`)
}

function windowView(window: FreezeWindow, set: Stamp | null, nowMs: number) {
  const { isOpen, untilMs } = windowAt(window, nowMs)
  const changesAt = Number.isFinite(untilMs) ? new Date(untilMs).toISOString() : null
  return { ...window, is_open: isOpen, changes_at: changesAt, set }
}
