// Keeps a redrive from writing personal values in the clear: amendments go to the broker past the gateway, which seals.
// Pure. Invariant: neither a job nor an amendment holds a value of a personal field as it would have to be sealed.

import { isRecord } from '../../../schemas/json/json-text.js'
import type { FieldRules } from '../../../schemas/personal-data/field-rules.js'
import { pointerTo } from '../../../schemas/rejection.js'
import { applyTransform, type EventJson } from './apply-transform.js'
import type { LeftAlone, Redriven } from './mend-event.js'
import type { Transform, TransformFault, TransformStep } from './transform.js'

const overHttp = 'send a weir.usage.amended over HTTP, where it is sealed'

/** The steps that bring a value of their own into a field that is personal in any event. */
export function personalSteps(transform: Transform, rules: FieldRules): readonly TransformFault[] {
  if (rules.isEmpty) return []
  return transform.flatMap((step, index) => {
    const isPersonal = broughtBy(step).some(brought => {
      const made = applyTransform({ data: {} }, [brought])
      const data = made.kind === 'mended' ? made.event['data'] : undefined
      return isRecord(data) && rules.inClear(undefined, data).length > 0
    })
    const detail = `The field is personal: ${overHttp}.`
    return isPersonal ? [{ pointer: pointerTo('/transform', index), code: 'invalid_transform', detail }] : []
  })
}

/** The step as one that sets each value that it may bring. */
function broughtBy(step: TransformStep): readonly TransformStep[] {
  const setting = (field: string, value: unknown): TransformStep => ({
    ...{ step: 'set', field, value, when: 'always' },
  })
  if (step.step === 'set') return [setting(step.field, step.value)]
  if (step.step !== 'map') return []
  return [...Object.values(step.table), step.otherwise].map(value => setting(step.field, value))
}

/** The mended event, or why it is left alone: its fields are personal now and were kept in the clear. */
export function keepSealed(mended: Redriven | LeftAlone, rules: FieldRules): Redriven | LeftAlone {
  if (mended.kind === 'left' || rules.isEmpty) return mended
  const [pointer] = clearFields(mended.after, rules)
  if (pointer === undefined) return mended
  const detail = `/data${pointer} is personal and was kept in the clear: ${overHttp}.`
  return { kind: 'left', exception: mended.exception, code: 'personal_data_in_clear', detail }
}

function clearFields({ type, data }: EventJson, rules: FieldRules): readonly string[] {
  return isRecord(data) ? rules.inClear(typeof type === 'string' ? type : undefined, data) : []
}
