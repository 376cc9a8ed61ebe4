// No circles between folders, in what ships. Apart from the ladder, since tests may import from anywhere.

const ladder = require('./.dependency-cruiser.cjs')

module.exports = {
  forbidden: [
    {
      name: 'no-folder-circles',
      comment: 'no folder imports itself by way of others',
      severity: 'error',
      scope: 'folder',
      // The whole of `pipeline` and `bench`: the command line lists the benchmarks, which start a whole Weir. That
      // nothing else of pipeline imports bench is the ladder's rule `bench-on-top`.
      from: { pathNot: '^(pipeline|bench)$' },
      to: { circular: true },
    },
  ],
  options: { ...ladder.options, exclude: { path: '(^dist/|^\\.cache/|\\.test\\.ts$|/testing/)' } },
}
