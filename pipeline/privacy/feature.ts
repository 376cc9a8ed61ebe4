// The feature of personal data: sealing at the gateway, revealing, erasing.

import { type FieldRule, FieldRules } from '../../schemas/personal-data/field-rules.js'
import { sectionOf, type WeirConfig } from '../config/config.js'
import type { Feature } from '../feature/feature.js'
import { CustomerKeys } from './customer-keys.js'
import { eventProtection } from './event-protection.js'
import { privacyRoutes } from './routes.js'
import { fieldRulesOf, personalDataSettings } from './settings.js'

export const privacyFeature: Feature = {
  name: 'privacy',
  protection: {
    open: ({ config, js, jsm }) =>
      eventProtection(new FieldRules(personalFields(config)), new CustomerKeys(js, jsm)),
    personalFields,
  },
  routes: ({ js, jsm, audit }) => privacyRoutes(new CustomerKeys(js, jsm), audit),
}

function personalFields(config: WeirConfig): readonly FieldRule[] {
  return fieldRulesOf(sectionOf(config, personalDataSettings))
}
