// The rows of docs/compatibility.md, in the order of clients, then of what was run. A row says only what its test
// runs: who adds or changes one runs `WEIR_WRITE_DOCS=1 npx vitest run pipeline/testing/clients/compatibility.test.ts`.

import type { CompatibilityRow } from './compatibility.js'

export const compatibilityRows: readonly CompatibilityRow[] = [
  {
    client: 'CloudEvents SDK for JavaScript',
    package: 'cloudevents',
    test: 'cloudevents.test.ts',
    what: 'structured, binary and batch mode over HTTP; events without data, with data as bytes',
    result: 'works',
  },
  {
    client: 'CloudEvents SDK for JavaScript',
    package: 'cloudevents',
    test: 'cloudevents.test.ts',
    what: 'the messages that it makes, published over NATS: structured, and binary with `ce-` headers',
    result: 'works',
  },
]
