// The route that tells everything that is published, in the form of a catalog file.

import { z } from 'zod'
import type { Catalog } from '../../schemas/catalog/catalog.js'
import { catalogHash } from '../../schemas/catalog/catalog-hash.js'
import { catalogToWire } from '../../schemas/catalog/catalog-parser.js'
import { type ApiRoute, type ApiTag, needs } from '../gateway/route.js'

const tag: ApiTag = {
  name: 'Catalog',
  description: 'Meters, plans and coupons as they are published.',
}
const list = (of: string) => z.array(z.looseObject({})).describe(`${of}, as in a catalog file`)
const shape = z
  .object({
    catalog: z.object({
      meters: list('Meters'),
      plans: list('Every version of every plan'),
      coupons: list('Coupons; absent: none').optional(),
      schemas: list('Schemas of types of events; absent: none').optional(),
    }),
    catalog_hash: z.string().describe('As in the table catalog_versions; schemas are not in it'),
  })
  .meta({ id: 'PublishedCatalog' })

export function catalogRoutes(published: () => Promise<Catalog>): readonly ApiRoute[] {
  return [
    {
      method: 'GET',
      path: '/v1/catalog',
      access: needs('read', 'operate', 'ingest:catalog'),
      operationId: 'getCatalog',
      tag,
      summary: 'Everything that is published',
      description:
        'Every meter, coupon and version of a plan that was ever published. What was refused is not in it.',
      responses: {
        200: {
          description: 'The catalog.',
          schema: shape,
          example: { catalog: { meters: [], plans: [] }, catalog_hash: '0'.repeat(64) },
        },
      },
      async handle() {
        const catalog = await published()
        return { status: 200, body: { catalog: catalogToWire(catalog), catalog_hash: catalogHash(catalog) } }
      },
    },
  ]
}
