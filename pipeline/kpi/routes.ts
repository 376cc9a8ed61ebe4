// The route behind `weir kpi`.

import { z } from 'zod'
import { type ApiRoute, type ApiTag, needs, readQuery } from '../gateway/route.js'
import { type FigureName, figureNames } from './figures.js'
import { defaultDays } from './gauges.js'
import { type KpiReader, readKpis } from './read-kpis.js'
import { listOf, roleNames } from './roles.js'

const kpiTag: ApiTag = {
  name: 'Figures',
  description: 'What finance, integration and platform watch, held against its targets.',
}

const text = z.string().nullable()
const kpiSchema = z
  .object({
    kpi: z.enum(figureNames as [FigureName, ...FigureName[]]),
    title: z.string(),
    unit: z.enum(['ratio', 'seconds', 'items', 'money', 'days']),
    currency: z.string().describe('Of money; else empty'),
    value: text.describe('A decimal; null: not known'),
    worst: text.describe('The slowest case of a time'),
    out_of: text.describe('How many cases, or how much money, were looked at'),
    target: z.string(),
    on_target: z.boolean().nullable().describe('Null while the value is not known'),
    not_known: z.string().describe('What would tell of it, where it is not known; else empty'),
  })
  .meta({ id: 'Kpi' })
const kpisSchema = z
  .object({
    role: z.enum(roleNames).nullable(),
    days: z.int(),
    kpis: z.array(kpiSchema),
  })
  .meta({ id: 'Kpis' })

const querySchema = z.object({
  role: z.enum(roleNames).optional().meta({ description: 'The list of this role; default: all figures' }),
  days: z.coerce
    .number()
    .int()
    .min(1)
    .max(3_660)
    .default(defaultDays)
    .meta({ description: 'How many days back, today included' }),
})

export function kpiRoute(reader: KpiReader): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/kpis',
    access: needs('read'),
    operationId: 'getKpis',
    tag: kpiTag,
    summary: 'The figures and their targets',
    description:
      'Business figures come from the view kpi_daily, technical ones from this process. A figure that nothing tells of ' +
      'is not known: its value is null, never 0. Targets are the section `targets` of the configuration.',
    query: querySchema,
    responses: {
      200: {
        description: 'The figures, in the order of the role’s list.',
        schema: kpisSchema,
        example: {
          role: 'finance',
          days: 7,
          kpis: [
            {
              kpi: 'posting_accuracy',
              title: 'charges posted right',
              unit: 'ratio',
              currency: '',
              value: '0.998',
              worst: null,
              out_of: '1000',
              target: '1',
              on_target: false,
              not_known: '',
            },
          ],
        },
      },
    },
    handle: async call => {
      const { role, days } = readQuery(call, querySchema)
      const names = role === undefined ? figureNames : listOf[role]
      const kpis = await readKpis(reader, names, days)
      return { status: 200, body: { role: role ?? null, days, kpis } }
    },
  }
}
