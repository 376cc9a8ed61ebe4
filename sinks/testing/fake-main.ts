// A fake receiver in a process of its own: `node .cache/testing/sinks/testing/fake-main.js netsuite [port]`. Prints one line
// of JSON: its URL, and what a connection to it is configured with. Faults are set over HTTP (fake-server.ts).

import { fakeOf } from './fake-of-kind.js'

const [kind = '', port = '0'] = process.argv.slice(2)
const { fake, connection, secrets, mapping } = await fakeOf(kind, Number(port))
process.stdout.write(`${JSON.stringify({ url: fake.url, connection, secrets, mapping })}\n`)
