// `weir catalog show`: everything that is published, which `weir catalog diff --catalog` reads.

import { catalogToWire } from '../../schemas/catalog/catalog-parser.js'
import { answer, type GatewayArguments } from '../terminal/gateway-client.js'
import type { CliIo } from '../terminal/io.js'
import { publishedAt } from './read-terms.js'

export function showCommand({ gateway, json }: GatewayArguments, io: CliIo): Promise<number> {
  return answer(io, async () => {
    const catalog = catalogToWire(await publishedAt(gateway))
    io.stdout.write(`${JSON.stringify(catalog, null, json ? undefined : 2)}\n`)
  })
}
