// A fake receiver in a process of its own: `node .cache/testing/sinks/testing/fake-main.js netsuite [port]`. Prints one line
// of JSON: its URL, and what a connection to it is configured with. Faults are set over HTTP (fake-server.ts).

// One that was forked ends with the process that forked it.

import { fakeOf } from './fake-of-kind.js'

const [kind = '', port = '0'] = process.argv.slice(2)
process.on('disconnect', () => process.exit())
const { fake, ...told } = await fakeOf(kind, Number(port))
process.stdout.write(`${JSON.stringify({ url: fake.url, ...told })}\n`)
