// Tests random catalogs: written, read back, merged, and checked against the JSON Schema.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { catalogArbitrary } from '../testing/catalog-arbitrary.js'
import { catalogToWire, mergeCatalogs, parseCatalog, parseCatalogValue } from './catalog-parser.js'
import { catalogSchema } from './catalog-schema.js'

test('a catalog written as JSON or YAML is read back equal', () => {
  fc.assert(
    fc.property(catalogArbitrary, catalog => {
      const wire = catalogToWire(catalog)
      const expected = { kind: 'ok', catalog }
      expect(parseCatalogValue(wire)).toEqual(expected)
      expect(parseCatalog(JSON.stringify(wire), 'c.json')).toEqual(expected)
      expect(parseCatalog(stringify(wire), 'c.yaml')).toEqual(expected)
    }),
    { numRuns: 100 },
  )
})

test('the JSON Schema takes every catalog that the parser takes', () => {
  fc.assert(
    fc.property(catalogArbitrary, catalog => {
      expect(catalogSchema.safeParse(catalogToWire(catalog))).toMatchObject({ success: true })
    }),
    { numRuns: 100 },
  )
})

test('merging a catalog with itself, or publishing it in parts, changes nothing', () => {
  fc.assert(
    fc.property(catalogArbitrary, catalog => {
      expect(mergeCatalogs(catalog, catalog)).toEqual({ kind: 'ok', catalog })
      const meters = { meters: catalog.meters, plans: [] }
      expect(mergeCatalogs(meters, { ...catalog, meters: [] })).toEqual({ kind: 'ok', catalog })
    }),
    { numRuns: 50 },
  )
})

test('whatever text comes, the parser answers and does not throw', () => {
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    fc.jsonValue().map(value => JSON.stringify({ meters: [value], plans: [value, { prices: [value] }] })),
  )
  fc.assert(
    fc.property(text, source => {
      expect(['ok', 'invalid']).toContain(parseCatalog(source, 'x').kind)
    }),
    { numRuns: 300 },
  )
})
