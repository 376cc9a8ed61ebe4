// The import ladder: schemas <- rating | sinks <- pipeline <- bench; deploy/embedded stands beside sinks.
const forbid = (name, comment, from, to) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from },
  to: { path: to },
})

module.exports = {
  forbidden: [
    {
      name: 'no-circles',
      comment: 'no file imports itself by way of others',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    forbid(
      'schemas-lowest',
      'schemas imports nothing of ours',
      '^schemas/',
      '^(rating|sinks|pipeline|bench|deploy)/',
    ),
    forbid('rating-is-pure', 'rating knows shapes alone', '^rating/', '^(sinks|pipeline|bench|deploy)/'),
    forbid(
      'rating-no-io',
      'rating has no clock and no I/O',
      '^rating/(?!.*\\.test\\.ts$)',
      '^(node:|fs|http|net|worker_threads|@nats-io|@clickhouse|fastify|pino)',
    ),
    forbid(
      'sinks-never-rate',
      'a sink decides nothing about money',
      '^sinks/(?!.*\\.test\\.ts$)',
      '^(rating|pipeline|bench|deploy)/',
    ),
    forbid(
      'deploy-beside-sinks',
      'embedded servers know nothing of the pipeline',
      '^deploy/',
      '^(rating|sinks|pipeline|bench)/',
    ),
    forbid('bench-on-top', 'nothing imports the benchmarks', '^pipeline/(?!cli/)', '^bench/'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js'] },
  },
}
