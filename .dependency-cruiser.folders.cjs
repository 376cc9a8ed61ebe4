// No circles between folders, in what ships. Apart from the ladder, since tests may import from anywhere.

const ladder = require('./.dependency-cruiser.cjs')

module.exports = {
  forbidden: [
    {
      name: 'no-folder-circles',
      comment: 'no folder imports itself by way of others',
      severity: 'error',
      scope: 'folder',
      from: {},
      to: { circular: true },
    },
  ],
  options: { ...ladder.options, exclude: { path: '(^dist/|^\\.cache/|\\.test\\.ts$|/testing/)' } },
}
