// The section `targets` of the configuration: for each figure the value that it ought to keep, in the figure's unit.

import type { z } from 'zod'
import { type SettingsSection, setting } from '../config/setting.js'
import { type FigureName, figureNames, figures } from './figures.js'

export type Targets = Readonly<Record<FigureName, string>>

const decimal = /^\d{1,20}(?:\.\d{1,12})?$/

export const targetsSettings: SettingsSection<Targets> = {
  name: 'targets',
  settings: figureNames.map(name => setting(`targets.${name}`)),
  schema: zod => {
    const value = zod
      .union([zod.string(), zod.number().transform(String)])
      .refine(text => decimal.test(text), 'a decimal that is not negative, in the unit of the figure')
    const fields = figureNames.map(name => [name, value.default(figures[name].target)])
    return zod.strictObject(Object.fromEntries(fields)).prefault({}) as unknown as z.ZodType<Targets>
  },
}
