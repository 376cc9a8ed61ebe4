// The catalog's form as a zod schema: the source of its JSON Schema, for editors and other languages.
// catalog-parser.ts decides what is valid; this says the same as far as JSON Schema can (a test compares them).

import { z } from 'zod'
import { nameField, planVersionField } from '../json/wire-fields.js'
import { meterSchema } from './catalog-meter.js'
import { planSchema } from './catalog-plan.js'
import { couponSchema } from './coupon.js'

export { priceSchema } from './catalog-price.js'

export const catalogSchema = z.strictObject({
  meters: z.array(meterSchema).optional(),
  plans: z.array(planSchema).optional(),
  coupons: z.array(couponSchema).optional(),
  schemas: z
    .array(
      z.strictObject({
        event_type: nameField,
        version: planVersionField,
        from: z.string().optional().meta({
          description:
            'It judges events that arrive from here on; at the earliest a minute after it was published.',
        }),
        schema: z.looseObject({}).meta({ description: 'JSON Schema 2020-12 of the data of such events' }),
      }),
    )
    .optional(),
})
