// The import ladder: schemas <- rating | sinks <- pipeline <- bench; deploy/embedded stands beside sinks. Within
// pipeline each folder names the folders that it may import; what it does not name, it must not know.
// `pipeline/testing/tidy/ladder-canary.test.ts` shows that every rule below can fail.

const test = '(\\.test\\.ts$|/testing/)'
const product = folder => ({ path: `^${folder}/`, pathNot: test })

/** Modules of Node, which the resolver names without `node:`; those that compute and nothing else are free. */
const ioOfNode = (...free) => ({
  dependencyTypes: ['core'],
  pathNot: `^(${['assert', 'buffer', 'crypto', 'util', ...free].join('|')})$`,
})

/** Packages of npm, whether the resolver finds them in node_modules or not. */
const packages = (...names) => ({ path: `^(node_modules/)?(${names.join('|')})(/|$)` })
const serverPackages = ['@nats-io', '@clickhouse', 'chdb', 'fastify', 'pg', 'pino', 'piscina', 'prom-client']

const forbid = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to })

/** What each room of the pipeline may import of the pipeline. `schemas` is free to all of them. */
const rooms = {
  core: [],
  memory: [],
  config: ['core'],
  tracing: [],
  workers: ['core', 'memory'],
  broker: ['core', 'memory'],
  ledger: ['broker', 'config', 'memory'],
  engine: ['broker', 'config', 'core', 'ledger', 'memory', 'tracing', 'workers'],
  deliver: ['broker', 'config', 'ledger', 'tracing'],
  // Copies of partitions' states beside the live ones.
  shadow: ['broker', 'config', 'core', 'deliver', 'engine', 'ledger', 'workers'],
  servers: ['broker', 'config'],
  terminal: [],
  gateway: ['broker', 'terminal', 'tracing'],
  jobs: ['broker', 'gateway', 'terminal'],
  // What a feature brings, as a type, and what it is handed.
  feature: ['broker', 'config', 'deliver', 'engine', 'gateway', 'jobs', 'shadow', 'terminal'],
  // Features: each may use the rooms above, and none another's inside.
  approvals: ['broker', 'config', 'feature', 'gateway', 'terminal'],
  audit: ['broker', 'config', 'core', 'deliver', 'feature', 'gateway', 'terminal'],
  billing: ['broker', 'deliver', 'feature', 'gateway', 'ledger', 'terminal'],
  clickhouse: ['core', 'engine', 'feature'],
  flow: ['broker', 'config', 'deliver', 'feature', 'gateway', 'terminal'],
  keys: ['feature', 'gateway', 'terminal'],
  privacy: ['broker', 'config', 'feature', 'gateway', 'terminal'],
  kpi: ['config', 'feature', 'gateway', 'terminal'],
  postings: ['broker', 'config', 'deliver', 'feature', 'gateway', 'ledger', 'terminal'],
  connections: ['broker', 'config', 'deliver', 'feature', 'gateway'],
  deliveries: ['deliver', 'feature', 'gateway', 'terminal'],
  identities: ['broker', 'deliver', 'feature', 'gateway', 'terminal'],
  producers: ['broker', 'config', 'deliver', 'feature', 'gateway', 'ledger'],
  gates: ['broker', 'config', 'deliver', 'feature', 'gateway', 'terminal'],
  'event-schemas': ['config', 'feature', 'gateway', 'terminal'],
  sources: ['broker', 'config', 'deliver', 'feature', 'gateway', 'jobs', 'terminal'],
  explain: ['core', 'deliver', 'feature', 'gateway', 'terminal'],
  publisher: ['broker'],
  placing: ['broker'],
  simulate: ['core', 'feature', 'terminal'],
  // Other billing systems taken over: files in, files out, and what both bill compared.
  import: ['feature', 'simulate', 'terminal'],
  retention: ['broker', 'deliver', 'feature', 'ledger', 'servers', 'terminal'],
  exceptions: ['broker', 'config', 'core', 'deliver', 'feature', 'gateway', 'jobs', 'shadow', 'terminal'],
  reconcile: ['broker', 'deliver', 'engine', 'feature', 'gateway', 'ledger', 'terminal', 'workers'],
  rebuild: ['broker', 'deliver', 'feature', 'gateway', 'jobs', 'ledger', 'terminal'],
  replay: ['broker', 'feature', 'gateway', 'jobs', 'shadow', 'terminal'],
  // Catalogs from files held against what is published: what they change, for whom, and publishing them.
  catalog: ['feature', 'gateway', 'replay', 'shadow', 'simulate', 'terminal'],
  health: ['broker', 'deliver', 'engine', 'gateway'],
  // Above the roots: what starts a whole Weir.
  demo: ['', 'config', 'feature', 'reconcile', 'terminal'],
}

