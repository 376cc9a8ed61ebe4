// The decision of the gate against the plain way: a list of rules that are all asked, and the first that holds is taken.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { HoldCode } from '../deliver/flow-gate.js'
import { type Asked, holdOf, type OpenWindow } from './decide.js'
import { type FlowState, untouchedState } from './flow-state.js'

const stamp = { reason: 'r', by: 'ops', at: '2026-01-01T00:00:00Z' }
const entity = fc.constantFrom('', 'de', 'us')
const customer = fc.constantFrom('acme', 'bolt')
const names = <T extends string>(of: fc.Arbitrary<T>) => fc.uniqueArray(of, { maxLength: 2 })
const allow = fc.record({ entities: names(entity), customers: names(customer) })
const rolloutMode = fc.constantFrom('read_only' as const, 'controlled' as const, 'automatic' as const)
const ofClass = fc.constantFrom('money' as const, 'state' as const, 'rest' as const)
const sink = fc.constantFrom('hook', 'constructor')

const incident = fc.constantFrom(
  ...[0, 1, 2, 3, 4].map(count => ({
    incident_id: 'inc_1',
    done: (['stop', 'reconcile', 'money', 'state'] as const)
      .slice(0, count)
      .map(step => ({ ...stamp, step, detail: '' })),
  })),
)

const state: fc.Arbitrary<FlowState> = fc.record({
  mode: fc
    .constantFrom('normal' as const, 'read_only' as const, 'frozen' as const)
    .map(mode => ({ mode, ...stamp })),
  paused: fc.dictionary(sink, fc.constant(stamp), { maxKeys: 2 }),
  rollouts: fc.dictionary(
    sink,
    fc.record({ mode: rolloutMode, allow }).map(set => ({ ...set, ...stamp })),
    {
      maxKeys: 2,
    },
  ),
  windows: fc.constant([]),
  incident: fc.oneof(fc.constant(null), incident),
})

const openWindow: fc.Arbitrary<OpenWindow> = fc
  .record({
    whose: fc.option(entity, { nil: undefined }),
    mode: fc.constantFrom('read_only' as const, 'frozen' as const),
    untilMs: fc.integer({ min: 1, max: 5 }),
  })
  .map(({ whose, mode, untilMs }) => ({
    window: { name: 'w', entity: whose, mode, reason: 'close', from: '', until: '' },
    untilMs,
  }))

const asked: fc.Arbitrary<Asked> = fc.oneof(
  fc.record({ kind: fc.constant('range' as const), feed: sink, leaves: fc.boolean() }),
  fc.record({
    kind: fc.constant('record' as const),
    connection: sink,
    entity,
    customer,
    rollout: fc.record({ mode: rolloutMode, allow, class: ofClass }),
  }),
  fc.record({ kind: fc.constant('billing_run' as const), entity: fc.option(entity, { nil: undefined }) }),
  fc.record({ kind: fc.constant('batch' as const), entity }),
)

/** Every rule on its own, in the order of the documentation. */
function plainly(set: FlowState, open: readonly OpenWindow[], what: Asked): HoldCode | undefined {
  const leaves = what.kind !== 'range' || what.leaves
  const whose = what.kind === 'range' ? undefined : what.entity
  const isRun = what.kind === 'billing_run'
  const released = what.kind === 'record' ? what.rollout.class : 'money'
  const concerns = open.filter(
    ({ window }) => [undefined, whose].includes(window.entity) || whose === undefined,
  )
  const opened = (mode: string): boolean => concerns.some(({ window }) => window.mode === mode)
  const rollout =
    what.kind !== 'record'
      ? undefined
      : (new Map(Object.entries(set.rollouts)).get(what.connection) ?? what.rollout)
  const isListed =
    what.kind === 'record' &&
    (rollout!.allow.entities.includes(what.entity) || rollout!.allow.customers.includes(what.customer))
  const rules: readonly (readonly [boolean, HoldCode])[] = [
    [what.kind === 'range' && Object.keys(set.paused).includes(what.feed), 'paused'],
    [
      leaves && set.incident !== null && !set.incident.done.map(one => one.step).includes(released),
      'incident',
    ],
    [leaves && set.mode.mode === 'frozen', 'frozen'],
    [leaves && !isRun && set.mode.mode === 'read_only', 'read_only'],
    [leaves && opened('frozen'), 'frozen'],
    [leaves && !isRun && opened('read_only'), 'read_only'],
    [rollout?.mode === 'read_only', 'read_only'],
    [rollout?.mode === 'controlled' && !isListed, 'not_on_allow_list'],
  ]
  return rules.find(([holds]) => holds)?.[1]
}

test('the gate decides as the rules do when each is asked on its own', () => {
  const numRuns = Number(process.env['WEIR_TEST_RUNS'] ?? 2_000)
  fc.assert(
    fc.property(state, fc.array(openWindow, { maxLength: 4 }), asked, (set, open, what) => {
      const hold = holdOf(set, open, what)
      expect(hold?.code).toBe(plainly(set, open, what))
      const times = open.map(({ untilMs }) => untilMs)
      if (hold?.untilMs !== undefined) expect(times).toContain(hold.untilMs)
      if (hold !== undefined) expect(hold.detail).not.toBe('')
    }),
    { numRuns },
  )
})

test('a window that ends tells when, and one that somebody has to end does not', () => {
  const record: Asked = {
    kind: 'record',
    connection: 'hook',
    entity: 'de',
    customer: 'acme',
    rollout: { mode: 'automatic', allow: { entities: [], customers: [] }, class: 'money' },
  }
  const window = {
    name: 'close',
    entity: 'de',
    mode: 'frozen',
    reason: 'month end',
    from: '',
    until: '',
  } as const
  const untilMs = Date.parse('2026-02-03T09:00:00Z')
  expect(holdOf(untouchedState, [{ window, untilMs }], record)).toEqual({
    code: 'frozen',
    detail: 'frozen until 2026-02-03T09:00:00Z by the window close: month end',
    untilMs,
  })
  const mode = { mode: 'read_only', ...stamp } as const
  expect(holdOf({ ...untouchedState, mode }, [{ window, untilMs }], record)).toEqual({
    code: 'read_only',
    detail: 'read-only since 2026-01-01T00:00:00Z by ops: r',
  })
})