const everyRoom = Object.keys(rooms).join('|')

module.exports = {
  forbidden: [
    forbid('no-circles', 'no file imports itself by way of others', {}, { circular: true }),
    forbid(
      'schemas-lowest',
      'schemas imports nothing of ours',
      { path: '^schemas/' },
      { path: '^(rating|sinks|pipeline|bench|deploy)/' },
    ),
    forbid(
      'rating-is-pure',
      'rating knows shapes alone',
      { path: '^rating/' },
      { path: '^(sinks|pipeline|bench|deploy)/' },
    ),
    forbid('rating-no-io', 'rating has no clock and no I/O', product('rating'), ioOfNode()),
    forbid('rating-no-servers', 'rating talks to nobody', product('rating'), packages(...serverPackages)),
    forbid('sinks-never-rate', 'a sink decides nothing about money', product('sinks'), {
      path: '^(rating|pipeline|bench|deploy)/',
    }),
    forbid(
      'sinks-no-broker',
      'a sink talks to a system of record, never to the broker',
      product('sinks'),
      packages('@nats-io'),
    ),
    forbid('deploy-beside-sinks', 'embedded servers know nothing of the pipeline', product('deploy'), {
      path: '^(rating|sinks|pipeline|bench)/',
    }),
    forbid(
      'core-no-io',
      'the core is a pure function of its inputs',
      product('pipeline/core'),
      ioOfNode('zlib', 'v8'),
    ),
    forbid(
      'core-no-servers',
      'the core talks to nobody',
      product('pipeline/core'),
      packages(...serverPackages),
    ),
    ...Object.entries(rooms).map(([room, mayImport]) =>
      forbid(
        `room-${room}`,
        `pipeline/${room} may import of the pipeline: ${mayImport.filter(Boolean).join(', ') || 'nothing'}`,
        product(`pipeline/${room}`),
        {
          path: mayImport.includes('') ? '^pipeline/[^/]+/' : '^pipeline/',
          pathNot: `^pipeline/(${[room, ...mayImport].filter(Boolean).join('|')})/`,
        },
      ),
    ),
    forbid(
      'rooms-know-no-roots',
      'no room imports the composition roots, except what starts a whole Weir',
      { path: `^pipeline/(?!demo|cli)(${everyRoom})/`, pathNot: test },
      { path: '^pipeline/[^/]+\\.ts$' },
    ),
    forbid(
      'product-knows-no-tests',
      'what ships imports nothing that only tests need',
      {
        path: '^(schemas|rating|sinks|pipeline|bench|deploy)/',
        pathNot: test,
      },
      { path: '/testing/' },
    ),
    forbid(
      'bench-on-top',
      'nothing imports the benchmarks but the command line, and tests',
      {
        path: '^pipeline/(?!cli/)',
        pathNot: test,
      },
      { path: '^bench/' },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|\\.cache)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    // Without `exportsFields` a package that only has `exports` (@nats-io/jetstream) is not found, and no rule sees it.
    enhancedResolveOptions: {
      extensions: ['.ts', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
}
